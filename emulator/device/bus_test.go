package device_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	hardware "github.com/seed64aab995/rescuekernel/device"
	"github.com/seed64aab995/rescuekernel/device/pci"
	"github.com/seed64aab995/rescuekernel/device/virtio"
	"github.com/seed64aab995/rescuekernel/emulator/device"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// ramBase and ramSize are the memory of the machines of these tests.
const (
	ramBase = 0x100000
	ramSize = 4 << 20
)

// disk is storage in memory.
type disk struct {
	mu    sync.Mutex
	data  []byte
	syncs int
	err   error // of every access, if not nil
}

// contents are those of a new disk: they differ from sector to sector.
var contents = func() []byte {
	p := make([]byte, 1<<20)
	for i := range p {
		p[i] = byte(i>>9) ^ byte(i)
	}
	return p
}()

func newDisk(size int) *disk { return &disk{data: slices.Clone(contents[:size])} }

func (d *disk) ReadAt(p []byte, offset int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return 0, d.err
	}
	n := copy(p, d.data[offset:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (d *disk) WriteAt(p []byte, offset int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return 0, d.err
	}
	return copy(d.data[offset:], p), nil
}

func (d *disk) Sync() error {
	d.syncs++
	return d.err
}

// computer is a machine without a CPU: the test is the guest.
type computer struct {
	t       testing.TB
	board   device.Board
	ram     []byte
	bus     *machine.Bus
	blocks  []*device.Block
	devices []machine.Device
	disks   []*disk
	stops   []machine.Exit // of accesses that stopped the machine
}

// newComputer makes one with disks of a size.
func newComputer(t testing.TB, a device.Attachment, change ...func(*device.Board)) *computer {
	t.Helper()
	c := &computer{t: t, board: device.PC(), ram: make([]byte, ramSize)}
	c.board.Attachment = a
	c.board.Memory = physmem.NewBytes(ramBase, c.ram)
	d := newDisk(1 << 20)
	c.disks = append(c.disks, d)
	c.board.Disks = []machine.Disk{{Name: "dump", Size: int64(len(d.data)), Storage: d}}
	for _, f := range change {
		f(&c.board)
	}
	var err error
	c.blocks, c.devices, err = c.board.Attach()
	require.NoError(t, err)
	c.bus = machine.NewBus(c.devices...)
	return c
}

// withFaults is a change of a board.
func withFaults(f device.Faults) func(*device.Board) {
	return func(b *device.Board) { b.Faults = func(int) device.Faults { return f } }
}

func (c *computer) stopped(exit *machine.Exit) {
	if exit != nil {
		c.stops = append(c.stops, *exit)
	}
}

// window is registers of the machine; the driver's side.
type window struct {
	c    *computer
	port bool
	base uint64
}

func (w window) get(offset uint64, n int) uint64 {
	var b [8]byte
	w.c.stopped(w.c.bus.Read(w.port, w.base+offset, b[:n]))
	return binary.LittleEndian.Uint64(b[:])
}

func (w window) put(offset uint64, n int, v uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], v)
	w.c.stopped(w.c.bus.Write(w.port, w.base+offset, b[:n]))
}

func (w window) Read8(o uint64) uint8       { return uint8(w.get(o, 1)) }
func (w window) Read16(o uint64) uint16     { return uint16(w.get(o, 2)) }
func (w window) Read32(o uint64) uint32     { return uint32(w.get(o, 4)) }
func (w window) Read64(o uint64) uint64     { return w.get(o, 8) }
func (w window) Write8(o uint64, v uint8)   { w.put(o, 1, uint64(v)) }
func (w window) Write16(o uint64, v uint16) { w.put(o, 2, uint64(v)) }
func (w window) Write32(o uint64, v uint32) { w.put(o, 4, uint64(v)) }
func (w window) Write64(o uint64, v uint64) { w.put(o, 8, v) }

func (c *computer) ports(base uint64) window  { return window{c, true, base} }
func (c *computer) memory(base uint64) window { return window{c, false, base} }

// Ports implements the drivers' Bus.
func (c *computer) Ports(base, _ uint16) (hardware.Registers, error) {
	return c.ports(uint64(base)), nil
}

// Memory implements the drivers' Bus.
func (c *computer) Memory(r physmem.Range) (hardware.Registers, error) {
	return c.memory(uint64(r.Start)), nil
}

// space is configuration space by I/O ports.
func (c *computer) space() pci.Space { return pci.NewPorts(c.ports(pci.PortAddress)) }

// function is the disk's PCI function.
func (c *computer) function(i int) *pci.Function {
	c.t.Helper()
	f, err := pci.Open(c.space(), pci.NewAddress(0, 0, uint8(i+1), 0))
	require.NoError(c.t, err)
	return f
}

// driver starts the real driver on a disk.
func (c *computer) driver(i int) (*virtio.Block, error) {
	options := virtio.Options{
		Memory:  hardware.Region{Memory: c.ram[0x10000 : 0x10000+1<<20], Address: ramBase + 0x10000},
		Timeout: 50 * time.Millisecond,
	}
	var t virtio.Transport
	var err error
	if c.board.Attachment.OnPCI() {
		t, err = virtio.OpenPCI(c, c.function(i), options)
	} else {
		t, err = virtio.NewMMIO(c.memory(c.board.MMIO + uint64(i)*virtio.MMIOSize))
	}
	if err != nil {
		return nil, err
	}
	return virtio.NewBlock(t, options)
}

func (c *computer) mustDriver(i int) *virtio.Block {
	c.t.Helper()
	b, err := c.driver(i)
	require.NoError(c.t, err)
	return b
}

// onEach runs a test on every attachment.
func onEach(t *testing.T, f func(t *testing.T, a device.Attachment)) {
	for _, a := range device.Attachments() {
		t.Run(a.String(), func(t *testing.T) {
			t.Parallel()
			f(t, a)
		})
	}
}

// pattern is bytes that differ from sector to sector.
func pattern(size int, seed byte) []byte {
	p := bytes.Repeat([]byte{seed}, size)
	for i := range p {
		p[i] += byte(i) ^ byte(i>>8)
	}
	return p
}
