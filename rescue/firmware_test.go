package rescue

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/efi"
	"github.com/seed64aab995/rescuekernel/fdt"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/reserve"
)

// withFirmware gives a host what UEFI leaves: a memory map with the host's RAM and
// runtime services, a system table, a device tree of two memory nodes.
func withFirmware(t *testing.T) *testHost {
	t.Helper()
	h := newTestHost(t)
	var err error
	h.facts.EFIMap, err = (&efi.Map{DescriptorSize: 48, Version: efi.DescriptorVersion, Descriptors: []efi.Descriptor{
		{Type: efi.TypeBootServicesData, PhysicalStart: hostStart, Pages: 16},
		{Type: efi.TypeConventional, PhysicalStart: hostStart + 16*4096, Pages: hostSize/4096 - 16},
		{Type: efi.TypeRuntimeServicesCode, PhysicalStart: hostStart + hostSize, Pages: 4},
	}}).AppendBinary(nil)
	require.NoError(t, err)
	h.facts.EFIDescriptorSize, h.facts.EFIDescriptorVersion, h.facts.EFISystem = 48, efi.DescriptorVersion, hostStart+hostSize
	tree := fdt.New()
	require.NoError(t, tree.Root().SetUint32("#address-cells", 2))
	require.NoError(t, tree.Root().SetUint32("#size-cells", 2))
	for _, bank := range []physmem.Range{{Start: hostStart, End: hostStart + hostSize}, {Start: 1 << 32, End: 1<<32 + 1<<20}} {
		node, err := tree.Root().AddNode("memory@" + bank.Start.String()[2:])
		require.NoError(t, err)
		require.NoError(t, node.SetStrings("device_type", "memory"))
		require.NoError(t, node.SetReg(bank))
	}
	h.facts.DeviceTree, err = tree.AppendBinary(nil)
	require.NoError(t, err)
	return h
}

// opened is what an armed host has for its rescue program.
func opened(t *testing.T, h *testHost, armed *Armed) *reserve.Reservation {
	t.Helper()
	r, err := reserve.Open((*hostMemory)(h), armed.Reservation().Start, reserve.StageBoth)
	require.NoError(t, err)
	return r
}

func TestFirmwareIsRestricted(t *testing.T) {
	t.Parallel()
	h := withFirmware(t)
	lpi := physmem.Range{Start: hostStart + 0x40000, End: hostStart + 0x50000}
	h.facts.Interrupts = []handoff.InterruptTable{{Kind: handoff.InterruptProperties, Controller: 0x80a_0000, Memory: lpi}}
	c := testConfig(h)
	c.PCI = []handoff.PCISpace{{Base: 0x40_1000_0000, LastBus: 255}}
	armed := arm(t, c)
	r := opened(t, h, armed)
	require.Equal(t, c.PCI, r.Block.PCI)

	table, err := r.Firmware(handoff.FirmwareEFIMap)
	require.NoError(t, err)
	m, err := efi.ParseMap(table.Data, table.EntrySize, table.Version)
	require.NoError(t, err)
	memory, err := m.MemoryMap()
	require.NoError(t, err)
	require.Equal(t, physmem.NewRanges(armed.Reservation()), memory.RAM())
	require.Equal(t, physmem.NewRanges(physmem.Range{Start: hostStart + hostSize, End: hostStart + hostSize + 4*4096}), memory.OfType(physmem.MemoryFirmware))

	table, err = r.Firmware(handoff.FirmwareFDT)
	require.NoError(t, err)
	tree, err := fdt.Parse(table.Data)
	require.NoError(t, err)
	memory, err = tree.MemoryMap()
	require.NoError(t, err)
	require.Equal(t, physmem.NewRanges(armed.Reservation()), memory.RAM())
	require.True(t, memory.OfType(physmem.MemoryReserved).ContainsRange(lpi))
	chosen, ok := tree.Lookup("/chosen")
	require.True(t, ok)
	require.True(t, chosen.Has("linux,usable-memory-range"))

	table, err = r.Firmware(handoff.FirmwareEFISystem)
	require.NoError(t, err)
	require.Equal(t, hostStart+hostSize, table.Address)
	table, err = r.Firmware(handoff.FirmwareE820)
	require.NoError(t, err)
	require.Nil(t, table, "there is EFI's map")
}

// What the configuration has is not replaced, and firmware that makes no sense
// stops the arming unless it is replaced.
func TestFirmwareOfTheConfiguration(t *testing.T) {
	t.Parallel()
	h := withFirmware(t)
	h.facts.DeviceTree, h.facts.EFIMap = []byte("no tree"), h.facts.EFIMap[:47]
	c := testConfig(h)
	_, err := Arm(c)
	require.ErrorContains(t, err, "device tree for the rescue program: ")
	c.Firmware = []reserve.FirmwareTable{{Kind: handoff.FirmwareFDT, Data: []byte("mine")}}
	_, err = Arm(c)
	require.ErrorContains(t, err, "memory map for the rescue program: ")
	c.Firmware = append(c.Firmware, reserve.FirmwareTable{Kind: handoff.FirmwareE820, EntrySize: 20, Data: make([]byte, 20)})
	r := opened(t, h, arm(t, c))
	table, err := r.Firmware(handoff.FirmwareFDT)
	require.NoError(t, err)
	require.Equal(t, "mine", string(table.Data))
}
