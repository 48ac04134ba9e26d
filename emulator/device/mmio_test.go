package device_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/device/virtio"
	"github.com/seed64aab995/rescuekernel/emulator/device"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

func TestMMIORegisters(t *testing.T) {
	t.Parallel()
	for version, a := range map[uint32]device.Attachment{1: device.MMIOLegacy, 2: device.MMIOModern} {
		c := newComputer(t, a)
		w := c.memory(c.board.MMIO)
		require.EqualValues(t, virtio.MagicValue, w.Read32(virtio.MMIOMagic))
		require.Equal(t, version, w.Read32(virtio.MMIOVersion))
		require.EqualValues(t, virtio.TypeBlock, w.Read32(virtio.MMIODeviceID))
		require.EqualValues(t, 256, w.Read32(virtio.MMIOQueueMaximum))
		require.EqualValues(t, 2048, w.Read64(virtio.MMIOConfig+virtio.BlockConfigCapacity))
		require.EqualValues(t, 512, w.Read32(virtio.MMIOConfig+virtio.BlockConfigSectorSize))
		require.EqualValues(t, 8, w.Read8(virtio.MMIOConfig+1))
		require.Zero(t, w.Read32(virtio.MMIOConfig+0xfc), "beyond the configuration")

		// What is not 32 bits wide is no access to a register (4.2.2.2).
		require.Zero(t, w.Read16(virtio.MMIOMagic))
		w.Write8(virtio.MMIOStatus, 1)
		require.Zero(t, w.Read32(virtio.MMIOStatus))
		w.Write32(virtio.MMIOConfig, 0)
		require.EqualValues(t, 2048, w.Read32(virtio.MMIOConfig))

		w.Write32(virtio.MMIOQueueSelect, 1)
		require.Zero(t, w.Read32(virtio.MMIOQueueMaximum), "there is one queue")
		w.Write32(virtio.MMIOQueueSelect, 1<<16)
		require.Zero(t, w.Read32(virtio.MMIOQueueMaximum))
		w.Write32(virtio.MMIODeviceFeatureSelect, 1)
		require.Equal(t, version-1, w.Read32(virtio.MMIODeviceFeatures), "VERSION_1")
		w.Write32(virtio.MMIODeviceFeatureSelect, 2)
		require.Zero(t, w.Read32(virtio.MMIODeviceFeatures))
		w.Write32(virtio.MMIOQueueNotify, 1)
		w.Write32(virtio.MMIOQueueNotify, 0)
		require.EqualValues(t, 2, c.blocks[0].Counters().Kicks)
		require.Zero(t, c.blocks[0].Counters().Requests)
	}
}

// TestLegacyMMIOQueue: the page size and the alignment are the driver's choice.
func TestLegacyMMIOQueue(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := newComputer(t, device.MMIOLegacy)
	r.computer, r.registers = c, c.memory(c.board.MMIO)
	w := r.registers
	w.Write32(virtio.MMIOStatus, virtio.StatusDriver)
	w.Write32(virtio.MMIOGuestPageSize, 512)
	w.Write32(virtio.MMIOGuestPageSize, 511) // no power of two: ignored
	w.Write32(virtio.MMIOQueueAlign, 64)
	w.Write32(virtio.MMIOQueueSize, rigSize)
	w.Write32(virtio.MMIOQueueAddress, rigDescriptors/512)
	require.EqualValues(t, rigDescriptors/512, w.Read32(virtio.MMIOQueueAddress))
	w.Write32(virtio.MMIOStatus, virtio.StatusDriver|virtio.StatusDriverOK)

	// 16 descriptors, then the available ring, then the used ring at the next
	// multiple of 64.
	const available = rigDescriptors + 16*rigSize
	const used = available + 64
	r.request(0, virtio.BlockTypeRead, 2, 512)
	r.put16(available+virtio.AvailableIndex, 1)
	r.kick()
	require.Equal(t, c.disks[0].data[1024:1536], r.at(rigData)[:512], "%v", c.blocks[0].Problem())
	require.EqualValues(t, 1, r.at(used)[virtio.UsedIndex])

	w.Write32(virtio.MMIOQueueAddress, 0)
	require.Zero(t, w.Read32(virtio.MMIOQueueAddress), "off again")
	w.Write32(virtio.MMIOQueueAlign, 1)
	w.Write32(virtio.MMIOQueueSize, 2)
	w.Write32(virtio.MMIOQueueAddress, rigDescriptors/512)
	require.NotZero(t, w.Read32(virtio.MMIOStatus)&virtio.StatusNeedsReset, "a used ring at an odd address")
}

func TestBoardRefusals(t *testing.T) {
	t.Parallel()
	memory := physmem.NewBytes(0, make([]byte, 4096))
	good := machine.Disk{Name: "good", Size: 512, Storage: newDisk(512)}
	for name, test := range map[string]struct {
		change func(*device.Board)
		want   string
	}{
		"attachment":    {func(b *device.Board) { b.Attachment = 9 }, "Attachment(9)"},
		"no storage":    {func(b *device.Board) { b.Disks[1].Storage = nil }, `disk 1: "second" has no storage`},
		"no size":       {func(b *device.Board) { b.Disks[0].Size = 0 }, "not whole sectors"},
		"odd size":      {func(b *device.Board) { b.Disks[0].Size = 513 }, "513 bytes is not whole sectors"},
		"negative size": {func(b *device.Board) { b.Disks[0].Size = -512 }, "not whole sectors"},
		"no memory":     {func(b *device.Board) { b.Memory = nil }, "no memory to reach"},
		"no ports left": {func(b *device.Board) { b.Resources.Ports = 0xffff }, "no addresses left"},
		"32 disks": {func(b *device.Board) {
			for range 30 {
				b.Disks = append(b.Disks, good)
			}
		}, "PCI device 32"},
	} {
		b := device.PC()
		b.Memory = memory
		b.Disks = []machine.Disk{good, {Name: "second", Size: 512, Storage: newDisk(512)}}
		test.change(&b)
		_, _, err := b.Attach()
		require.ErrorContains(t, err, test.want, name)
	}
	b := device.PC()
	blocks, devices, err := b.Attach()
	require.NoError(t, err)
	require.Empty(t, blocks)
	require.Empty(t, devices, "no disks, no host bridge")
	require.NoError(t, b.Check(physmem.Ranges{{End: 1 << 40}}), "no disks, no registers")
	b.Disks = []machine.Disk{good}
	require.NoError(t, b.Check(physmem.Ranges{{End: 3 << 30}}))
	require.ErrorIs(t, b.Check(physmem.Ranges{{End: 1 << 40}}), machine.ErrUnsupported)
	require.Equal(t, "MMIO version 2", device.MMIOModern.String())
}
