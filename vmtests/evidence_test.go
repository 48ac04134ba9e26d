package vmtests

import (
	"bytes"
	"debug/elf"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/emulated"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/reserve"
)

// symbol is the address of a function of an image that has its symbols.
func symbol(t testing.TB, image []byte, name string) uint64 {
	t.Helper()
	file, err := elf.NewFile(bytes.NewReader(image))
	require.NoError(t, err)
	symbols, err := file.Symbols()
	require.NoError(t, err)
	for _, s := range symbols {
		if strings.HasSuffix(s.Name, name) {
			return s.Value
		}
	}
	require.Fail(t, "no symbol "+name)
	return 0
}

// The host's memory is evidence: from the first instruction of the one routine
// that all panics end in, on the panic stack, to the freeze point nothing is
// written but the reservation and the message buffer. (The ways in save the
// panicking context on the stack that they were taken on, as any exception
// does.) QEMU's breakpoints hold in ring 3, where the panic path runs.
func TestPanicPathWritesOnlyTheReservation(t *testing.T) {
	r := onQEMU
	kinds := []string{"call"}
	if *full {
		kinds = append(kinds, "nil", "kernel")
	}
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			freeze, block := learn(t, r, machine.Config{}, "", witnessProgram)
			h := start(t, r, machine.Config{}, "panic="+kind+" ", witnessProgram)
			h.freeze, h.block = freeze, block
			first := symbol(t, hostProgram.image(t), "/kernel.runPanic")
			exit, err := h.machine.RunTo(h.context(), first)
			require.NoError(t, err)
			require.Equal(t, machine.Breakpoint, exit.Reason, "%v\n%s", exit, h.console)
			panicked, err := h.machine.Snapshot()
			require.NoError(t, err)
			h.freezeHere()
			opened := h.opened()
			except := physmem.NewRanges(append(opened.Block.MessageBuffer.Extents, opened.Block.Reservation)...)
			changed, err := panicked.Changes(h.before, except, 64)
			require.NoError(t, err)
			require.Empty(t, changed, "the panic path wrote to the host's memory")
			h.requireTrue(h.finish(), reasonOf(kind), "")
		})
	}
}

func reasonOf(kind string) handoff.Reason {
	for _, k := range panicKinds {
		if k.kind == kind {
			return k.reason
		}
	}
	return handoff.ReasonNone
}

// The guard is guarded: one byte that is written while the host panics, and says
// nothing of itself, is caught.
func TestWriteDuringThePanicIsCaught(t *testing.T) {
	h := armedHost(t, onEmulator, machine.Config{}, "call", "", witnessProgram)
	h.guard()
	m := h.machine.(*emulated.Machine)
	opened, err := reserve.Open(m.Memory(), h.block, reserve.StageFirst)
	require.NoError(t, err)
	at := opened.Block.Memory[0].Start + 0x5678
	exit, err := m.RunTo(h.context(), symbol(t, hostProgram.image(t), "/kernel.runPanic"))
	require.NoError(t, err)
	require.Equal(t, machine.Breakpoint, exit.Reason, "%v", exit)
	_, began := h.evidence.Began()
	require.True(t, began)
	_, err = m.Memory().WritePhysical([]byte{1}, at)
	require.NoError(t, err)
	h.freezeHere()
	var found []emulated.Breach
	breaches, _ := h.evidence.Breaches()
	for _, b := range breaches {
		if !b.OnStack() {
			found = append(found, b)
		}
	}
	require.Len(t, found, 1)
	require.Equal(t, at, found[0].Address)
	require.Contains(t, found[0].String(), "DMA writes 1 bytes to "+at.String())
}
