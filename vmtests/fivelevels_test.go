package vmtests

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// fiveLevels is a host that enters its image with 5-level paging. No
// loader here leaves that on, so the test does what the boot stub would then do:
// it chooses the other of the two prebuilt roots.
func fiveLevels(t *testing.T, r runner, command string) *handOff {
	t.Helper()
	image := hostProgram.image(t)
	file, err := elf.NewFile(bytes.NewReader(image))
	require.NoError(t, err)
	h := start(t, r, machine.Config{}, command, witnessProgram)
	exit, err := h.machine.RunTo(h.context(), file.Entry)
	require.NoError(t, err)
	require.Equal(t, machine.Breakpoint, exit.Reason, "%v", exit)
	state, err := h.machine.State(0)
	require.NoError(t, err)
	s := state.(*machine.AMD64State)
	block := physmem.Address(s.Registers[machine.RDI])
	var root [8]byte
	_, err = h.machine.Memory().ReadPhysical(root[:], block+handoff.OffsetRoot5)
	require.NoError(t, err)
	s.CR3, s.CR4 = uint64(block)+binary.LittleEndian.Uint64(root[:]), s.CR4|la57
	require.NoError(t, h.machine.SetState(0, s))
	return h
}

const la57 = 1 << 12 // of CR4

// A host that was entered with 5-level paging stays with it, and its rescue
// program does.
func TestFiveLevels(t *testing.T) {
	for _, r := range []runner{onEmulator, onQEMU} { // KVM here has none
		t.Run(r.name, func(t *testing.T) { testFiveLevels(t, r) })
	}
}

func testFiveLevels(t *testing.T, r runner) {
	first := fiveLevels(t, r, "panic=none")
	exit := first.finish()
	match := armedLine.FindStringSubmatch(first.console.String())
	require.NotNil(t, match, "%v\n%s", exit, first.console)
	base, err := strconv.ParseUint(match[1], 0, 64)
	require.NoError(t, err)
	freeze, err := strconv.ParseUint(match[3], 0, 64)
	require.NoError(t, err)

	h := fiveLevels(t, r, "panic=nil")
	h.block, h.freeze = physmem.Address(base), freeze
	h.freezeHere()
	require.NotZero(t, h.before.CPUs[0].(*machine.AMD64State).CR4&la57, "the host has 4 levels")
	block := h.opened().Block
	require.EqualValues(t, 5, block.PagingLevels)
	require.NotZero(t, block.Tables.Root5)
	h.requireTrue(h.finish(), handoff.ReasonExit, "")
	end, err := h.machine.State(0)
	if err == nil { // QEMU has not ended
		require.NotZero(t, end.(*machine.AMD64State).CR4&la57, "the rescue program has 4 levels")
	}
}
