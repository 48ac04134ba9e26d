package vmtests

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/emulated"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/reserve"
	"github.com/seed64aab995/rescuekernel/symbols"
)

// guard watches an emulated machine's memory from the panic's first instruction
// on: nothing but the reservation and the message buffer may be written. On the
// others it does nothing.
func (h *handOff) guard() {
	h.t.Helper()
	m, ok := h.machine.(*emulated.Machine)
	if !ok || h.evidence != nil {
		return
	}
	if !strings.Contains(h.console.String(), "host: armed") {
		h.console.stopAt(panicText)
		exit := h.finish()
		require.Equal(h.t, machine.Canceled, exit.Reason, "before the panic: %v\n%s", exit, h.console)
	}
	h.evidence = guardEvidence(h.t, m, h.block)
}

// guardEvidence is guard for a host that has armed.
func guardEvidence(t require.TestingT, m *emulated.Machine, at physmem.Address) *emulated.Evidence {
	r, err := reserve.Open(m.Memory(), at, reserve.StageFirst)
	require.NoError(t, err)
	return m.Guard(panicBegins(r.Block), physmem.NewRanges(append(r.Block.MessageBuffer.Extents, r.Block.Reservation)...))
}

// panicBegins is where a panic writes first: package kernel notes who panics
// below its panic stack, and others write to the panic area.
func panicBegins(block *handoff.Block) physmem.Ranges {
	work := block.Range(handoff.PartPanicStack)
	work.End = work.Start + 0x800
	return physmem.NewRanges(work, block.Range(handoff.PartPanicArea))
}

// requireEvidence requires that nothing else was written since the panic, and
// says what was, and by which function. The ways in save the context that they
// interrupt on the stack that it was on, before they change to the panic stack;
// and other CPUs go on until they are told.
func (h *handOff) requireEvidence() {
	h.t.Helper()
	if h.evidence == nil {
		return
	}
	_, began := h.evidence.Began()
	require.True(h.t, began, "nothing was written to the reservation: the check checks nothing")
	breaches, all := h.evidence.Breaches()
	table, err := symbols.Open(bytes.NewReader(hostProgram.imageFor(h.t, h.runner.architecture)))
	require.NoError(h.t, err)
	var found []string
	for _, b := range breaches {
		if !b.OnStack() && !b.Unaware {
			found = append(found, fmt.Sprintf("%v: %v", table.Format(b.PC), b))
		}
	}
	require.Empty(h.t, found, "written after the panic's first instruction, besides %d that are excused", all-uint64(len(found)))
}
