package capture_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/capture"
	"github.com/seed64aab995/rescuekernel/container"
	"github.com/seed64aab995/rescuekernel/container/target"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/reserve"
)

// The host that panicked: amd64, some memory from 1 MiB on, with page tables
// that map 64 pages at handoff.KernelBase.
const (
	mib         = 1 << 20
	hostStart   = physmem.Address(1 * mib)
	hostTables  = hostStart
	hostAvail   = hostStart + 0x10000
	hostBitmap  = hostStart + 0x100000
	hostLog     = hostStart + 0x12000
	hostLogSize = 8000
	hostKernel  = hostStart + 0x20000 // mapped at handoff.KernelBase
	hostPages   = 64
	hostSecret  = hostStart + 0x50000 // redacted, two pages
	hostStack   = handoff.KernelBase + 0x3d100
	reservation = 32 * mib
)

// machine is a host after its panic path: memory with a sealed reservation and
// a filled panic area.
type machine struct {
	memory *physmem.Sparse
	block  handoff.Block
	dumped []physmem.Address
}

// machineOptions are what tests vary.
type machineOptions struct {
	size        uint64 // of RAM, 64 MiB if 0
	environment handoff.Environment
	targets     []handoff.Target
	seed        byte
	pages       int // random pages beside the fixed ones, 200 if 0
	noClock     bool
	records     []byte // the area of fault records
}

func region(start physmem.Address, length uint64) handoff.Region {
	r := physmem.Range{Start: start, End: start + physmem.Address(length)}
	return handoff.Region{Length: length, Extents: []physmem.Range{r.AlignOutward(4096)}}
}

func newMachine(t testing.TB, o machineOptions) *machine {
	t.Helper()
	if o.size == 0 {
		o.size = 64 * mib
	}
	if o.pages == 0 {
		o.pages = 200
	}
	ram := physmem.Ranges{{Start: hostStart, End: hostStart + physmem.Address(o.size)}}
	m := &machine{memory: physmem.NewSparse(ram)}
	m.fill(t, o)
	image, err := reserve.OpenImage(testImage())
	require.NoError(t, err)
	clock := handoff.Clock{Kilohertz: 2_000_000, Counter: 1000, Wall: 1_700_000_000_000_000_000}
	if o.noClock {
		clock = handoff.Clock{}
	}
	size := reserve.LeastSize(o.size)
	plan, err := reserve.New(m.memory, reserve.Request{
		Reservation: physmem.Range{Start: reservation, End: reservation + physmem.Address(size)},
		Image:       image, Memory: ram,
		Host: handoff.Host{PageSize: 4096, CPUs: 2, KernelBase: handoff.KernelBase, KernelEnd: handoff.KernelBase + 1<<30,
			DirectMapBase: handoff.DirectMapBase, DirectMapEnd: handoff.DirectMapBase + o.size, Name: "anvil", Version: "go host", BuildID: "go/build/id", Architecture: "amd64"},
		DumpAvail: region(hostAvail, 32), Bitmap: region(hostBitmap, (o.size/4096+7)/8), MessageBuffer: region(hostLog, hostLogSize),
		Redactions: physmem.Ranges{{Start: hostSecret, End: hostSecret + 0x2000}},
		Targets:    o.targets, Environment: o.environment, CPUs: 2, PagingLevels: 4, Clock: clock, Seed: [32]byte{o.seed},
		Records:  o.records,
		Firmware: []reserve.FirmwareTable{{Kind: handoff.FirmwareE820, EntrySize: 20, Data: make([]byte, 40)}},
	})
	require.NoError(t, err)
	require.NoError(t, plan.Populate(m.memory))
	m.block = plan.Block()
	m.panic(t)
	return m
}

// fill writes the host's memory.
func (m *machine) fill(t testing.TB, o machineOptions) {
	random := rand.New(rand.NewPCG(1, 2))
	word := func(address physmem.Address, v uint64) { m.write(t, address, binary.LittleEndian.AppendUint64(nil, v)) }
	const present, writable = 1, 2
	word(hostTables+160*8, uint64(hostTables+0x1000)|present|writable)
	word(hostTables+0x1000, uint64(hostTables+0x2000)|present|writable)
	word(hostTables+0x2000, uint64(hostTables+0x3000)|present|writable)
	for i := range physmem.Address(hostPages) {
		word(hostTables+0x3000+8*i, uint64(hostKernel+i*0x1000)|present|writable)
	}
	word(hostAvail, uint64(hostStart))
	word(hostAvail+8, uint64(hostStart)+o.size)
	m.write(t, hostLog, bytes.Repeat([]byte("host: all is well\n"), 100))
	bits := make([]byte, (o.size/4096+7)/8)
	set := func(page uint64) { bits[page/8] |= 1 << (page % 8) }
	for page := range uint64(0x80) {
		set(page)
	}
	for range o.pages {
		page := 0x200 + random.Uint64N(o.size/4096-0x200)
		if address := hostStart + physmem.Address(page*4096); address >= reservation && address < reservation+16*mib {
			continue
		}
		set(page)
		if page%4 == 0 {
			continue // a page of zeros
		}
		content := make([]byte, 4096)
		for i := range content {
			content[i] = byte(random.Uint32()) >> (page % 8)
		}
		m.write(t, hostStart+physmem.Address(page*4096), content)
	}
	m.write(t, hostSecret, bytes.Repeat([]byte("secret! "), 1024))
	m.write(t, hostKernel+0x3d000, bytes.Repeat([]byte("stack..."), 1024))
	m.write(t, hostBitmap, bits)
	for page := range o.size / 4096 {
		if bits[page/8]>>(page%8)&1 != 0 {
			m.dumped = append(m.dumped, hostStart+physmem.Address(page*4096))
		}
	}
}

func (m *machine) write(t testing.TB, address physmem.Address, p []byte) {
	t.Helper()
	_, err := m.memory.WritePhysical(p, address)
	require.NoError(t, err)
}

// panic does what the panic path writes.
func (m *machine) panic(t testing.TB) {
	area := m.block.Range(handoff.PartPanicArea).Start
	le := binary.LittleEndian
	u32 := func(at int, v uint32) { m.write(t, area+physmem.Address(at), le.AppendUint32(nil, v)) }
	u64 := func(at int, v uint64) { m.write(t, area+physmem.Address(at), le.AppendUint64(nil, v)) }
	const message = "the books do not balance"
	u32(handoff.PanicOffsetReason, uint32(handoff.ReasonCall))
	u32(handoff.PanicOffsetMessageLength, uint32(len(message)))
	m.write(t, area+handoff.PanicOffsetMessage, []byte(message))
	u64(handoff.PanicOffsetRoot, uint64(hostTables))
	u64(handoff.PanicOffsetMessageBuffer, 1800)
	u64(handoff.PanicOffsetPhases, 1000+4_000_000_000) // two seconds after arming
	for cpu := range 2 {
		state := amd64.CPUState{Valid: amd64.StateGeneral | amd64.StateControl, RSP: hostStack, RIP: handoff.KernelBase + uint64(cpu),
			CR0: amd64.CR0Paging, CR3: uint64(hostTables), EFER: amd64.EFERLongModeActive | amd64.EFERNoExecute}
		data, err := state.AppendBinary(nil)
		require.NoError(t, err)
		slot := handoff.PanicOffsetRegisters + cpu*handoff.RegisterSlotSize
		u32(slot+handoff.SlotOffsetCPU, uint32(cpu))
		u32(slot+handoff.SlotOffsetLength, uint32(len(data)))
		m.write(t, area+physmem.Address(slot+handoff.SlotOffsetState), data)
		u32(slot+handoff.SlotOffsetValid, 1)
	}
	u32(handoff.PanicOffsetState, uint32(handoff.StateSealed))
}

// testImage is a program whose headers are right: three segments of a page.
func testImage() *bytes.Reader {
	const header, program = 64, 56
	data := make([]byte, 4*4096)
	le := binary.LittleEndian
	copy(data, "\x7fELF\x02\x01\x01")
	le.PutUint16(data[16:], 2)
	le.PutUint16(data[18:], uint16(handoff.AMD64))
	le.PutUint64(data[24:], handoff.LinkText)
	le.PutUint64(data[32:], header)
	le.PutUint16(data[54:], program)
	le.PutUint16(data[56:], 3)
	for i, flags := range []uint32{5, 4, 6} {
		p := data[header+program*i:]
		offset := uint64(i+1) * 4096
		le.PutUint32(p, 1)
		le.PutUint32(p[4:], flags)
		le.PutUint64(p[8:], offset)
		le.PutUint64(p[16:], handoff.LinkBase+offset)
		le.PutUint64(p[32:], 4096)
		le.PutUint64(p[40:], 4096)
	}
	return bytes.NewReader(data)
}

// disk is a device in memory that can fail.
type disk struct {
	b      []byte
	left   int // writes until it fails; negative: never
	dead   bool
	writes int
}

var errDisk = errors.New("disk failed")

func newDisk(size int) *disk { return &disk{b: make([]byte, size), left: -1} }

func (d *disk) ReadAt(p []byte, off int64) (int, error) {
	if d.dead {
		return 0, errDisk
	}
	return bytes.NewReader(d.b).ReadAt(p, off)
}

func (d *disk) WriteAt(p []byte, off int64) (int, error) {
	if d.dead || d.left == 0 || len(p)%512 != 0 || off%512 != 0 || off+int64(len(p)) > int64(len(d.b)) {
		return 0, errDisk
	}
	d.left--
	d.writes++
	return copy(d.b[off:], p), nil
}

func (d *disk) Size() int64     { return int64(len(d.b)) }
func (d *disk) SectorSize() int { return 512 }
func (d *disk) Flush() error    { return nil }
func (d *disk) clone() *disk    { return &disk{b: bytes.Clone(d.b), left: -1} }

// prepare labels the disk and gives it as a target.
func (d *disk) prepare(t testing.TB, address uint64, flags uint32) handoff.Target {
	t.Helper()
	l, err := target.Prepare(d, target.PrepareOptions{ID: target.ID{byte(address + 1)}, Size: d.Size(), Time: time.Unix(1, 0)})
	require.NoError(t, err)
	return handoff.Target{Kind: handoff.TargetBlock, Bus: handoff.BusPCI, Address: address, DeviceSize: uint64(l.DeviceSize),
		Start: uint64(l.Start), Length: uint64(l.Length), Label: l.ID, Flags: flags}
}

// dump is what capture does to disks, by the targets' addresses.
func dump(t testing.TB, m *machine, disks ...*disk) (capture.Result, *minidump.Dumper) {
	t.Helper()
	host, err := capture.Open(m.memory, m.block.Reservation.Start)
	require.NoError(t, err)
	d, err := host.NewDumper(nil)
	require.NoError(t, err)
	return host.Run(d, capture.Options{Disk: func(t handoff.Target) (target.Device, error) { return disks[t.Address], nil }}), d
}

// open opens what is on a disk.
func open(t testing.TB, d *disk) (*container.File, *minidump.Reader, error) {
	t.Helper()
	f, err := container.Open(d, d.Size())
	if err != nil {
		return nil, nil, err
	}
	t.Cleanup(func() { _ = f.Close() })
	r, err := minidump.Open(f, f.Size())
	return f, r, err
}

// requireTrue requires every page of the dump to be the machine's, as far as it
// is there, and returns how many are.
func requireTrue(t testing.TB, m *machine, r *minidump.Reader) (pages int) {
	t.Helper()
	want, got := make([]byte, 4096), make([]byte, 4096)
	for _, address := range m.dumped {
		_, err := r.ReadPhysical(got, address)
		if err != nil {
			var missing *minidump.MissingError
			require.True(t, errors.As(err, &missing) || errors.Is(err, io.ErrUnexpectedEOF), "%v: %v", address, err)
			continue
		}
		if address == hostSecret || address == hostSecret+4096 { // redacted; the notes that say so may be cut off
			require.True(t, bytes.Equal(make([]byte, 4096), got))
			continue
		}
		_, err = m.memory.ReadPhysical(want, address)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got), "page %v", address)
		pages++
	}
	return pages
}
