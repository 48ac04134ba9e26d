package device_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/device/pci"
	"github.com/seed64aab995/rescuekernel/device/pvpanic"
	"github.com/seed64aab995/rescuekernel/device/uart"
	"github.com/seed64aab995/rescuekernel/device/virtio"
	"github.com/seed64aab995/rescuekernel/emulator/device"
	"github.com/seed64aab995/rescuekernel/machine"
)

// newBus is a computer with other devices.
func newBus(t *testing.T, devices ...machine.Device) *computer {
	t.Helper()
	return &computer{t: t, bus: machine.NewBus(devices...)}
}

// TestPL011 sends with the real driver.
func TestPL011(t *testing.T) {
	t.Parallel()
	var sent bytes.Buffer
	var lines []bool
	const base = 0x0900_0000
	c := newBus(t, device.NewPL011(base, &sent, func(on bool) { lines = append(lines, on) }))
	w := c.memory(base)
	port, err := uart.NewPL011(w, uart.Options{Speed: 115200})
	require.NoError(t, err)
	_, err = port.Write([]byte("hello, world"))
	require.NoError(t, err)
	require.NoError(t, port.Drain())
	require.Equal(t, "hello, world", sent.String())
	require.EqualValues(t, 13, w.Read32(uart.PL011IntegerDivisor))
	var id []uint32
	for o := uint64(uart.PL011PeripheralID0); o < uart.PL011Size; o += 4 {
		id = append(id, w.Read32(o))
	}
	require.Equal(t, []uint32{0x11, 0x10, 0x34, 0x00, 0x0d, 0xf0, 0x05, 0xb1}, id)

	require.Empty(t, lines, "interrupts are masked")
	w.Write32(uart.PL011InterruptMask, 1<<5)
	w.Write32(uart.PL011InterruptClear, 0x7ff)
	require.Equal(t, []bool{true, false}, lines)
	w.Write32(uart.PL011Control, 0)
	w.Write32(uart.PL011Data, '!')
	require.Equal(t, "hello, world", sent.String(), "the transmitter is off")
	require.Empty(t, c.stops)
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("no paper") }

func TestPL011WriterFails(t *testing.T) {
	t.Parallel()
	c := newBus(t, device.NewPL011(0, brokenWriter{}, nil))
	c.memory(0).Write32(uart.PL011Data, 'a')
	require.Len(t, c.stops, 1)
	require.Contains(t, c.stops[0].Detail, "no paper")
	newBus(t, device.NewPL011(0, nil, nil)).memory(0).Write32(uart.PL011Data, 'a')
}

func TestPL031(t *testing.T) {
	t.Parallel()
	now := uint32(1000)
	w := newBus(t, device.NewPL031(0x9010000, func() uint32 { return now })).memory(0x9010000)
	require.EqualValues(t, 1000, w.Read32(0))
	w.Write32(8, 5000)
	now += 7
	require.EqualValues(t, 5007, w.Read32(0))
	require.EqualValues(t, 0x31, w.Read32(uart.PL011PeripheralID0))
	require.EqualValues(t, 1, w.Read32(12))
}

// TestVirt: the board without I/O ports, its configuration space in memory.
func TestVirt(t *testing.T) {
	t.Parallel()
	var events []byte
	c := newComputer(t, device.Usual, func(b *device.Board) {
		virt := device.Virt()
		virt.Memory, virt.Disks = b.Memory, b.Disks
		virt.Others = []*device.Function{device.NewPanic(func(e byte) { events = append(events, e) })}
		*b = virt
	})
	w := c.memory(c.board.MMIO + 31*virtio.MMIOSize)
	require.EqualValues(t, 2, w.Read32(virtio.MMIOVersion), "a disk, on MMIO")
	require.EqualValues(t, virtio.TypeBlock, w.Read32(virtio.MMIODeviceID))
	empty := c.memory(c.board.MMIO + 30*virtio.MMIOSize)
	_, err := virtio.NewMMIO(empty)
	require.ErrorIs(t, err, virtio.ErrNoDevice)
	empty.Write32(virtio.MMIOStatus, 1)
	require.Zero(t, empty.Read32(virtio.MMIOStatus))

	ecam := c.memory(c.board.HostBridge.ECAM)
	require.EqualValues(t, 0x0008_1b36, ecam.Read32(0))
	require.EqualValues(t, 0x0011_1b36, ecam.Read32(1<<15))
	require.EqualValues(t, 0xffff_ffff, ecam.Read32(2<<15))
	require.EqualValues(t, 0xffff_ffff, ecam.Read32(255<<20), "no other bus has anything")
	bar := uint64(ecam.Read32(1<<15+pci.RegisterBAR) &^ 0xf)
	require.Equal(t, c.board.Resources.Memory, bar)
	require.True(t, pvpanic.Report(c.memory(bar), pvpanic.CrashLoaded))
	require.Equal(t, []byte{pvpanic.CrashLoaded}, events)
	require.Empty(t, c.stops)

	b := c.board
	b.Attachment = device.PCIModern
	b.Disks = append(b.Disks, b.Disks[0])
	blocks, devices, err := b.Attach()
	require.NoError(t, err)
	require.Len(t, blocks, 2)
	require.Equal(t, b.HostBridge.ECAM, devices[1].Window().Base)
	b.Attachment, b.Slots = device.MMIOLegacy, 1
	_, _, err = b.Attach()
	require.ErrorIs(t, err, machine.ErrUnsupported)
	require.Equal(t, "usual", device.Usual.String())
}
