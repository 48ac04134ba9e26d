//go:build unix

package virtio_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/bootimage"
	models "github.com/seed64aab995/rescuekernel/emulator/device"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/emulated"
	"github.com/seed64aab995/rescuekernel/machine/kvm"
	"github.com/seed64aab995/rescuekernel/machine/qemu"
)

// guestImages are the program in testdata/guest as files that boot, built once.
var guestImages = map[machine.Architecture]func() ([]byte, error){
	machine.AMD64: sync.OnceValues(func() ([]byte, error) { return buildGuest(machine.AMD64) }),
	machine.ARM64: sync.OnceValues(func() ([]byte, error) { return buildGuest(machine.ARM64) }),
}

func buildGuest(architecture machine.Architecture) ([]byte, error) {
	dir, err := os.MkdirTemp("", "guest")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "guest")
	c := exec.Command("go", "build", "-o", path, "-ldflags",
		"-s -w -E github.com/seed64aab995/rescuekernel/kernel.entry -T 0x500000411000", "./testdata/guest")
	c.Env = append(c.Environ(), "GOOS=linux", "GOARCH="+string(architecture), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return bootimage.Wrap(f, bootimage.Options{})
}

const guestBytes = 8 << 20

// boot runs the guest on a machine and returns what it said.
func boot(t *testing.T, architecture machine.Architecture, where string, disks []machine.Disk, size int, create func(machine.Config) (machine.Machine, error)) (machine.Machine, string) {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the guest is built with the go command, which is not in PATH")
	}
	image, err := guestImages[architecture]()
	require.NoError(t, err)
	var serial bytes.Buffer
	m, err := create(machine.Config{
		Boot:   machine.Boot{Image: image, CommandLine: fmt.Sprintf("%s 5 %d", where, size)},
		Serial: &serial, Disks: disks, MemorySize: 96 << 20,
	})
	if errors.Is(err, machine.ErrUnavailable) || errors.Is(err, machine.ErrUnsupported) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	exit, err := m.Run(ctx)
	require.NoError(t, err, "%s", &serial)
	require.Contains(t, []machine.Reason{machine.DebugExit, machine.PoweredOff}, exit.Reason, "%v\n%s", exit, &serial)
	require.Zero(t, exit.Code, "%s", &serial)
	require.Contains(t, serial.String(), "guest: done")
	require.Contains(t, serial.String(), `serial "dump0"`)
	return m, serial.String()
}

// TestGuestInQEMU boots a kernel that writes to QEMU's disks.
func TestGuestInQEMU(t *testing.T) {
	version2 := []string{"-global", "virtio-mmio.force-legacy=off"}
	for name, c := range map[string]struct {
		architecture         machine.Architecture
		board, device, where string
		arguments            []string
		legacy               bool
	}{
		"q35 legacy":          {machine.AMD64, "", "virtio-blk-pci,disable-modern=on,disable-legacy=off", "pci", nil, true},
		"q35 modern":          {machine.AMD64, "", "virtio-blk-pci,disable-legacy=on", "pci", nil, false},
		"pc legacy preferred": {machine.AMD64, "pc", "virtio-blk-pci", "pci-legacy", nil, true},
		"microvm MMIO 1":      {machine.AMD64, "microvm,acpi=off", "virtio-blk-device", "mmio@0xfeb00000", nil, true},
		"microvm MMIO 2":      {machine.AMD64, "microvm,acpi=off", "virtio-blk-device", "mmio@0xfeb00000", version2, false},
		"virt MMIO 1":         {machine.ARM64, "", "virtio-blk-device", "mmio@0x0a000000", nil, true},
		"virt MMIO 2":         {machine.ARM64, "", "virtio-blk-device", "mmio@0x0a000000", version2, false},
		"virt PCI":            {machine.ARM64, "virt,highmem=off", "virtio-blk-pci,disable-legacy=on", "ecam@0x3f000000", nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			path, arguments := disk(t, guestBytes, c.device)
			o := qemu.Options{Architecture: c.architecture, Board: c.board, Arguments: append(arguments, c.arguments...)}
			_, said := boot(t, c.architecture, c.where, nil, guestBytes, o.New)
			t.Log(said)
			require.Contains(t, said, fmt.Sprintf("legacy %v, %d bytes", c.legacy, guestBytes))
			onDisk, err := os.ReadFile(path)
			require.NoError(t, err)
			require.True(t, bytes.Equal(random(5, guestBytes), onDisk))
		})
	}
}

// TestGuestWithModels boots it in KVM and in the emulator, whose disks are those of
// package emulator/device.
func TestGuestWithModels(t *testing.T) {
	for _, attachment := range models.Attachments() {
		t.Run("KVM "+attachment.String(), func(t *testing.T) {
			checkModel(t, attachment, guestBytes, kvm.Options{Disks: models.Options{Attachment: attachment}}.New)
		})
	}
	t.Run("emulated", func(t *testing.T) {
		checkModel(t, models.PCITransitional, 1<<20, emulated.New)
	})
}

func checkModel(t *testing.T, attachment models.Attachment, size int, create func(machine.Config) (machine.Machine, error)) {
	t.Helper()
	storage := &memoryDisk{data: make([]byte, size)}
	disks := []machine.Disk{{Name: "dump0", Size: int64(size), Storage: storage}}
	where := "pci"
	if !attachment.OnPCI() {
		where = "mmio@0xfeb00000"
	}
	m, said := boot(t, machine.AMD64, where, disks, size, create)
	t.Log(said)
	require.True(t, bytes.Equal(random(5, size), storage.data))
	block := models.Blocks(m)[0]
	require.NoError(t, block.Problem())
	t.Logf("%+v", block.Counters())
}

// memoryDisk is a disk in memory.
type memoryDisk struct{ data []byte }

func (d *memoryDisk) ReadAt(p []byte, at int64) (int, error)  { return copy(p, d.data[at:]), nil }
func (d *memoryDisk) WriteAt(p []byte, at int64) (int, error) { return copy(d.data[at:], p), nil }
