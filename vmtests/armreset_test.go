package vmtests

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/emulated"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/record/reader"
	"github.com/seed64aab995/rescuekernel/reserve"
)

// An arm64 reset loses what is in the caches. The record of a panic, and what was
// kept for Linux, are in memory by then, with a hand-off and without; and would not
// be if nobody cleaned them.
func TestRecordIsBelowTheCaches(t *testing.T) {
	region := physmem.Range{Start: 1<<30 + 24<<20, End: 1<<30 + 24<<20 + 64<<10}
	for _, test := range []struct {
		name           string
		handOff, clean bool
	}{{"no hand-off", false, true}, {"hand-off", true, true}, {"nobody cleans", false, false}} {
		if test.handOff && !*full {
			continue
		}
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := emulatedARM(emulated.Options{Caches: emulated.KeptLines})
			command := fmt.Sprintf("ramoops=%#x,%#x", uint64(region.Start), region.Size())
			h := armedHost(t, r, machine.Config{}, "call", command, witnessProgram)
			opened, err := reserve.Open(h.machine.Memory(), h.block, reserve.StageBoth)
			require.NoError(t, err)
			if !test.handOff {
				h.flip(opened.Block.Parts[handoff.PartImage].Offset)
			}
			if !test.clean {
				at := opened.Block.Range(handoff.PartPanicArea).Start + handoff.PanicOffsetOrders + handoff.OrderOffsetClean
				_, err := h.machine.Memory().WritePhysical(binary.LittleEndian.AppendUint64(nil, 0), at)
				require.NoError(t, err)
			}
			exit := h.finish()
			require.Equal(t, test.handOff, exit.Reason == machine.PoweredOff, "%v\n%s", exit, h.console)
			require.NoError(t, h.machine.Reset())

			found, err := reader.Ramoops(h.reservationBytes(region), nil)
			contents, areaErr := record.Parse(h.reservationBytes(opened.Block.Range(handoff.PartRecords)))
			if !test.clean {
				require.True(t, areaErr != nil || !contents.Panicked && contents.Panics == 0, "%+v", contents)
				require.True(t, err != nil || len(found.Contents.Records) == 0)
				return
			}
			require.NoError(t, areaErr)
			require.NoError(t, err)
			require.Zero(t, contents.Torn)
			require.True(t, contents.Panicked)
			for _, stored := range [][]record.Stored{contents.Records, found.Contents.Records} {
				require.NotEmpty(t, stored)
				got, err := record.Decode(stored[len(stored)-1].Data)
				require.NoError(t, err)
				require.Equal(t, "the operator asked for it", got.Message)
				require.Zero(t, got.Flags&record.FlagMinimal)
			}
		})
	}
}
