package vmtests

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine"
)

// stopper stops a machine when its guest has written a text: it is called while
// the guest waits for its console.
type stopper struct {
	io.Writer
	text string
	seen bytes.Buffer
	stop context.CancelFunc
}

func (s *stopper) Write(p []byte) (int, error) {
	s.seen.Write(p)
	if bytes.Contains(s.seen.Bytes(), []byte(s.text)) {
		s.stop()
	}
	return s.Writer.Write(p)
}

// stopAt boots a host and stops it when it has written text.
func stopAt(t testing.TB, r runner, config machine.Config, command, text string, rescue *program) *handOff {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := &stopper{text: text, stop: cancel}
	h := startOn(t, r, config, command, rescue, func(c *console) io.Writer {
		s.Writer = c
		return s
	})
	exit, err := h.machine.Run(ctx)
	require.NoError(t, err)
	require.Equal(t, machine.Canceled, exit.Reason, "%v\n%s", exit, h.console)
	return h
}

// A non-maskable interrupt finds the host in a loop of one instruction, so its
// registers are known: all of them are in the panic area.
func TestRegistersOfAnNMI(t *testing.T) {
	for _, r := range runners {
		t.Run(r.name, func(t *testing.T) {
			freeze, block := learn(t, r, machine.Config{}, "", witnessProgram)
			h := stopAt(t, r, machine.Config{}, "panic=nmi ", "panic of kind \"nmi\"\r\n", witnessProgram)
			h.freeze, h.block = freeze, block
			h.runFor(50 * time.Millisecond) // from the console into the loop

			state, err := h.machine.State(0)
			require.NoError(t, err)
			before := state.(*machine.AMD64State)
			require.Equal(t, uint16(3), before.CS.Selector&3, "the host is not in ring 3")
			require.NoError(t, h.machine.NMI(0))
			h.freezeHere()
			said := h.requireTrue(h.finish(), handoff.ReasonNMI, "")
			require.Equal(t, fmt.Sprintf("%x", before.Registers[:]), said.facts["general0"])
			require.Contains(t, said.facts["registers"], fmt.Sprintf("rip=%#x ", before.RIP))
			require.Contains(t, said.facts["registers"], fmt.Sprintf("fs=%#x ", before.FS.Base))
			require.Contains(t, said.facts["registers"], fmt.Sprintf("cr3=%#x ", before.CR3))
		})
	}
}

// A fault on another CPU is a panic of the host with that CPU's registers, and
// stops the first one.
func TestPanicOnAnotherCPU(t *testing.T) {
	for _, r := range runners {
		t.Run(r.name, func(t *testing.T) {
			config := machine.Config{CPUs: 2, InterruptController: true}
			h := freezeAt(t, r, config, "cpu", "", witnessProgram)
			said := h.requireTrue(h.finish(), handoff.ReasonUserFault, "")
			require.Contains(t, said.facts["registers"], "cpu=1 ")
			require.Contains(t, said.facts["registers"], "vector=14")
		})
	}
}
