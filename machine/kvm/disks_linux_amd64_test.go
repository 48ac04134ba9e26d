package kvm_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/emulator/device"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/kvm"
	"github.com/seed64aab995/rescuekernel/machine/machinetest"
	"github.com/seed64aab995/rescuekernel/physmem"
)

func TestDisks(t *testing.T) {
	t.Parallel()
	const mmio = "0xfeb00000 0xfeb00200 0xfeb00400"
	for name, test := range map[string]struct {
		attachment device.Attachment
		arguments  string
	}{
		"transitional, legacy driver": {device.PCITransitional, "legacy"},
		"PCI legacy":                  {device.PCILegacy, ""},
		"PCI modern":                  {device.PCIModern, ""},
		"MMIO 1":                      {device.MMIOLegacy, mmio},
		"MMIO 2":                      {device.MMIOModern, mmio},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := kvm.Options{Disks: device.Options{Attachment: test.attachment}}
			machinetest.Disks(t, machinetest.Runner{New: options.New, Architecture: machine.AMD64, DiskArguments: test.arguments})
		})
	}
}

// memoryDisk is a disk of zeros.
type memoryDisk [4096]byte

func (d *memoryDisk) ReadAt(p []byte, offset int64) (int, error)  { return copy(p, d[offset:]), nil }
func (d *memoryDisk) WriteAt(p []byte, offset int64) (int, error) { return copy(d[offset:], p), nil }

func TestDiskModels(t *testing.T) {
	t.Parallel()
	_, m := boot(t, []byte{0xf4}, machine.Config{Disks: []machine.Disk{{Name: "first", Size: 4096, Storage: &memoryDisk{}}}})
	before := device.Blocks(m)
	require.Len(t, before, 1)
	require.Equal(t, "first", before[0].Disk().Name)
	require.NoError(t, m.Reset())
	require.NotSame(t, before[0], device.Blocks(m)[0])
	_, without := boot(t, []byte{0xf4}, machine.Config{})
	require.Empty(t, device.Blocks(without))
}

func TestDisksNeedRoom(t *testing.T) {
	t.Parallel()
	disks := []machine.Disk{{Size: 4096, Storage: &memoryDisk{}}}
	_, err := kvm.New(machine.Config{Disks: disks, RAM: physmem.Ranges{{End: 0xfe001000}}})
	require.ErrorIs(t, err, machine.ErrUnsupported)
	require.ErrorContains(t, err, "have registers")
	_, err = kvm.Options{Disks: device.Options{Attachment: 77}}.New(machine.Config{Disks: disks})
	require.ErrorIs(t, err, machine.ErrUnsupported)
}
