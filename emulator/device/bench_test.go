package device_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/emulator/device"
)

// BenchmarkWrite is driver and model together: 64 KiB a request.
func BenchmarkWrite(b *testing.B) {
	for _, a := range device.Attachments() {
		b.Run(a.String(), func(b *testing.B) {
			c := newComputer(b, a)
			d := c.mustDriver(0)
			p := pattern(64<<10, 1)
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.WriteAt(p, 0); err != nil {
					require.NoError(b, err)
				}
			}
		})
	}
}
