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
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/reserve"
)

// sealedHost is a host that is armed, and its reservation.
func sealedHost(t *testing.T, on runner, command string) (*handOff, *reserve.Reservation) {
	t.Helper()
	h := armedHost(t, on, machine.Config{}, "call", command, witnessProgram)
	r, err := reserve.Open(h.machine.Memory(), h.block, reserve.StageBoth)
	require.NoError(t, err)
	return h, r
}

// flip flips a bit in the reservation.
func (h *handOff) flip(offset uint64) {
	h.t.Helper()
	var b [1]byte
	at := h.block + physmem.Address(offset)
	_, err := h.machine.Memory().ReadPhysical(b[:], at)
	require.NoError(h.t, err)
	b[0] ^= 1 << (offset % 8)
	_, err = h.machine.Memory().WritePhysical(b[:], at)
	require.NoError(h.t, err)
}

// panicArea is the panic area as the machine has it now.
func (h *handOff) panicArea(block *handoff.Block) *handoff.PanicArea {
	h.t.Helper()
	r := block.Range(handoff.PartPanicArea)
	data := make([]byte, r.Size())
	_, err := h.machine.Memory().ReadPhysical(data, r.Start)
	require.NoError(h.t, err)
	area, err := handoff.ParsePanicArea(data)
	require.NoError(h.t, err)
	return area
}

// A broken seal of the first stage: no hand-off, the panic is recorded, the
// machine is reset.
func TestBrokenSealStopsTheHandOff(t *testing.T) {
	for _, on := range []runner{witnesses(), onEmulatedARM64} {
		t.Run(string(on.architecture), func(t *testing.T) {
			for _, test := range []struct {
				part   handoff.Part
				offset uint64 // in the part
				seal   int    // its bit; the header's is 63
			}{
				{handoff.PartBlock, 0x28, 63},
				{handoff.PartBlock, handoff.HeaderLength + 3, 0},
				{handoff.PartTrampoline, 7, 1},
				{handoff.PartTables, 0x1008, 2},
				{handoff.PartImage, 0x12345, 3},
			} {
				if test.seal != 63 && test.seal != 3 && !*full {
					continue
				}
				t.Run(fmt.Sprintf("%v+%#x", test.part, test.offset), func(t *testing.T) {
					t.Parallel()
					h, r := sealedHost(t, on, "")
					h.flip(r.Block.Parts[test.part].Offset + test.offset)
					exit := h.finish()
					require.Equal(t, machine.Reset, exit.Reason, "%v\n%s", exit, h.console)
					area := h.panicArea(r.Block)
					require.Equal(t, handoff.StateRefused, area.State)
					require.Equal(t, uint64(1)<<test.seal, area.BrokenSeals)
					require.Equal(t, "the operator asked for it", area.Message)
					require.Len(t, area.Registers, 1)
					require.NotContains(t, h.console.String(), "witness:")
					require.Contains(t, h.console.String(), "the operator asked for it")
				})
			}
		})
	}
}

// A broken seal of the second stage: the hand-off goes on, the rescue program
// knows which part it must not use.
func TestBrokenDigestIsKnown(t *testing.T) {
	for _, on := range []runner{witnesses(), onEmulatedARM64} {
		t.Run(string(on.architecture), func(t *testing.T) {
			h, r := sealedHost(t, on, "debug.rescue.x=y")
			h.flip(r.Block.Parts[handoff.PartEnvironment].Offset + 2)
			h.freezeHere()
			said := h.requireEnd(h.finish())
			require.Contains(t, said.facts["broken"], "environment")
			require.Empty(t, h.wrongDigests(said))
			require.Empty(t, h.changed())
		})
	}
}

// A fault on the panic path itself: a seal that points to where nothing is,
// under a header whose checksum is right. The second panic leaves a tombstone,
// and the machine is reset.
func TestSecondPanicOnThePanicPath(t *testing.T) {
	for _, on := range []runner{witnesses(), onEmulatedARM64} {
		t.Run(string(on.architecture), func(t *testing.T) {
			h, r := sealedHost(t, on, "")
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
			if on.architecture == machine.ARM64 {
				require.Equal(t, arm64.ClassDataLower, arm64.ESR(area.Tombstone.Vector).Class())
			} else {
				require.Equal(t, uint64(14), area.Tombstone.Vector)
			}
			require.NotZero(t, area.Tombstone.FaultAddress)
		})
	}
}
