package device_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/device/pci"
	"github.com/seed64aab995/rescuekernel/device/virtio"
	"github.com/seed64aab995/rescuekernel/emulator/device"
)

// operation is 16 bytes of a fuzzer's input: kind, place, value.
const operationSize = 16

func operations(list ...[3]uint64) []byte {
	var b []byte
	for _, o := range list {
		b = append(b, byte(o[0]))
		b = append(b, binary.LittleEndian.AppendUint64(nil, o[1])[:7]...)
		b = binary.LittleEndian.AppendUint64(b, o[2])
	}
	return b
}

// Kinds of operations: the lower bits are the width.
const (
	opRead   = 0x00
	opWrite  = 0x10
	opPort   = 0x20 // an I/O port
	opMemory = 0x40 // a write to RAM, at an offset
)

// FuzzRegisters lets a guest do anything to the registers of a disk and to its
// own memory. Nothing panics, nothing is touched that is not the guest's, and
// the device works after a reset.
func FuzzRegisters(f *testing.F) {
	base := device.PC()
	mmio := base.MMIO
	queue := operations(
		[3]uint64{opWrite | 4, mmio + virtio.MMIOStatus, 3},
		[3]uint64{opWrite | 4, mmio + virtio.MMIOGuestPageSize, 4096},
		[3]uint64{opWrite | 4, mmio + virtio.MMIOQueueSize, 16},
		[3]uint64{opWrite | 4, mmio + virtio.MMIOQueueAddress, ramBase >> 12},
		[3]uint64{opWrite | 4, mmio + virtio.MMIOStatus, 7},
		[3]uint64{opMemory | 8, 0, ramBase + 0x800},
		[3]uint64{opMemory | 8, 8, 0x1_0001_0000_0010},
		[3]uint64{opMemory | 8, 16, ramBase + 0x1800},
		[3]uint64{opMemory | 8, 24, 0x0002_0000_0001},
		[3]uint64{opMemory | 8, 256, 0x0000_0001_0000},
		[3]uint64{opWrite | 4, mmio + virtio.MMIOQueueNotify, 0},
		[3]uint64{opRead | 4, mmio + virtio.MMIOInterruptStatus, 0},
	)
	for i := range device.Attachments() {
		f.Add(byte(i), queue)
	}
	ports := uint64(opPort)
	f.Add(byte(0), operations(
		[3]uint64{ports | opWrite | 4, pci.PortAddress, pci.PortAddressEnable | 1<<11 | pci.RegisterCommand},
		[3]uint64{ports | opWrite | 2, pci.PortData, 7},
		[3]uint64{ports | opWrite | 4, 0xc000 + virtio.LegacyQueueAddress, ramBase >> 12},
		[3]uint64{ports | opWrite | 1, 0xc000 + virtio.LegacyStatus, 7},
		[3]uint64{opMemory | 8, 4096, 0x0000_0003_0000},
		[3]uint64{ports | opWrite | 2, 0xc000 + virtio.LegacyQueueNotify, 0},
		[3]uint64{ports | opRead | 1, 0xc000 + virtio.LegacyISR, 0},
		[3]uint64{ports | opWrite | 4, pci.PortAddress, pci.PortAddressEnable | 1<<11 | 0x60},
		[3]uint64{ports | opRead | 4, pci.PortData, 0},
	))
	memory := base.Resources.Memory + 0x4000
	f.Add(byte(device.PCIModern), operations(
		[3]uint64{opWrite | 4, memory + virtio.CommonDriverFeatureSelect, 1},
		[3]uint64{opWrite | 8, memory + virtio.CommonQueueDescriptors, ramBase},
		[3]uint64{opWrite | 2, memory + virtio.CommonQueueEnable, 1},
		[3]uint64{opWrite | 2, memory + 0x3000, 0},
		[3]uint64{opRead | 1, memory + 0x1000, 0},
		[3]uint64{opRead | 8, memory + 0x2000, 0},
	))
	f.Fuzz(func(t *testing.T, attachment byte, input []byte) {
		a := device.Attachments()[int(attachment)%len(device.Attachments())]
		c := newComputer(t, a, withECAM)
		for len(input) >= operationSize {
			c.operate(input[:operationSize])
			input = input[operationSize:]
		}
		n := c.blocks[0].Counters()
		require.LessOrEqual(t, n.Requests, n.Kicks*device.QueueSize)
		c.revive()
	})
}

func (c *computer) operate(o []byte) {
	kind := o[0]
	width := 1 << (kind & 3)
	if kind&15 > 8 {
		width = int(kind & 15) // widths that no CPU has
	}
	if kind&15 == 4 || kind&15 == 8 {
		width = int(kind & 15)
	}
	address := binary.LittleEndian.Uint64(append(append([]byte{}, o[1:8]...), 0))
	p := append(append([]byte{}, o[8:]...), make([]byte, 8)...)[:width]
	switch {
	case kind&opMemory != 0:
		copy(c.ram[address%ramSize:], p)
	case kind&opWrite != 0:
		c.stopped(c.bus.Write(kind&opPort != 0, address, p))
	default:
		c.stopped(c.bus.Read(kind&opPort != 0, address, p))
	}
}

// revive resets the device, wherever the guest has put its registers, and
// reads a sector by the driver.
func (c *computer) revive() {
	if c.board.Attachment.OnPCI() {
		function := c.function(0)
		for i, address := range map[int]uint64{0: 0xc000, 1: 0xfe000000, 4: 0xfe004000} {
			if size, err := function.SizeBAR(i); err == nil && size != 0 {
				require.NoError(c.t, function.SetBAR(i, address))
			}
		}
		function.Enable(pci.CommandIO | pci.CommandMemory)
	}
	b := c.mustDriver(0)
	got := make([]byte, 512)
	_, err := b.ReadAt(got, 512)
	require.NoError(c.t, err)
	require.Equal(c.t, c.disks[0].data[512:1024], got)
}

// FuzzQueue gives a device a queue that a fuzzer has written: all of it is
// memory of the guest, descriptors too.
func FuzzQueue(f *testing.F) {
	r := newRig(f)
	r.request(0, virtio.BlockTypeRead, 1, 512)
	r.request(3, virtio.BlockTypeWrite, 2, 1024)
	r.describe(rigDescriptors, 6, rigTable, 64, indirect, 0)
	r.describe(rigTable, 0, rigHeader, 16, next, 1)
	r.describe(rigTable, 1, rigStatus, 1, writes, 0)
	r.offer(0, 3, 6)
	f.Add(r.at(rigDescriptors)[:256], r.at(rigAvailable)[:64], r.at(rigTable)[:128], r.at(rigHeader)[:16])
	r.describe(rigDescriptors, 1, rigData, 512, next|writes, 0)
	f.Add(r.at(rigDescriptors)[:256], r.at(rigAvailable)[:64], r.at(rigTable)[:128], r.at(rigHeader)[:16])
	r.offer(77)
	f.Add(r.at(rigDescriptors)[:256], r.at(rigAvailable)[:64], []byte{}, []byte{1})
	f.Fuzz(func(t *testing.T, descriptors, available, table, header []byte) {
		r := newRig(t)
		copy(r.at(rigDescriptors)[:4096], descriptors)
		copy(r.at(rigAvailable)[:4096], available)
		copy(r.at(rigTable)[:4096], table)
		copy(r.at(rigHeader)[:4096], header)
		r.kick()
		require.LessOrEqual(t, r.blocks[0].Counters().Requests, uint64(rigSize))
		require.Equal(t, r.status()&virtio.StatusNeedsReset != 0, r.blocks[0].Problem() != nil)
		clear(r.ram)
		r.start(virtio.FeatureVersion1)
		require.Zero(t, r.do(virtio.BlockTypeRead, 0, 512))
	})
}
