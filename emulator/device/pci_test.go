package device_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/device/pci"
	"github.com/seed64aab995/rescuekernel/device/virtio"
	"github.com/seed64aab995/rescuekernel/emulator/device"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

const ecamBase = 0xe0000000

func withECAM(b *device.Board) { b.HostBridge.ECAM = ecamBase }

func (c *computer) ecam() pci.Space {
	return pci.ECAM{Base: ecamBase, LastBus: 0, Registers: c}
}

// TestScan finds the same functions by ports and by ECAM.
func TestScan(t *testing.T) {
	t.Parallel()
	c := newComputer(t, device.PCIModern, withECAM)
	for name, space := range map[string]pci.Space{"ports": c.space(), "ECAM": c.ecam()} {
		var found []pci.Address
		for f, err := range pci.Scan(space, 0, 0) {
			require.NoError(t, err)
			found = append(found, f.Address)
			require.Equal(t, f.Address.Device() == 1, virtio.IsPCIBlock(f), name)
		}
		require.Equal(t, []pci.Address{pci.NewAddress(0, 0, 0, 0), pci.NewAddress(0, 0, 1, 0)}, found, name)
	}
	for _, a := range []pci.Address{pci.NewAddress(0, 0, 1, 1), pci.NewAddress(0, 1, 1, 0), pci.NewAddress(0, 0, 31, 7)} {
		_, err := pci.Open(c.space(), a)
		require.ErrorIs(t, err, pci.ErrNoFunction, "%v", a)
	}
	host, err := pci.Open(c.ecam(), 0)
	require.NoError(t, err)
	require.EqualValues(t, 0x0600, host.Class())
	require.EqualValues(t, uint64(ecamBase|1), host.Configuration.Read64(0x60), "PCIEXBAR")
	require.EqualValues(t, uint32(0xffffffff), host.Configuration.Read32(0x100), "no extended capabilities")
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	for a, want := range map[device.Attachment]struct {
		device   uint16
		revision uint8
	}{
		device.PCILegacy:       {virtio.DeviceIDLegacyBlock, 0},
		device.PCITransitional: {virtio.DeviceIDLegacyBlock, 0},
		device.PCIModern:       {virtio.DeviceIDModern + virtio.TypeBlock, 1},
	} {
		f := newComputer(t, a).function(0)
		require.EqualValues(t, virtio.VendorID, f.VendorID)
		require.Equal(t, want.device, f.DeviceID)
		require.Equal(t, want.revision, f.Configuration.Read8(pci.RegisterRevision))
		require.EqualValues(t, virtio.TypeBlock, f.Configuration.Read16(pci.RegisterSubsystemID))
		require.EqualValues(t, 0x0100, f.Class())
		require.EqualValues(t, 1, f.Configuration.Read8(0x3d), "INTA#")
		f.Configuration.Write32(pci.RegisterVendorID, 0)
		require.EqualValues(t, virtio.VendorID, f.Configuration.Read16(pci.RegisterVendorID))
		f.Configuration.Write8(pci.RegisterInterruptLine, 9)
		require.EqualValues(t, 9, f.Configuration.Read8(pci.RegisterInterruptLine))
		f.Configuration.Write16(pci.RegisterCommand, 0xffff)
		require.EqualValues(t, 0x547, f.Configuration.Read16(pci.RegisterCommand))

		var kinds []byte
		for _, c := range f.Capabilities() {
			if c.ID == pci.CapabilityVendor {
				kinds = append(kinds, f.Configuration.Read8(c.Offset+virtio.CapabilityType))
				continue
			}
			require.EqualValues(t, pci.CapabilityMSIX, c.ID)
		}
		if a == device.PCILegacy {
			require.Empty(t, kinds)
		} else {
			require.Equal(t, []byte{1, 3, 4, 2, 5}, kinds)
		}
	}
}

// TestBARs sizes and moves BARs.
func TestBARs(t *testing.T) {
	t.Parallel()
	c := newComputer(t, device.PCITransitional)
	f := c.function(0)
	for i, want := range []struct {
		bar  pci.BAR
		size uint64
	}{
		{pci.BAR{IO: true, Address: 0xc000}, 128},
		{pci.BAR{Address: 0xfe000000}, 4096},
		{},
		{},
		{pci.BAR{Wide: true, Prefetchable: true, Address: 0xfe004000}, 16384},
		{},
	} {
		size, err := f.SizeBAR(i)
		require.NoError(t, err)
		bar, err := f.BAR(i)
		require.NoError(t, err)
		if i != 5 { // the upper half of the fourth
			require.Equal(t, want.size, size, "BAR %d", i)
		}
		require.Equal(t, want.bar, bar, "BAR %d", i)
	}

	const queues = virtio.CommonQueues
	require.EqualValues(t, 1, c.memory(0xfe004000).Read16(queues))
	require.NoError(t, f.SetBAR(4, 0x80_4000_0000))
	require.EqualValues(t, 0xffff, c.memory(0xfe004000).Read16(queues))
	require.EqualValues(t, 1, c.memory(0x80_4000_0000).Read16(queues))
	require.NoError(t, f.SetBAR(4, 1<<60))
	require.EqualValues(t, 0xffff, c.memory(1<<60).Read16(queues), "there are no such addresses")
	require.NoError(t, f.SetBAR(4, 0))
	require.EqualValues(t, 0xffff, c.memory(0).Read16(queues), "0 is no address")

	require.EqualValues(t, 256, c.ports(0xc000).Read16(virtio.LegacyQueueSize))
	require.NoError(t, f.SetBAR(0, 0xfffff000))
	require.EqualValues(t, 0xffff, c.ports(0xf000).Read16(virtio.LegacyQueueSize))
	require.NoError(t, f.SetBAR(0, 0xd0f0)) // bits below the size stay 0
	require.EqualValues(t, 256, c.ports(0xd080).Read16(virtio.LegacyQueueSize))

	f.Disable(pci.CommandIO)
	require.EqualValues(t, 0xffff, c.ports(0xd080).Read16(virtio.LegacyQueueSize))
	f.Enable(pci.CommandIO)
	require.NoError(t, f.SetBAR(4, 0xfe004000))
	f.Disable(pci.CommandMemory)
	require.EqualValues(t, 0xffff, c.memory(0xfe004000).Read16(queues))
}

// TestBusMaster: without its bit a function reaches no memory.
func TestBusMaster(t *testing.T) {
	t.Parallel()
	for _, a := range []device.Attachment{device.PCILegacy, device.PCIModern} {
		c := newComputer(t, a)
		b := c.mustDriver(0)
		c.function(0).Disable(pci.CommandBusMaster)
		before := slices.Clone(c.disks[0].data)
		_, err := b.WriteAt(pattern(512, 1), 0)
		require.Error(t, err)
		require.Equal(t, before, c.disks[0].data)
		require.ErrorContains(t, c.blocks[0].Problem(), "no bus master")
		_, err = c.mustDriver(0).WriteAt(pattern(512, 1), 0)
		require.NoError(t, err)
	}
}

// TestMSIX: the table is registers; switched on, it keeps the pin silent and
// moves the configuration of the legacy interface.
func TestMSIX(t *testing.T) {
	t.Parallel()
	var l line
	c := newComputer(t, device.PCITransitional, l.changes)
	f := c.function(0)
	var at uint64
	for _, c := range f.Capabilities() {
		if c.ID == pci.CapabilityMSIX {
			at = c.Offset
		}
	}
	require.EqualValues(t, 1, f.Configuration.Read16(at+pci.MessageControl)&pci.MSIXTableSizeMask, "two vectors")
	table := c.memory(0xfe000000)
	require.EqualValues(t, 1, table.Read32(12), "masked after a reset")
	table.Write64(16, 0xfee0_1003)
	table.Write32(24, 0x41)
	table.Write32(28, 0)
	require.EqualValues(t, uint64(0xfee0_1000), table.Read64(16))
	require.EqualValues(t, 0x41, table.Read32(24))
	require.EqualValues(t, 0, table.Read32(28))
	require.EqualValues(t, 0, table.Read64(0x800), "nothing is pending")

	w := c.ports(0xc000)
	require.EqualValues(t, 2048, w.Read32(virtio.LegacyConfig))
	f.Configuration.Write16(at+pci.MessageControl, pci.MSIXEnable)
	require.EqualValues(t, 2048, w.Read32(virtio.LegacyConfigMSIX))
	for v, want := range map[uint16]uint16{0: 0, 1: 1, 2: virtio.NoVector, virtio.NoVector: virtio.NoVector} {
		w.Write16(virtio.LegacyConfigVector, v)
		w.Write16(virtio.LegacyQueueVector, v)
		require.Equal(t, want, w.Read16(virtio.LegacyConfigVector))
		require.Equal(t, want, w.Read16(virtio.LegacyQueueVector))
	}
	require.Empty(t, l.levels)
}

// TestAccessCapability reaches a BAR through configuration space (4.1.4.9).
func TestAccessCapability(t *testing.T) {
	t.Parallel()
	c := newComputer(t, device.PCIModern)
	f := c.function(0)
	f.Disable(pci.CommandMemory) // it works without
	var at uint64
	for _, c := range f.Capabilities() {
		if c.ID == pci.CapabilityVendor && f.Configuration.Read8(c.Offset+virtio.CapabilityType) == virtio.CapabilityPCIAccess {
			at = c.Offset
		}
	}
	choose := func(bar uint8, offset, length uint32) {
		f.Configuration.Write8(at+virtio.CapabilityBAR, bar)
		f.Configuration.Write32(at+virtio.CapabilityOffset, offset)
		f.Configuration.Write32(at+virtio.CapabilitySize, length)
	}
	data := at + virtio.CapabilityBytes
	choose(4, virtio.CommonQueueSize, 2)
	require.EqualValues(t, 256, f.Configuration.Read16(data))
	f.Configuration.Write16(data, 64)
	require.EqualValues(t, 64, f.Configuration.Read16(data))
	choose(4, 0x2000, 4)
	require.EqualValues(t, 2048, f.Configuration.Read32(data), "the capacity")
	for _, bad := range [][3]uint32{{6, 0, 4}, {255, 0, 4}, {4, 0, 3}, {4, 0, 0}, {4, 2, 4}, {4, 0x4000, 4}, {4, 0xffff_fffc, 4}, {2, 0, 4}} {
		f.Configuration.Write32(data, 0x12345678)
		choose(uint8(bad[0]), bad[1], bad[2])
		f.Configuration.Write32(data, 0x5a5a5a5a)
		require.EqualValues(t, 0x5a5a5a5a, f.Configuration.Read32(data), "%v does nothing", bad)
	}
}

func TestConfigurationPorts(t *testing.T) {
	t.Parallel()
	c := newComputer(t, device.PCIModern)
	address, data := c.ports(pci.PortAddress), c.ports(pci.PortData)
	require.EqualValues(t, uint32(0xffffffff), data.Read32(0), "nothing is chosen")
	address.Write32(0, pci.PortAddressEnable|1<<11)
	require.EqualValues(t, uint32(pci.PortAddressEnable|1<<11), address.Read32(0))
	require.EqualValues(t, virtio.VendorID, data.Read16(0))
	require.EqualValues(t, virtio.DeviceIDModern+virtio.TypeBlock, data.Read16(2))
	require.EqualValues(t, 0x10, data.Read8(3))
	address.Write8(0, 0) // not 32 bits: not the bridge's
	address.Write16(0, 0)
	require.EqualValues(t, virtio.VendorID, data.Read16(0))
	require.Zero(t, address.Read8(0))

	require.Empty(t, c.stops)
	address.Write8(1, 2)
	require.Empty(t, c.stops)
	address.Write8(1, 6)
	require.Equal(t, []machine.Exit{{Reason: machine.Reset}}, c.stops, "port 0xcf9")

	address.Write32(0, 1<<11) // not enabled
	require.EqualValues(t, uint32(0xffffffff), data.Read32(0))
	data.Write32(0, 0)
	address.Write32(0, pci.PortAddressEnable|5<<11)
	data.Write32(0, 0)
	require.EqualValues(t, 0xff, data.Read8(0))
}

// TestWithoutPorts is the board of a machine without I/O ports: everything is in
// memory.
func TestWithoutPorts(t *testing.T) {
	t.Parallel()
	const windowBase = 0x3eff0000
	c := newComputer(t, device.PCILegacy, withECAM, func(b *device.Board) {
		b.HostBridge.WithoutPorts, b.HostBridge.PortWindow = true, windowBase
	})
	require.EqualValues(t, uint32(0xffffffff), c.ports(pci.PortAddress).Read32(0))
	f, err := pci.Open(c.ecam(), pci.NewAddress(0, 0, 1, 0))
	require.NoError(t, err)
	w := c.memory(windowBase + 0xc000)
	require.EqualValues(t, 256, w.Read16(virtio.LegacyQueueSize))
	w.Write8(virtio.LegacyStatus, 1)
	require.EqualValues(t, 1, w.Read8(virtio.LegacyStatus))
	f.Disable(pci.CommandIO)
	require.EqualValues(t, 0xffff, w.Read16(virtio.LegacyQueueSize))
	w.Write8(virtio.LegacyStatus, 0)
}

func TestHostBridgeRefusals(t *testing.T) {
	t.Parallel()
	memory := physmem.NewBytes(0, make([]byte, 4096))
	block := func() *device.Block {
		b, err := device.NewBlock(device.BlockConfig{Disk: machine.Disk{Size: 512, Storage: newDisk(512)}, Memory: memory})
		require.NoError(t, err)
		return b
	}
	h := device.NewHostBridge(device.HostBridgeConfig{})
	for _, slot := range []int{-1, 0, 32} {
		require.Error(t, h.Add(slot, block().PCI(device.Modern)), "%d", slot)
	}
	require.NoError(t, h.Add(31, block().PCI(device.Transitional)))
	require.Error(t, h.Add(31, block().PCI(device.Modern)))
	for _, r := range []device.Resources{{}, {Ports: 0xffc0, Memory: 0xfe000000}, {Ports: 0xc000, Memory: 0xffffd000}} {
		require.ErrorIs(t, h.Assign(r), device.ErrNoRoom, "%+v", r)
	}
	require.NoError(t, h.Assign(device.Resources{Ports: 0xff80, Memory: 0xffff8000}), "just enough")
}
