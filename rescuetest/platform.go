package rescuetest

import (
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// ErrProtected says that memory was written that the host has made read-only.
var ErrProtected = errors.New("the memory is read-only")

// kilohertz is what the host says of its counter. What a test's computer has is
// near it; patience and budgets are no more exact than that.
const kilohertz = 2_000_000

// wall is the host's time when it began: facts are the same each time.
const wall = 1_700_000_000_000_000_000

// Facts implements rescue.Platform.
func (h *Host) Facts() (handoff.HostFacts, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := &h.layout
	memoryMap, err := physmem.NewMemoryMap(physmem.Region{Range: l.ram, Type: physmem.MemoryRAM})
	if err != nil {
		return handoff.HostFacts{}, err
	}
	f := handoff.HostFacts{
		Architecture: h.config.Architecture,
		Host: handoff.Host{
			Name: h.config.Name, Version: "rescuetest", BuildID: "rescuetest", Architecture: architectureName(h.config.Architecture), PageSize: handoff.PageSize, CPUs: 1,
			KernelBase: handoff.KernelBase, KernelEnd: handoff.KernelBase + l.heap.Size(),
			DirectMapBase: handoff.DirectMapBase, DirectMapEnd: handoff.DirectMapBase + uint64(l.ram.End),
		},
		Map: memoryMap, Used: h.used,
		Root: physmem.Address(h.tables.Root()), PagingLevels: 4,
		DumpAvail:     region(l.dumpAvail, handoff.PageSize),
		Bitmap:        region(l.bitmap, h.bitmap.DumpAvail().BitmapSize()),
		MessageBuffer: region(l.messageBuffer, l.messageBuffer.Size()),
		Clock:         handoff.Clock{Kilohertz: kilohertz, Wall: wall},
		Panic:         h.lent,
	}
	if h.config.Architecture == handoff.ARM64 {
		f.Calls = handoff.FirmwareCalls{Console: 0x0900_0000, Conduit: handoff.ConduitHVC} // of QEMU's virt
	}
	return f, nil
}

func architectureName(a handoff.Architecture) string {
	if a == handoff.ARM64 {
		return "arm64"
	}
	return "amd64"
}

// Memory implements rescue.Platform: all RAM, of which what is protected cannot be
// written. The test plays the kernel with it.
func (h *Host) Memory() (physmem.Memory, error) { return guarded{h}, nil }

// guarded is the host's memory.
type guarded struct{ h *Host }

func (g guarded) ReadPhysical(p []byte, a physmem.Address) (int, error) {
	return physmem.NewBytes(g.h.layout.ram.Start, g.h.ram).ReadPhysical(p, a)
}

func (g guarded) WritePhysical(p []byte, a physmem.Address) (int, error) {
	g.h.mu.Lock()
	protected := g.h.protected
	g.h.mu.Unlock()
	if r, ok := physmem.NewRange(a, uint64(len(p))); ok && protected.Overlaps(r) {
		return 0, &physmem.AccessError{Operation: "write", Range: r, Err: ErrProtected}
	}
	return physmem.NewBytes(g.h.layout.ram.Start, g.h.ram).WritePhysical(p, a)
}

// ViewPhysical implements physmem.Viewer.
func (g guarded) ViewPhysical(r physmem.Range) []byte {
	if !physmem.NewRanges(g.h.layout.ram).ContainsRange(r) {
		return nil
	}
	return g.h.bytes(r)
}

func (h *Host) check(operation string, r physmem.Range) error {
	if r.IsEmpty() || !physmem.NewRanges(h.layout.ram).ContainsRange(r) || !r.Start.IsAligned(handoff.PageSize) || !r.End.IsAligned(handoff.PageSize) {
		return fmt.Errorf("rescuetest: %s %v of %v: %w", operation, r, h.layout.ram, physmem.ErrOutside)
	}
	return nil
}

// Reserve implements rescue.Platform.
func (h *Host) Reserve(r physmem.Range) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.check("reserve", r); err != nil {
		return err
	}
	if h.used.Overlaps(r) {
		return fmt.Errorf("rescuetest: reserve %v: %v is in use", r, h.used.Intersect(physmem.NewRanges(r)))
	}
	h.used = h.used.Union(physmem.NewRanges(r))
	h.bitmap.ClearRange(r)
	return nil
}

// Release implements rescue.Platform.
func (h *Host) Release(r physmem.Range) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.check("release", r); err != nil {
		return err
	}
	h.used = h.used.Minus(physmem.NewRanges(r))
	h.bitmap.ClearRange(r)
	return nil
}

// Protect implements rescue.Platform, in both of the host's mappings.
func (h *Host) Protect(r physmem.Range, writable bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.check("protect", r); err != nil {
		return err
	}
	if err := h.tables.Protect(handoff.DirectMapBase+uint64(r.Start), r.Size(), writable); err != nil {
		return err
	}
	if err := h.tables.Protect(h.Window(r.Start), r.Size(), writable); err != nil {
		return err
	}
	if writable {
		h.protected = h.protected.Minus(physmem.NewRanges(r))
	} else {
		h.protected = h.protected.Union(physmem.NewRanges(r))
	}
	return nil
}

// MapIdentity implements rescue.Platform.
func (h *Host) MapIdentity(r physmem.Range, executable bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.check("map", r); err != nil {
		return err
	}
	return h.tables.Map(r, uint64(r.Start), !executable, executable)
}

// UnmapIdentity implements rescue.Platform.
func (h *Host) UnmapIdentity(r physmem.Range) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.check("unmap", r); err != nil {
		return err
	}
	return h.tables.Unmap(uint64(r.Start), r.Size())
}

// OnPanic implements rescue.Platform.
func (h *Host) OnPanic(p handoff.PanicHandler) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.handler = p
	return nil
}
