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
	"github.com/seed64aab995/rescuekernel/machine/kvm"
	"github.com/seed64aab995/rescuekernel/machine/qemu"
)

// guestImage builds the program in testdata/guest once, as a file that boots.
var guestImage = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "guest")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "guest")
	c := exec.Command("go", "build", "-o", path, "-ldflags",
		"-s -w -E github.com/seed64aab995/rescuekernel/kernel.entry -T 0x500000411000", "./testdata/guest")
	c.Env = append(c.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return bootimage.Wrap(f, bootimage.Options{})
})

const guestBytes = 8 << 20

// boot runs the guest on a machine and returns what it said.
func boot(t *testing.T, where string, disks []machine.Disk, create func(machine.Config) (machine.Machine, error)) (machine.Machine, string) {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the guest is built with the go command, which is not in PATH")
	}
	image, err := guestImage()
	require.NoError(t, err)
	var serial bytes.Buffer
	m, err := create(machine.Config{
		Boot:   machine.Boot{Image: image, CommandLine: fmt.Sprintf("%s 5 %d", where, guestBytes)},
		Serial: &serial, Disks: disks, MemorySize: 96 << 20,
	})
	if errors.Is(err, machine.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	exit, err := m.Run(ctx)
	require.NoError(t, err, "%s", &serial)
	require.Equal(t, machine.DebugExit, exit.Reason, "%v\n%s", exit, &serial)
	require.Zero(t, exit.Code, "%s", &serial)
	require.Contains(t, serial.String(), "guest: done")
	return m, serial.String()
}

// TestGuestInQEMU boots a kernel that writes to QEMU's disks.
func TestGuestInQEMU(t *testing.T) {
	for name, c := range map[string]struct {
		board, device, where string
		arguments            []string
		legacy               bool
	}{
		"q35 legacy":          {"", "virtio-blk-pci,disable-modern=on,disable-legacy=off", "pci", nil, true},
		"q35 modern":          {"", "virtio-blk-pci,disable-legacy=on", "pci", nil, false},
		"pc legacy preferred": {"pc", "virtio-blk-pci", "pci-legacy", nil, true},
		"microvm MMIO 1":      {"microvm,acpi=off", "virtio-blk-device", "0xfeb00000", nil, true},
		"microvm MMIO 2":      {"microvm,acpi=off", "virtio-blk-device", "0xfeb00000", []string{"-global", "virtio-mmio.force-legacy=off"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			path, arguments := disk(t, guestBytes, c.device)
			_, said := boot(t, c.where, nil, qemu.Options{Board: c.board, Arguments: append(arguments, c.arguments...)}.New)
			t.Log(said)
			require.Contains(t, said, fmt.Sprintf("legacy %v, %d bytes", c.legacy, guestBytes))
			require.Contains(t, said, `serial "dump0"`)
			onDisk, err := os.ReadFile(path)
			require.NoError(t, err)
			require.True(t, bytes.Equal(random(5, guestBytes), onDisk))
		})
	}
}

// TestGuestInKVM boots it with the models of package emulator/device.
func TestGuestInKVM(t *testing.T) {
	for _, attachment := range models.Attachments() {
		t.Run(attachment.String(), func(t *testing.T) {
			storage := &memoryDisk{data: make([]byte, guestBytes)}
			disks := []machine.Disk{{Name: "dump0", Size: guestBytes, Storage: storage}}
			where := "pci"
			if !attachment.OnPCI() {
				where = "0xfeb00000"
			}
			m, said := boot(t, where, disks, kvm.Options{Disks: models.Options{Attachment: attachment}}.New)
			t.Log(said)
			require.Contains(t, said, `serial "dump0"`)
			require.True(t, bytes.Equal(random(5, guestBytes), storage.data))
			block := models.Blocks(m)[0]
			require.NoError(t, block.Problem())
			t.Logf("%+v", block.Counters())
		})
	}
}

// memoryDisk is a disk in memory.
type memoryDisk struct{ data []byte }

func (d *memoryDisk) ReadAt(p []byte, at int64) (int, error)  { return copy(p, d.data[at:]), nil }
func (d *memoryDisk) WriteAt(p []byte, at int64) (int, error) { return copy(d.data[at:], p), nil }
