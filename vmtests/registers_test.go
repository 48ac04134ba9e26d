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

// stopper stops a machine when its guest has written a text: under KVM at that
// very instruction, by its error; in QEMU, whose guest runs on meanwhile, by the
// run's context.
type stopper struct {
	io.Writer
	text string
	at   bool
	seen bytes.Buffer
	stop context.CancelFunc
}

func (s *stopper) Write(p []byte) (int, error) {
	s.seen.Write(p)
	n, err := s.Writer.Write(p)
	if err == nil && s.text != "" && bytes.Contains(s.seen.Bytes(), []byte(s.text)) {
		s.text = ""
		if s.at {
			return n, &machine.StopError{Exit: machine.Exit{Reason: machine.Canceled}}
		}
		s.stop()
	}
	return n, err
}

// stopAt boots a host and stops it when it has written text.
func stopAt(t testing.TB, r runner, config machine.Config, command, text string, rescue *program) *handOff {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := &stopper{text: text, at: r.name != "qemu", stop: cancel}
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
