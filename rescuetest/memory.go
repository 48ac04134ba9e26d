package rescuetest

import (
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// layout is where the host keeps what a kernel keeps.
type layout struct {
	ram           physmem.Range
	tables        physmem.Range // page tables are made of
	dumpAvail     physmem.Range
	bitmap        physmem.Range
	messageBuffer physmem.Range
	stack         physmem.Range // what the panicking CPU's stack pointer is in
	heap          physmem.Range // the kernel's window: what Allocate gives
}

// start is where a machine's RAM begins.
func start(a handoff.Architecture) physmem.Address {
	if a == handoff.ARM64 {
		return 1 << 30
	}
	return 0
}

// tables are page tables of either architecture.
type tables interface {
	Map(physical physmem.Range, va uint64, write, execute bool) error
	Protect(va, size uint64, write bool) error
	Unmap(va, size uint64) error
	Root() uint64
}

// makeMemory lays the host's memory out: all but the reservation and what is free
// is in the dump from the start.
func (h *Host) makeMemory() error {
	l := &h.layout
	l.ram = physmem.Range{Start: start(h.config.Architecture)}
	l.ram.End = l.ram.Start + physmem.Address(h.config.MemorySize)
	next := l.ram.Start + 1<<20 // the first MiB of a PC is full of surprises
	take := func(size physmem.Address) physmem.Range {
		r := physmem.Range{Start: next, End: next + size}
		next = r.End
		return r
	}
	available, err := minidump.NewDumpAvail(handoff.PageSize, []physmem.Range{l.ram})
	if err != nil {
		return err
	}
	encoded, err := available.AppendBinary(nil)
	if err != nil {
		return err
	}
	l.tables = take(1 << 20)
	l.dumpAvail = take(handoff.PageSize)
	l.bitmap = take(physmem.Address(available.BitmapSize()).AlignUp(handoff.PageSize))
	l.messageBuffer = take(64 << 10)
	l.stack = take(4 * handoff.PageSize)
	l.heap = physmem.Range{Start: next, End: l.ram.End}
	h.heap = l.heap.Start
	own := physmem.Range{Start: l.tables.Start, End: l.heap.Start}
	clear(h.bytes(own))
	copy(h.bytes(l.dumpAvail), encoded)
	if h.bitmap, err = minidump.NewPageBitmap(available, h.words(l.bitmap, available.NumWords())); err != nil {
		return err
	}
	h.bitmap.SetRange(own)
	h.used = physmem.NewRanges(physmem.Range{Start: l.ram.Start, End: l.heap.Start})
	if err := h.makeTables(); err != nil {
		return err
	}
	h.lend()
	return nil
}

// pool gives page tables.
type pool struct{ free physmem.Range }

// AllocateTable implements the Allocator of both builders.
func (p *pool) AllocateTable(size uint64) (physmem.Address, error) {
	at := p.free.Start.AlignUp(size)
	if at+physmem.Address(size) > p.free.End {
		return 0, errors.New("the host's page tables are full")
	}
	p.free.Start = at + physmem.Address(size)
	return at, nil
}

// makeTables maps all RAM in the direct map, and the heap in the kernel's window.
func (h *Host) makeTables() error {
	memory := physmem.NewBytes(h.layout.ram.Start, h.ram)
	from := &pool{h.layout.tables}
	switch h.config.Architecture {
	case handoff.ARM64:
		b, err := arm64.NewBuilder(memory, from, arm64.Paging{})
		if err != nil {
			return err
		}
		h.tables = tablesARM64{b}
	default:
		b, err := amd64.NewBuilder(memory, from, amd64.Paging{})
		if err != nil {
			return err
		}
		h.tables = tablesAMD64{b}
	}
	if err := h.tables.Map(h.layout.ram, handoff.DirectMapBase+uint64(h.layout.ram.Start), true, false); err != nil {
		return err
	}
	return h.tables.Map(h.layout.heap, handoff.KernelBase, true, false)
}

type tablesAMD64 struct{ b *amd64.Builder }

func (t tablesAMD64) rights(write, execute bool) (p amd64.Permissions) {
	if write {
		p |= amd64.Write
	}
	if execute {
		p |= amd64.Execute
	}
	return p
}

func (t tablesAMD64) Map(r physmem.Range, va uint64, write, execute bool) error {
	return t.b.Map(r, va, t.rights(write, execute), 0)
}

func (t tablesAMD64) Protect(va, size uint64, write bool) error {
	return t.b.Protect(va, size, t.rights(write, false))
}

func (t tablesAMD64) Unmap(va, size uint64) error { return t.b.Unmap(va, size) }
func (t tablesAMD64) Root() uint64                { return uint64(t.b.Paging().Root) }

type tablesARM64 struct{ b *arm64.Builder }

func (t tablesARM64) rights(write, execute bool) (p arm64.Permissions) {
	if write {
		p |= arm64.Write
	}
	if execute {
		p |= arm64.Execute
	}
	return p
}

func (t tablesARM64) Map(r physmem.Range, va uint64, write, execute bool) error {
	return t.b.Map(r, va, t.rights(write, execute), 0)
}

func (t tablesARM64) Protect(va, size uint64, write bool) error {
	return t.b.Protect(va, size, t.rights(write, false))
}

func (t tablesARM64) Unmap(va, size uint64) error { return t.b.Unmap(va, size) }
func (t tablesARM64) Root() uint64                { return t.b.Paging().TTBR() }

// bytes are the host's memory at a range, in this process.
func (h *Host) bytes(r physmem.Range) []byte {
	return h.ram[r.Start-h.layout.ram.Start : r.End-h.layout.ram.Start]
}

// Allocate takes free memory, whole pages, in one piece, into use: it is in the page
// bitmap, so in the dump. It is zero.
func (h *Host) Allocate(size uint64) (physmem.Range, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	size = uint64(physmem.Address(size).AlignUp(handoff.PageSize))
	for _, free := range physmem.NewRanges(physmem.Range{Start: h.heap, End: h.layout.ram.End}).Minus(h.used) {
		if free.Size() < size || size == 0 {
			continue
		}
		r := physmem.Range{Start: free.Start, End: free.Start + physmem.Address(size)}
		h.used = h.used.Union(physmem.NewRanges(r))
		h.bitmap.SetRange(r)
		clear(h.bytes(r))
		return r, nil
	}
	return physmem.Range{}, fmt.Errorf("rescuetest: allocate %d bytes: no space", size)
}

// Window is where the kernel's window shows an address that Allocate gave: the
// virtual address that `dumper read` takes.
func (h *Host) Window(a physmem.Address) uint64 {
	return handoff.KernelBase + uint64(a-h.layout.heap.Start)
}

// Log writes to the host's message buffer.
func (h *Host) Log(format string, arguments ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.print([]byte(fmt.Sprintf(format, arguments...)))
}

// print writes to the message buffer, a ring.
func (h *Host) print(text []byte) {
	ring := h.bytes(h.layout.messageBuffer)
	for _, c := range text {
		ring[h.written%uint64(len(ring))] = c
		h.written++
	}
	if h.panicked != nil {
		h.panicked.MessageBuffer = h.written
	}
}

// region is a range as facts have it.
func region(r physmem.Range, length uint64) handoff.Region {
	return handoff.Region{Length: length, Extents: []physmem.Range{r}}
}
