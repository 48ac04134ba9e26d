package vmtests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/record/reader"
)

// The record of a panic is where Linux's ramoops looks for it, before the hand-off,
// and it is the record that the reservation has, whole. The next boot leaves it
// there and takes the zone behind it.
func TestRamoops(t *testing.T) {
	eachArchitecture(t, func(t *testing.T, r runner) {
		r.onlyFull(t)
		region := physmem.Range{Start: 24 << 20, End: 24<<20 + 64<<10}
		if r.architecture == machine.ARM64 {
			region = physmem.Range{Start: 1<<30 + 24<<20, End: 1<<30 + 24<<20 + 64<<10}
		}
		var left []byte
		for boot := 1; boot <= 2; boot++ {
			h := start(t, r, machine.Config{}, fmt.Sprintf("panic=call ramoops=%#x,%#x", uint64(region.Start), region.Size()), witnessProgram)
			if left != nil {
				_, err := h.machine.Memory().WritePhysical(left, region.Start)
				require.NoError(t, err)
			}
			exit := h.finish()
			require.Contains(t, h.console.String(), "witness: done", "%v", exit)
			left = h.reservationBytes(region)
			found, err := reader.Ramoops(left, nil)
			require.NoError(t, err)
			require.Empty(t, found.Problems)
			require.Len(t, found.Contents.Records, boot)

			h.block, _ = armedAt(t, armedLine.FindStringSubmatch(h.console.String()))
			all := h.records(h.blockNow())
			want, matches := all[len(all)-1], 0
			for _, stored := range found.Contents.Records {
				r, err := record.Decode(stored.Data)
				require.NoError(t, err)
				require.Equal(t, record.ClassPanic, r.Class)
				require.Equal(t, "the operator asked for it", r.Message)
				if r.RestartID == want.RestartID && r.Sequence == want.Sequence {
					matches++
					require.Equal(t, want.Registers, r.Registers)
				}
			}
			require.NotZero(t, matches) // boots of an emulated machine are all alike
		}
		path := filepath.Join(t.TempDir(), "ramoops")
		require.NoError(t, os.WriteFile(path, left, 0o600))
		said := output(t, exec.Command(dumper(t), "records", path))
		require.Contains(t, said, "the operator asked for it")
		require.Contains(t, said, record.ClassPanic)
	})
}
