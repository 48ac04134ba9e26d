package postmortem_test

import (
	"bytes"
	"compress/bzip2"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/postmortem"
	"github.com/seed64aab995/rescuekernel/symbols"
)

// corpusFile unpacks a file of the corpus of real kernels and dumps.
func corpusFile(t *testing.T, name string) []byte {
	t.Helper()
	directory := os.Getenv("RESCUE_CORPUS")
	if directory == "" {
		directory = filepath.Join("..", "..", "shared", "data")
	}
	file, err := os.Open(filepath.Join(directory, "freebsd", name+".bz2"))
	if err != nil {
		t.Skipf("no corpus (set RESCUE_CORPUS): %v", err)
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(bzip2.NewReader(file))
	require.NoError(t, err)
	return data
}

func corpusKernel(t *testing.T, architecture string) *postmortem.Kernel {
	t.Helper()
	core := corpusFile(t, "vmcore-"+architecture+"-minidump")
	table, err := symbols.Open(bytes.NewReader(corpusFile(t, "kernel-"+architecture)))
	require.NoError(t, err)
	reader, err := minidump.Open(bytes.NewReader(core), int64(len(core)))
	require.NoError(t, err)
	return &postmortem.Kernel{Memory: reader, Architecture: reader.Header().Architecture, Symbols: table}
}

// truth is what LLDB's tests, and an independent parser, say of a thread.
type truth struct {
	pid       int32
	title     string
	cpu       int32
	registers map[string]uint64
}

func requireThreads(t *testing.T, k *postmortem.Kernel, count int, want map[int]truth) {
	t.Helper()
	list, err := k.Threads()
	require.NoError(t, err)
	for i, thread := range list.Threads {
		require.NoError(t, thread.Err, "thread %d", i)
		require.Equal(t, i == 0, thread.Crashed, "thread %d", i)
	}
	require.Empty(t, list.Problems)
	require.Len(t, list.Threads, count)
	for i, w := range want {
		thread := list.Threads[i]
		require.Equal(t, w.title, thread.Title())
		if w.pid >= 0 {
			require.Equal(t, w.pid, thread.PID, w.title)
		}
		if w.cpu >= 0 {
			require.Equal(t, w.cpu, thread.CPU, w.title)
		}
		for name, value := range w.registers {
			got, ok := thread.Registers.Get(name)
			require.True(t, ok, "%s %s", w.title, name)
			require.Equal(t, fmt.Sprintf("%#x", value), fmt.Sprintf("%#x", got), "%s %s", w.title, name)
		}
	}
}

func TestCorpusAMD64(t *testing.T) {
	t.Parallel()
	k := corpusKernel(t, "amd64")
	requireThreads(t, k, 16, map[int]truth{
		0: {800, "sysctl", -1, map[string]uint64{
			"rip": 0xffffffff80c09ade, "rsp": 0xfffffe00798c4748, "rbp": 0xfffffe00798c4760,
			"r12": 0xfffffe0045b11c00, "r13": 0xfffff800033693a8, "r15": 0xfffff80003369380,
		}},
		1: {28, "pagedaemon/dom0", 4, map[string]uint64{"rip": 0xffffffff81057988}},
		2: {28, "pagedaemon/laundry: dom0", -1, map[string]uint64{"rip": 0xffffffff80c3c8c8, "rbx": 0x7fff25f1}},
	})
	list, err := k.Threads()
	require.NoError(t, err)
	b := k.Backtrace(list.Threads[0].Registers)
	want := []uint64{0x80c09ade, 0x80c09916, 0x80c09d90, 0x80c09b93, 0x80c57d91, 0x80c19e71, 0x80c192bc, 0x80c19933,
		0x80c1977f, 0x8108ba8c, 0x810620ce}
	require.GreaterOrEqual(t, len(b.Frames), len(want))
	for i, pc := range want {
		require.Equal(t, 0xffffffff00000000|pc, b.Frames[i].PC, "frame %d", i)
	}
	require.Len(t, b.Frames, len(want), "%v", b.Stop)
	require.Error(t, b.Stop)
}

func TestCorpusARM64(t *testing.T) {
	t.Parallel()
	k := corpusKernel(t, "arm64")
	requireThreads(t, k, 10, map[int]truth{
		0: {939, "sysctl", -1, map[string]uint64{
			"pc": 0xffff0000004b6e78, "sp": 0xffff0000d58f23b0, "x29": 0xffff0000d58f23b0, "x8": 0xffffa00001548700,
		}},
		1: {-1, "syncer", 6, map[string]uint64{"pc": 0xffff000000811370}},
		4: {-1, "idle/idle: cpu2", -1, map[string]uint64{"pc": 0xffff0000004ee99c}},
	})
	list, err := k.Threads()
	require.NoError(t, err)
	// The copy has lost the stack of the crashed thread.
	b := k.Backtrace(list.Threads[0].Registers)
	require.Len(t, b.Frames, 1)
	require.ErrorContains(t, b.Stop, "0xffff0000d58f23b0")
}
