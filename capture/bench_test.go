package capture_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/capture"
	"github.com/seed64aab995/rescuekernel/container/target"
	"github.com/seed64aab995/rescuekernel/handoff"
)

// BenchmarkRun is a dump of some 30 MiB, most of which compresses, into a disk in
// memory: what cmd/rescue-kernel does after the hand-off.
func BenchmarkRun(b *testing.B) {
	for _, compress := range []string{"zstd", "none"} {
		b.Run(compress, func(b *testing.B) {
			disk := newDisk(64 * mib)
			m := newMachine(b, machineOptions{targets: []handoff.Target{disk.prepare(b, 0, 0)}, pages: 10_000,
				environment: handoff.Environment{{Name: "compress", Value: compress}}})
			host, err := capture.Open(m.memory, m.block.Reservation.Start)
			require.NoError(b, err)
			d, err := host.NewDumper(nil)
			require.NoError(b, err)
			b.SetBytes(d.Size())
			for b.Loop() {
				result := host.Run(d, capture.Options{Disk: func(handoff.Target) (target.Device, error) { return disk, nil }})
				require.True(b, result.Whole())
			}
		})
	}
}
