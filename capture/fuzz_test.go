package capture_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/capture"
	"github.com/seed64aab995/rescuekernel/container/target"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Whatever the host has in its bitmap, dump_avail, page tables and panic area,
// there is a dump, and it opens.
func FuzzHostileHost(f *testing.F) {
	f.Add([]byte{0xff, 0xff, 0xff, 0xff}, uint8(0), uint16(0x800))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, uint8(1), uint16(8))
	f.Add([]byte{7, 0, 0x10}, uint8(2), uint16(160*8))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff}, uint8(3), uint16(handoff.PanicOffsetRoot))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff}, uint8(3), uint16(handoff.PanicOffsetRegisters+handoff.SlotOffsetState+8))
	f.Fuzz(func(t *testing.T, data []byte, where uint8, offset uint16) {
		disk := newDisk(8 * mib)
		m := newMachine(t, machineOptions{targets: []handoff.Target{disk.prepare(t, 0, 0)}, pages: 4})
		area := m.block.Range(handoff.PartPanicArea)
		start := [...]physmem.Address{hostBitmap, hostAvail, hostTables, area.Start}[where%4]
		if where%4 == 3 {
			offset = uint16(min(uint64(offset), area.Size()-min(area.Size(), uint64(len(data)))))
		}
		if len(data) > 4096 {
			return
		}
		m.write(t, start+physmem.Address(offset), data)
		host, err := capture.Open(m.memory, m.block.Reservation.Start)
		require.NoError(t, err)
		d, err := host.NewDumper(nil)
		require.NoError(t, err)
		if d.Size() > 1<<30 {
			return // a dump_avail of terabytes, all of it holes: true, and slow
		}
		result := host.Run(d, capture.Options{Disk: func(handoff.Target) (target.Device, error) { return disk, nil }})
		require.NoError(t, result.Err())
		if !result.Whole() {
			return
		}
		_, _, err = open(t, disk)
		require.NoError(t, err)
	})
}
