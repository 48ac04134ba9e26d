package vmtests

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/reserve"
)

// panickingARM64 is a host that is armed and has begun to panic: it stands at the
// first instruction on the panic stack.
func panickingARM64(t *testing.T, command string) (*handOff, *reserve.Reservation) {
	t.Helper()
	freeze, block := learn(t, plainARM64, machine.Config{}, command, witnessProgram)
	h := start(t, plainARM64, machine.Config{}, "panic=call "+command, witnessProgram)
	h.freeze, h.block = freeze, block
	exit, err := h.machine.RunTo(h.context(), symbol(t, hostProgram.imageFor(t, machine.ARM64), "/kernel.runPanic"))
	require.NoError(t, err)
	require.Equal(t, machine.Breakpoint, exit.Reason, "%v\n%s", exit, h.console)
	r, err := reserve.Open(h.machine.Memory(), block, reserve.StageBoth)
	require.NoError(t, err)
	return h, r
}

// TestBrokenSealStopsTheHandOff for arm64.
func TestARM64BrokenSealStopsTheHandOff(t *testing.T) {
	for _, test := range []struct {
		part   handoff.Part
		offset uint64
		seal   int
	}{
		{handoff.PartBlock, handoff.OffsetConduit, 63},
		{handoff.PartTrampoline, 0x401, 1},
		{handoff.PartTables, 0x1008, 2},
		{handoff.PartImage, 0x12345, 3},
	} {
		t.Run(fmt.Sprintf("%v+%#x", test.part, test.offset), func(t *testing.T) {
			h, r := panickingARM64(t, "")
			h.flip(r.Block.Parts[test.part].Offset + test.offset)
			exit := h.finish()
			require.Equal(t, machine.Reset, exit.Reason, "%v\n%s", exit, h.console)
			area := h.panicArea(r.Block)
			require.Equal(t, handoff.StateRefused, area.State)
			require.Equal(t, uint64(1)<<test.seal, area.BrokenSeals)
			require.Equal(t, "the operator asked for it", area.Message)
			require.Len(t, area.Registers, 1)
			require.NotContains(t, h.console.String(), "witness:")
		})
	}
}

// TestBrokenDigestIsKnown for arm64.
func TestARM64BrokenDigestIsKnown(t *testing.T) {
	h, r := panickingARM64(t, "debug.rescue.x=y")
	h.flip(r.Block.Parts[handoff.PartEnvironment].Offset + 2)
	h.freezeHere()
	said := h.requireEnd(h.finish())
	require.Contains(t, said.facts["broken"], "environment")
	require.Empty(t, h.wrongDigests(said))
	require.Empty(t, h.changed())
}

// TestSecondPanicOnThePanicPath for arm64.
func TestARM64SecondPanicOnThePanicPath(t *testing.T) {
	h, r := panickingARM64(t, "")
	header := make([]byte, handoff.HeaderLength)
	_, err := h.machine.Memory().ReadPhysical(header, h.block)
	require.NoError(t, err)
	binary.LittleEndian.PutUint64(header[handoff.OffsetSeals+handoff.SealSlotSize+handoff.OffsetSealOffset:], 1<<44)
	crc := crc32.Update(0, crc32.MakeTable(crc32.Castagnoli), header[:handoff.OffsetHeaderCRC])
	crc = crc32.Update(crc, crc32.MakeTable(crc32.Castagnoli), header[handoff.OffsetHeaderCRC+4:])
	binary.LittleEndian.PutUint32(header[handoff.OffsetHeaderCRC:], crc)
	_, err = h.machine.Memory().WritePhysical(header, h.block)
	require.NoError(t, err)

	exit := h.finish()
	require.Equal(t, machine.Reset, exit.Reason, "%v\n%s", exit, h.console)
	area := h.panicArea(r.Block)
	require.Equal(t, handoff.StateRefused, area.State)
	require.Equal(t, handoff.ReasonCall, area.Reason, "the first panic is not written over")
	require.Equal(t, uint32(1), area.Nested)
	require.Equal(t, handoff.ReasonUserFault, area.Tombstone.Reason)
	require.Equal(t, arm64.ClassDataLower, arm64.ESR(area.Tombstone.Vector).Class())
	require.NotZero(t, area.Tombstone.FaultAddress)
}
