package kvm_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/device/virtio"
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

// faulty is a machine with the guest that inverts a disk, which has faults.
func faulty(t *testing.T, f device.Faults, controller bool) (machine.Machine, *memoryDisk, *bytes.Buffer) {
	t.Helper()
	d, serial := &memoryDisk{}, &bytes.Buffer{}
	options := kvm.Options{Disks: device.Options{Faults: func(int) device.Faults { return f }}}
	m, err := options.New(machine.Config{
		Boot: machine.Boot{Image: machinetest.DisksGuest(t, machine.AMD64)}, Serial: serial, InterruptController: controller,
		Disks: []machine.Disk{{Name: "faulty", Size: int64(len(d)), Storage: d}},
	})
	if errors.Is(err, machine.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m, d, serial
}

var inverted = memoryDisk(bytes.Repeat([]byte{0xff}, len(memoryDisk{})))

// TestDiskStops: a machine that its disk stops after a write goes on.
func TestDiskStops(t *testing.T) {
	t.Parallel()
	m, d, serial := faulty(t, device.Faults{Stop: device.Always}, false)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	stops := uint64(0)
	for {
		exit, err := m.Run(ctx)
		require.NoError(t, err)
		if exit.Reason == machine.DebugExit {
			break
		}
		require.Equal(t, machine.PoweredOff, exit.Reason, "%v\n%s", exit, serial)
		stops++
		require.Equal(t, stops, device.Blocks(m)[0].Counters().Requests)
	}
	require.GreaterOrEqual(t, stops, uint64(4), "name, read, write, flush")
	require.Equal(t, inverted, *d)
}

// TestDiskFails: the guest hears of it.
func TestDiskFails(t *testing.T) {
	t.Parallel()
	m, d, serial := faulty(t, device.Faults{Fail: device.AtWrite(0)}, false)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	run(t, ctx, m, machine.Reset) // what package kernel does when a program fails
	require.Contains(t, serial.String(), "FAILED: ")
	require.Contains(t, serial.String(), virtio.ErrIO.Error())
	require.Equal(t, memoryDisk{}, *d)
}

// TestDiskStorm: an interrupt that is asserted for ever stops no driver that
// polls.
func TestDiskStorm(t *testing.T) {
	t.Parallel()
	for _, controller := range []bool{false, true} {
		m, d, serial := faulty(t, device.Faults{Storm: device.Always}, controller)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		exit := run(t, ctx, m, machine.DebugExit)
		require.Zero(t, exit.Code, "%s", serial)
		require.Equal(t, inverted, *d)
		require.Greater(t, device.Blocks(m)[0].Counters().Interrupts, uint64(4))
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
