package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/efi"
	"github.com/seed64aab995/rescuekernel/fdt"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/qemu"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/reserve"
)

// An EFI application is a boot image with its command line and its rescue program
// in it.
func TestBuildEFI(t *testing.T) {
	t.Parallel()
	needGo(t)
	dir := t.TempDir()
	for _, arch := range []string{"amd64", "arm64"} {
		image := filepath.Join(dir, arch+".efi")
		out := requireDone(t, "build", "--arch", arch, "--efi", "--append", "hostname=anvil", "-o", image, hello)
		var f inspection
		require.NoError(t, json.Unmarshal([]byte(requireDone(t, "inspect", "--json", image)), &f))
		require.Equal(t, kindBootImage, f.Kind)
		require.Equal(t, arch, f.Reservations[0].Architecture)
		require.Contains(t, out, f.Reservations[0].Image.GoBuildID)
	}
	for _, arguments := range [][]string{{"--boot", "--efi"}, {"--append", "x"}, {"--append", "x", "--boot"}, {"--rescue", hello}} {
		requireFails(t, exitUsage, "say", append(append([]string{"build", "-o", dir}, arguments...), hello)...)
	}
}

// An EFI application is booted by firmware, with what is in it.
func TestBootEFI(t *testing.T) {
	t.Parallel()
	needGo(t)
	image := filepath.Join(t.TempDir(), "BOOTX64.EFI")
	requireDone(t, "build", "--efi", "-o", image, hello)
	requireFails(t, exitUsage, "no UEFI firmware", "boot", "--machine", "emulated", image)
	requireFails(t, exitUsage, "has them in it", "boot", "--append", "x", image)
	requireFails(t, exitUsage, "has them in it", "boot", "--rescue", hello, image)
	m, err := qemu.Options{UEFI: true}.New(machine.Config{MemorySize: firmwareMemory, Boot: machine.Boot{Image: []byte("MZ")}})
	if errors.Is(err, machine.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	require.NoError(t, m.Close())
	require.Contains(t, requireDone(t, "boot", "--timeout", "4m", image), "program: hello")
}

// Firmware's tables are listed with what they call RAM, and one that cannot be read
// is a problem.
func TestInspectFirmware(t *testing.T) {
	t.Parallel()
	image, err := reserve.OpenImage(bytes.NewReader(smallImage()))
	require.NoError(t, err)
	r := physmem.Range{Start: 0x2000000, End: 0x2800000}
	ram := physmem.Range{Start: 0x100000, End: 0x4000000}
	firmware := &efi.Map{DescriptorSize: 48, Version: 1, Descriptors: []efi.Descriptor{
		{Type: efi.TypeConventional, PhysicalStart: r.Start, Pages: r.Size() / 4096},
		{Type: efi.TypeRuntimeServicesData, PhysicalStart: 0x5000000, Pages: 1},
	}}
	data, err := firmware.AppendBinary(nil)
	require.NoError(t, err)
	tree, err := fdt.New().AppendBinary(nil)
	require.NoError(t, err)
	memory := physmem.NewSparse(physmem.NewRanges(ram))
	plan, err := reserve.New(memory, reserve.Request{
		Reservation: r, Image: image, Memory: physmem.Ranges{ram}, Host: handoff.Host{Name: "anvil", CPUs: 1},
		PCI: []handoff.PCISpace{{Base: 0x40_1000_0000, LastBus: 255}},
		Firmware: []reserve.FirmwareTable{
			{Kind: handoff.FirmwareEFIMap, Version: 1, EntrySize: 48, Data: data}, {Kind: handoff.FirmwareACPI, Address: 0x7e000},
			{Kind: handoff.FirmwareFDT, Data: tree}, {Kind: handoff.FirmwareE820, EntrySize: 20, Data: []byte("not a map")},
		},
	})
	require.NoError(t, err)
	require.NoError(t, plan.Populate(memory))
	path := rawFile(t, memory, r)
	facts := inspected(t, exitDone, path).Reservations[0]
	require.Equal(t, []firmwareFact{
		{Kind: "EFI memory map", Size: 96, RAM: []rangeFact{newRange(r)}}, {Kind: "ACPI root pointer", Address: 0x7e000, RAM: []rangeFact{}},
		{Kind: "device tree", Size: uint64(len(tree)), RAM: []rangeFact{}}, {Kind: "E820 map", Size: 9, RAM: []rangeFact{}},
	}, facts.Firmware)
	require.Equal(t, []pciFact{{Base: 0x40_1000_0000, LastBus: 255}}, facts.PCI)
	require.Len(t, facts.Problems, 1)
	require.Contains(t, facts.Problems[0], "E820 map: ")
	text := requireDone(t, "inspect", path)
	require.Contains(t, text, "EFI memory map, 96 B, RAM [0x2000000, 0x2800000)")
	require.Contains(t, text, "ACPI root pointer at 0x7e000")
	require.Contains(t, text, "segment 0, buses 0 to 255, configuration from 0x4010000000 on")
}
