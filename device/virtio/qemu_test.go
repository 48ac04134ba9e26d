//go:build unix

package virtio_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/device/internal/qtest"
	"github.com/seed64aab995/rescuekernel/device/pci"
	"github.com/seed64aab995/rescuekernel/device/virtio"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// random is n bytes that compress badly.
func random(seed uint64, n int) []byte {
	r := rand.NewChaCha8([32]byte{byte(seed)})
	b := make([]byte, n)
	_, _ = r.Read(b)
	return b
}

// disk is QEMU's arguments for a disk whose contents are a file.
func disk(t testing.TB, size int, device string) (path string, arguments []string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "disk") // no comma in it, as tests' names have
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path = filepath.Join(dir, "disk")
	require.NoError(t, os.WriteFile(path, make([]byte, size), 0o600))
	return path, []string{
		"-drive", "if=none,id=disk,format=raw,cache=writeback,file=" + path,
		"-device", device + ",drive=disk,serial=dump0",
	}
}

// Where the test puts the BARs of a board without firmware.
const (
	portBAR       = 0xc000
	memoryBARQ35  = 0xfd00_0000
	memoryBARVirt = 0x1000_0000 // QEMU hw/arm/virt.c: VIRT_PCIE_MMIO
	ecamVirt      = 0x3f00_0000 // VIRT_PCIE_ECAM
)

// openPCI finds the disk of a board and opens it as the firmware, the host and
// the rescue program would.
func openPCI(m *qtest.Machine, prefer bool) (virtio.Transport, error) {
	var space pci.Space = pci.ECAM{Base: ecamVirt, LastBus: 15, Registers: m}
	memory := uint64(memoryBARVirt)
	if m.Board().PortsAt == 0 {
		ports, _ := m.Ports(pci.PortAddress, pci.PortCount)
		space, memory = pci.NewPorts(ports), memoryBARQ35
	}
	f, err := pci.Find(space, 0, virtio.IsPCIBlock)
	if err != nil {
		return nil, err
	}
	for i := 0; i < pci.BARs; i++ {
		size, err := f.SizeBAR(i)
		if err != nil {
			return nil, err
		}
		b, err := f.BAR(i)
		switch {
		case err != nil:
			return nil, err
		case size == 0:
		case b.IO:
			err = f.SetBAR(i, portBAR)
		default:
			err = f.SetBAR(i, memory+uint64(i)<<20)
		}
		if err != nil {
			return nil, err
		}
		if b.Wide {
			i++
		}
	}
	return virtio.OpenPCI(m, f, virtio.Options{PreferLegacy: prefer})
}

// openMMIO tries the slots of a board, as QEMU fills them: from the last.
func openMMIO(m *qtest.Machine, base physmem.Address, slots int) (virtio.Transport, error) {
	for i := slots - 1; i >= 0; i-- {
		start := base + physmem.Address(i)*virtio.MMIOSize
		r, err := m.Memory(physmem.Range{Start: start, End: start + virtio.MMIOSize})
		if err != nil {
			return nil, err
		}
		t, err := virtio.NewMMIO(r)
		if err == nil {
			return t, nil
		}
	}
	return nil, virtio.ErrNoDevice
}

// TestQEMU drives QEMU's disks: every transport, on boards of both
// architectures.
func TestQEMU(t *testing.T) {
	t.Parallel()
	mmio := func(base physmem.Address, slots int) func(*qtest.Machine) (virtio.Transport, error) {
		return func(m *qtest.Machine) (virtio.Transport, error) { return openMMIO(m, base, slots) }
	}
	modern := func(m *qtest.Machine) (virtio.Transport, error) { return openPCI(m, false) }
	legacy := func(m *qtest.Machine) (virtio.Transport, error) { return openPCI(m, true) }
	version2 := []string{"-global", "virtio-mmio.force-legacy=off"}
	for name, c := range map[string]struct {
		board     qtest.Board
		device    string
		arguments []string
		open      func(*qtest.Machine) (virtio.Transport, error)
		legacy    bool
	}{
		"q35 legacy":                  {qtest.Q35, "virtio-blk-pci,disable-modern=on,disable-legacy=off", nil, modern, true},
		"q35 modern":                  {qtest.Q35, "virtio-blk-pci,disable-legacy=on", nil, modern, false},
		"q35 transitional":            {qtest.Q35, "virtio-blk-pci,disable-legacy=off,disable-modern=off", nil, modern, false},
		"q35 transitional, as legacy": {qtest.Q35, "virtio-blk-pci,disable-legacy=off,disable-modern=off", nil, legacy, true},
		"virt legacy":                 {qtest.Virt, "virtio-blk-pci,disable-modern=on,disable-legacy=off", nil, modern, true},
		"virt modern":                 {qtest.Virt, "virtio-blk-pci,disable-legacy=on", nil, modern, false},
		"virt MMIO 1":                 {qtest.Virt, "virtio-blk-device", nil, mmio(0x0a00_0000, 32), true},
		"virt MMIO 2":                 {qtest.Virt, "virtio-blk-device", version2, mmio(0x0a00_0000, 32), false},
		"microvm MMIO 1":              {qtest.MicroVM, "virtio-blk-device", nil, mmio(0xfeb0_0000, 8), true},
		"microvm MMIO 2":              {qtest.MicroVM, "virtio-blk-device", version2, mmio(0xfeb0_0000, 8), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, arguments := disk(t, 8<<20, c.device)
			m := qtest.Start(t, c.board, append(arguments, c.arguments...)...)
			transport, err := c.open(m)
			require.NoError(t, err)
			require.Equal(t, c.legacy, transport.Legacy())
			for _, depth := range []int{1, 8} { // and again, over a device that is in use
				b, err := virtio.NewBlock(transport, virtio.Options{Memory: m.DMA(), Depth: depth})
				require.NoError(t, err)
				checkDisk(t, b, path, uint64(depth))
				t.Logf("depth %d: %d notifications", depth, b.Notifications())
			}
		})
	}
}

// checkDisk writes to a disk in all ways, and compares with its file.
func checkDisk(t *testing.T, b *virtio.Block, path string, seed uint64) {
	t.Helper()
	require.EqualValues(t, 8<<20, b.Size())
	serial, err := b.Serial()
	require.NoError(t, err)
	require.Equal(t, "dump0", serial)

	want := random(seed, 8<<20)
	_, err = b.WriteAt(want[:3<<20], 0)
	require.NoError(t, err)
	p := b.Pipeline()
	for at := 3 << 20; at < 6<<20; at += 96 << 10 {
		_, err := p.WriteAt(want[at:min(at+96<<10, 6<<20)], int64(at))
		require.NoError(t, err)
	}
	require.NoError(t, p.Flush())
	spare := b.Spare()
	buffer, err := spare.Carve(2<<20, 4096)
	require.NoError(t, err)
	copy(buffer.Memory, want[6<<20:])
	_, err = b.WriteAt(buffer.Memory, 6<<20)
	require.NoError(t, err)
	require.NoError(t, b.Flush())
	onDisk, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, onDisk))

	got := make([]byte, 1<<20)
	_, err = b.ReadAt(got, 512)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want[512:][:1<<20], got))
	_, err = b.ReadAt(buffer.Memory, 1<<20)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want[1<<20:][:2<<20], buffer.Memory))
}

// TestQEMUDiskThatFails lets QEMU's blkdebug fail writes.
func TestQEMUDiskThatFails(t *testing.T) {
	t.Parallel()
	path, _ := disk(t, 8<<20, "")
	m := qtest.Start(t, qtest.Q35,
		"-drive", "if=none,id=disk,format=raw,werror=report,rerror=report,file.driver=blkdebug,file.image.filename="+path+
			",file.inject-error.0.event=pwritev,file.inject-error.0.sector=8,file.inject-error.0.errno=5",
		"-device", "virtio-blk-pci,disable-legacy=on,drive=disk")
	transport, err := openPCI(m, false)
	require.NoError(t, err)
	// One at a time: QEMU merges requests that it sees together.
	b, err := virtio.NewBlock(transport, virtio.Options{Memory: m.DMA(), BufferSize: 4096, Depth: 1})
	require.NoError(t, err)
	n, err := b.WriteAt(random(1, 16<<10), 0)
	require.ErrorIs(t, err, virtio.ErrIO)
	require.Equal(t, 4096, n)
	require.ErrorContains(t, err, "write sectors [8, 16)")
	_, err = b.WriteAt(random(1, 4096), 0)
	require.NoError(t, err)
}

// TestQEMUDiskThatIsReadOnly also has sectors of 4 KiB.
func TestQEMUDiskThatIsReadOnly(t *testing.T) {
	t.Parallel()
	path, _ := disk(t, 8<<20, "")
	m := qtest.Start(t, qtest.Virt, "-drive", "if=none,id=disk,format=raw,readonly=on,file="+path,
		"-device", "virtio-blk-device,drive=disk,logical_block_size=4096,physical_block_size=4096")
	transport, err := openMMIO(m, 0x0a00_0000, 32)
	require.NoError(t, err)
	b, err := virtio.NewBlock(transport, virtio.Options{Memory: m.DMA()})
	require.NoError(t, err)
	require.True(t, b.ReadOnly())
	require.Equal(t, 4096, b.SectorSize())
	_, err = b.WriteAt(make([]byte, 4096), 0)
	require.ErrorIs(t, err, virtio.ErrReadOnly)
	_, err = b.ReadAt(make([]byte, 512), 0)
	require.ErrorIs(t, err, virtio.ErrAlignment)
	_, err = b.ReadAt(make([]byte, 4096), 4096)
	require.NoError(t, err)
}

// TestQEMUDiskThatNeverAnswers has a disk that is throttled to a byte a second.
func TestQEMUDiskThatNeverAnswers(t *testing.T) {
	t.Parallel()
	path, _ := disk(t, 8<<20, "")
	m := qtest.Start(t, qtest.Q35, "-drive", "if=none,id=disk,format=raw,throttling.bps-write=1,file="+path,
		"-device", "virtio-blk-pci,disable-legacy=on,drive=disk")
	transport, err := openPCI(m, false)
	require.NoError(t, err)
	b, err := virtio.NewBlock(transport, virtio.Options{Memory: m.DMA(), Timeout: 300 * time.Millisecond, BufferSize: 4096})
	require.NoError(t, err)
	var first error
	for i := int64(0); i < 100 && first == nil; i++ {
		_, first = b.WriteAt(random(1, 4096), i*4096)
	}
	require.ErrorIs(t, first, virtio.ErrTimeout)
	_, err = b.ReadAt(make([]byte, 512), 0)
	require.ErrorIs(t, err, virtio.ErrTimeout)
	again, err := virtio.NewBlock(transport, virtio.Options{Memory: m.DMA()})
	require.NoError(t, err, "the device has been reset and can be opened again")
	_, err = again.ReadAt(make([]byte, 512), 0)
	require.NoError(t, err)
}

func BenchmarkQEMU(b *testing.B) {
	path, arguments := disk(b, 64<<20, "virtio-blk-pci,disable-legacy=on")
	_ = path
	m := qtest.Start(b, qtest.Q35, arguments...)
	transport, err := openPCI(m, false)
	require.NoError(b, err)
	d, err := virtio.NewBlock(transport, virtio.Options{Memory: m.DMA()})
	require.NoError(b, err)
	data := random(1, 1<<20)
	p := d.Pipeline()
	b.SetBytes(int64(len(data)))
	for i := 0; b.Loop(); i++ {
		_, err := p.WriteAt(data, int64(i%64)<<20)
		require.NoError(b, err)
	}
	require.NoError(b, p.Drain())
}
