package vmtests

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/capture"
	"github.com/seed64aab995/rescuekernel/container"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/qemu"
	"github.com/seed64aab995/rescuekernel/reserve"
)

// A host that froze on one machine goes on in another one, and natively: the raw
// minidump is the same to the byte.
func TestTransplant(t *testing.T) {
	settings := []string{"zstd"}
	if *full {
		settings = append(settings, "none")
	}
	for _, compress := range settings {
		command := "debug.rescue.compress=" + compress
		for _, from := range []runner{onEmulator, onKVM} {
			t.Run(from.name+" "+compress, func(t *testing.T) {
				t.Parallel()
				requireSameDumps(t, freeze(t, scene{sizes: usualScene, command: command, on: from.name}))
			})
		}
		t.Run("qemu "+compress, func(t *testing.T) {
			t.Parallel()
			requireSameDumps(t, freezeInQEMU(t, onQEMU, command))
		})
		t.Run("emulated arm64 "+compress, func(t *testing.T) {
			t.Parallel()
			requireSameDumps(t, freeze(t, scene{sizes: usualScene, command: command, on: onEmulatedARM64.name}))
		})
		t.Run("qemu arm64 "+compress, func(t *testing.T) {
			t.Parallel()
			requireSameDumps(t, freezeInQEMU(t, plainARM64, command))
		})
	}
}

// requireSameDumps lets a host go on everywhere and compares the dumps.
func requireSameDumps(t *testing.T, f *frozen) {
	t.Helper()
	native, size := f.native(t)
	t.Logf("%d bytes, SHA-256 %s", size, native)
	machines := runners
	if f.opened.Block.Architecture == handoff.ARM64 {
		machines = []runner{onEmulatedARM64, plainARM64}
	}
	for _, to := range machines {
		t.Run("to "+to.name, func(t *testing.T) {
			there := f.goOnOn(t, to)
			there.requireStatus("whole", "0")
			there.requireWhole(0)
			require.Equal(t, native, there.digest(), "the dump is not the native one")
			t.Logf("from the freeze point to the end: %v", there.took)
		})
	}
}

// goOnOn is goOn on any machine.
func (f *frozen) goOnOn(t *testing.T, to runner) *dumped {
	t.Helper()
	if to.name == onQEMU.name || to.name == plainARM64.name {
		return f.goOnInQEMU(t, to)
	}
	return f.goOn(t, fault{on: to})
}

// native is the digest of the dump that capture makes of the snapshot, here, and
// the dump's size.
func (f *frozen) native(t *testing.T) (string, int64) {
	t.Helper()
	host, err := capture.Open(f.snapshot.Memory, f.opened.Block.Reservation.Start)
	require.NoError(t, err)
	require.Empty(t, host.Marks)
	dumper, err := host.NewDumper(nil)
	require.NoError(t, err)
	sum := sha256.New()
	n, err := io.Copy(sum, io.NewSectionReader(dumper, 0, dumper.Size()))
	require.NoError(t, err)
	require.Equal(t, dumper.Size(), n)
	return hex.EncodeToString(sum.Sum(nil)), n
}

// digest is that of the minidump on the first disk, as it is when what it is
// wrapped in is taken off.
func (d *dumped) digest() string {
	d.t.Helper()
	file, err := container.Open(d.disks[0], d.disks[0].Size())
	require.NoError(d.t, err)
	defer func() { require.NoError(d.t, file.Close()) }()
	sum := sha256.New()
	_, err = io.Copy(sum, io.NewSectionReader(file, 0, file.Size()))
	require.NoError(d.t, err)
	return hex.EncodeToString(sum.Sum(nil))
}

// fileDisk is a copy of a disk in a file: what QEMU takes.
func fileDisk(t *testing.T, d *memoryDisk) machine.Disk {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk")
	require.NoError(t, os.WriteFile(path, d.content, 0o600))
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, file.Close()) })
	return machine.Disk{Name: "dump", Size: d.Size(), Storage: file}
}

// freezeInQEMU boots a host with a disk in QEMU and stops it at its freeze point.
func freezeInQEMU(t *testing.T, r runner, command string) *frozen {
	t.Helper()
	disk := labelledDisk(t, 16<<20)
	config := machine.Config{Disks: []machine.Disk{fileDisk(t, disk)}}
	h := freezeAt(t, r, config, "nil", command, rescueProgram)
	opened, err := reserve.Open(h.before.Memory, h.block, reserve.StageBoth)
	require.NoError(t, err)
	config.Disks[0].Storage = disk
	return &frozen{on: dumps(), snapshot: h.before, opened: opened, config: config, disks: []*memoryDisk{disk}, places: []int{0}}
}

// goOnInQEMU is goOn in QEMU. What firmware does with the registers of a disk on
// PCI the test does: there was no firmware. An arm64 CPU begins with its MMU off,
// as the stub leaves it: the trampoline takes that, too, and turns it off anyway.
func (f *frozen) goOnInQEMU(t *testing.T, to runner) *dumped {
	t.Helper()
	d := &dumped{handOff: &handOff{t: t, runner: to, console: &console{}, block: f.opened.Block.Reservation.Start}, opened: f.opened}
	d.config = machine.Config{MemorySize: f.config.MemorySize, Serial: d.console, Disks: []machine.Disk{fileDisk(t, f.disks[0])}}
	directory, err := os.MkdirTemp("", "qtest") // a socket's name is short, and has no =
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(directory)) })
	socket := filepath.Join(directory, "socket")
	create := to.create
	if to.architecture == machine.AMD64 {
		create = qemu.Options{Arguments: []string{"-qtest", "unix:" + socket + ",server=on,wait=off"}}.New
	}
	m, err := create(d.config)
	if errors.Is(err, machine.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	d.machine = m
	if to.architecture == machine.AMD64 {
		assignDisk(t, socket)
	}
	require.NoError(t, machine.Restore(m, f.snapshot))
	d.before, err = m.Snapshot()
	require.NoError(t, err)
	began := time.Now()
	d.exit = d.finish()
	d.took = time.Since(began)
	require.Equal(t, machine.Reset, d.exit.Reason, "%v\n%s", d.exit, d.console)
	content, err := os.ReadFile(d.config.Disks[0].Storage.(*os.File).Name())
	require.NoError(t, err)
	d.disks = []*memoryDisk{{content}}
	return d
}

// assignDisk gives I/O ports to the disk at PCI 00:01.0, through the protocol
// that QEMU has for its own tests (QEMU docs/devel/testing/qtest.rst).
func assignDisk(t *testing.T, socket string) {
	t.Helper()
	connection, err := net.Dial("unix", socket)
	require.NoError(t, err)
	defer connection.Close()
	require.NoError(t, connection.SetDeadline(time.Now().Add(10*time.Second)))
	answers := bufio.NewReader(connection)
	const disk, bar0, ports = 0x8000_0000 | 1<<11, 0x10, 0xc000
	for _, command := range []string{
		fmt.Sprintf("outl 0xcf8 %#x", disk|bar0), fmt.Sprintf("outl 0xcfc %#x", ports),
	} {
		_, err := fmt.Fprintln(connection, command)
		require.NoError(t, err)
		line, err := answers.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "OK", strings.TrimSpace(line), command)
	}
}
