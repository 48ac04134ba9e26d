package main

import (
	"fmt"
	"sync"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/rescue"
)

// kernelBase is where this host's addresses begin, as its dump tells them: the host
// runs in what handoff calls the direct map. One that runs at physical addresses has 0.
const kernelBase = handoff.KernelBase

// platform makes a rescue.Platform of a Board. It keeps what a dump needs and such
// runtimes do not have: which pages are in use, and a log.
type platform struct {
	board     Board
	dumpAvail physmem.Range
	bitmap    physmem.Range
	messages  physmem.Range
	available *minidump.DumpAvail

	mu      sync.Mutex
	pages   *minidump.PageBitmap
	used    physmem.Ranges
	written uint64 // bytes, to the log
	handler handoff.PanicHandler
	context handoff.PanicContext // filled in at the panic: it is there before
	depth   uint32
}

var _ rescue.Platform = (*platform)(nil)

// newPlatform takes memory for the page bitmap and the log, and says in the bitmap
// what the runtime has in use.
func newPlatform(b Board) (*platform, error) {
	p := &platform{board: b, used: b.Used()}
	var err error
	if p.available, err = minidump.NewDumpAvail(handoff.PageSize, b.RAM()); err != nil {
		return nil, err
	}
	for _, part := range []struct {
		r    *physmem.Range
		size uint64
	}{{&p.dumpAvail, handoff.PageSize}, {&p.bitmap, p.available.BitmapSize()}, {&p.messages, 64 << 10}} {
		if *part.r, err = p.allocate(part.size); err != nil {
			return nil, err
		}
	}
	encoded, err := p.available.AppendBinary(nil)
	if err != nil {
		return nil, err
	}
	copy(p.bytes(p.dumpAvail), encoded)
	if p.pages, err = minidump.NewPageBitmap(p.available, words(p.bytes(p.bitmap), p.available.NumWords())); err != nil {
		return nil, err
	}
	for _, r := range p.used {
		p.pages.SetRange(r)
	}
	return p, nil
}

// allocate takes free memory. A runtime with an allocator of its own has it set and
// clear the bits instead.
func (p *platform) allocate(size uint64) (physmem.Range, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	need := physmem.Address(size).AlignUp(handoff.PageSize)
	for _, free := range p.board.RAM().Minus(p.used) {
		if free.End-free.Start < need {
			continue
		}
		r := physmem.Range{Start: free.Start, End: free.Start + need}
		p.used = p.used.Union(physmem.NewRanges(r))
		if p.pages != nil {
			p.pages.SetRange(r)
		}
		clear(p.bytes(r))
		return r, nil
	}
	return physmem.Range{}, fmt.Errorf("allocate %d bytes: no space", size)
}

// log writes to the message buffer, a ring.
func (p *platform) log(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ring := p.bytes(p.messages)
	for i := range len(text) {
		ring[p.written%uint64(len(ring))] = text[i]
		p.written++
	}
}

// Facts implements rescue.Platform.
func (p *platform) Facts() (handoff.HostFacts, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var regions []physmem.Region
	for _, r := range p.board.RAM() {
		regions = append(regions, physmem.Region{Range: r, Type: physmem.MemoryRAM})
	}
	memory, err := physmem.NewMemoryMap(regions...)
	if err != nil {
		return handoff.HostFacts{}, err
	}
	region := func(r physmem.Range, length uint64) handoff.Region {
		return handoff.Region{Length: length, Extents: []physmem.Range{r}}
	}
	ram := p.board.RAM()
	return handoff.HostFacts{
		Architecture: p.board.Architecture(),
		Host: handoff.Host{
			Name: "baremetal", Version: "another runtime", PageSize: handoff.PageSize, CPUs: 1,
			KernelBase: kernelBase, KernelEnd: kernelBase + 1<<30,
			DirectMapBase: handoff.DirectMapBase, DirectMapEnd: handoff.DirectMapBase + uint64(ram[len(ram)-1].End),
		},
		Map: memory, Used: p.used, Root: p.board.Root(), PagingLevels: 4,
		DumpAvail:     region(p.dumpAvail, handoff.PageSize),
		Bitmap:        region(p.bitmap, p.available.BitmapSize()),
		MessageBuffer: region(p.messages, p.messages.Size()),
		Clock:         handoff.Clock{Kilohertz: p.board.Kilohertz(), Counter: 0, Wall: p.board.Wall()},
	}, nil
}

// Reserve implements rescue.Platform.
func (p *platform) Reserve(r physmem.Range) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.used.Overlaps(r) {
		return fmt.Errorf("reserve %v: in use", r)
	}
	p.used = p.used.Union(physmem.NewRanges(r))
	p.pages.ClearRange(r)
	return nil
}

// Release implements rescue.Platform.
func (p *platform) Release(r physmem.Range) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used = p.used.Minus(physmem.NewRanges(r))
	return nil
}

// VirtualAddress, Protect, MapIdentity and UnmapIdentity implement rescue.Platform:
// the board has them.
func (p *platform) VirtualAddress(r physmem.Range) (uintptr, error) { return p.board.Window(r) }
func (p *platform) Protect(r physmem.Range, writable bool) error    { return p.board.Protect(r, writable) }
func (p *platform) MapIdentity(r physmem.Range, executable bool) error {
	return p.board.MapIdentity(r, executable)
}
func (p *platform) UnmapIdentity(r physmem.Range) error { return p.board.UnmapIdentity(r) }
