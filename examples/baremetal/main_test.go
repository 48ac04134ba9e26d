package main

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/container"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/rescue"
)

func needPanicPath(t *testing.T) {
	t.Helper()
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("the panic path runs on amd64 and arm64 only")
	}
}

func TestRun(t *testing.T) {
	needPanicPath(t)
	t.Parallel()
	disk := filepath.Join(t.TempDir(), "vmcore")
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out, disk))
	for _, want := range []string{"armed [", "of baremetal", "panic: unhandled exception", "log: ledger: does not balance", "ledger: debit 100, credit 99"} {
		require.Contains(t, out.String(), want)
	}
	content, err := os.ReadFile(disk)
	require.NoError(t, err)
	file, err := container.Open(bytes.NewReader(content), int64(len(content)))
	require.NoError(t, err)
	require.True(t, file.Complete())
	require.NoError(t, file.Close())
}

// A fault on the panic path goes on behind what failed, and a third one resets.
func TestFaultAgain(t *testing.T) {
	needPanicPath(t)
	t.Parallel()
	board, err := newDemonstration()
	require.NoError(t, err)
	defer board.close()
	p, err := newPlatform(board)
	require.NoError(t, err)
	_, err = rescue.Arm(rescue.Config{Platform: p, Image: board.image(), Targets: board.targets()})
	require.NoError(t, err)
	p.fault(frame{pc: 1, sp: board.stack()})
	require.False(t, board.reset)
	require.Equal(t, uint32(1), p.context.Depth)
	p.fault(frame{pc: 2, sp: board.stack()})
	require.Equal(t, uint64(1), p.context.PC, "the first panic is the one that is told of")
	require.Equal(t, uint64(2), p.context.Second.PC)
	p.Panic("a third time")
	require.True(t, board.reset)
}

func TestNotArmed(t *testing.T) {
	t.Parallel()
	board, err := newDemonstration()
	require.NoError(t, err)
	defer board.close()
	p, err := newPlatform(board)
	require.NoError(t, err)
	p.Panic("nothing is armed")
	require.True(t, board.reset)
	_, err = p.allocate(1 << 40)
	require.Error(t, err)
	require.Error(t, p.Reserve(p.used[0]))
	require.NoError(t, p.OnPanic(handoff.PanicHandler{}))
}
