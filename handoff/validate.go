package handoff

import (
	"math/bits"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// validate checks every value that a reader acts on. It serves both ways: an
// encoder does not write what a decoder would refuse.
func (b *Block) validate() error {
	for _, check := range []func() error{
		b.validateReservation, b.validateParts, b.validateImage, b.validateTables,
		b.validateSeals, b.validateHost, b.validateMemory, b.validateLists, b.validatePCI, b.validateInterrupts,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func aligned(v uint64) bool { return v%PageSize == 0 }

func (b *Block) validateReservation() error {
	if b.Architecture != AMD64 && b.Architecture != ARM64 {
		return invalid("architecture", "%v", b.Architecture)
	}
	if b.Role != RoleRescue && b.Role != RoleHost {
		return invalid("role", "%v", b.Role)
	}
	r := b.Reservation
	if r.IsEmpty() || r.Size() > MaxSize || r.End > physmem.MaxAddress || !r.Start.IsAligned(PageSize) || !r.End.IsAligned(PageSize) {
		return invalid("reservation", "%v", r)
	}
	if b.CPUs > MaxCPUs {
		return invalid("CPUs", "%d, at most %d", b.CPUs, MaxCPUs)
	}
	if b.Calls.Conduit > ConduitSMC || b.Calls.Console > physmem.MaxAddress {
		return invalid("firmware calls", "console at %v, conduit %d", b.Calls.Console, b.Calls.Conduit)
	}
	if b.PagingLevels > 5 {
		return invalid("paging levels", "%d", b.PagingLevels)
	}
	return nil
}

func (b *Block) validateParts() error {
	size := b.Reservation.Size()
	for p, e := range b.Parts {
		part := Part(p)
		if e.Size == 0 {
			if e != (Extent{}) {
				return invalid(part.String(), "a part without bytes at %#x", e.Offset)
			}
			continue
		}
		if e.Offset > size || e.Size > size-e.Offset || !aligned(e.Offset) || !aligned(e.Size) || uint64(e.Length) > e.Size {
			return invalid(part.String(), "%#x bytes at %#x in a reservation of %#x", e.Size, e.Offset, size)
		}
		if e.Access&AccessWrite != 0 && e.Access&AccessExecute != 0 || b.Minor <= VersionMinor && e.Access&^accessKnown != 0 {
			return invalid(part.String(), "access %#x", uint32(e.Access))
		}
		for o, other := range b.Parts[:p] {
			if other.Size != 0 && e.Offset < other.End() && other.Offset < e.End() {
				return invalid(part.String(), "it overlaps the part %v", Part(o))
			}
		}
	}
	if b.Parts[PartBlock].Size == 0 || b.Parts[PartBlock].Offset != 0 {
		return invalid(PartBlock.String(), "it is not at the start of the reservation")
	}
	if need := PanicAreaSize(int(b.CPUs)); b.Role == RoleRescue && b.Parts[PartPanicArea].Size < need {
		return invalid(PartPanicArea.String(), "%#x bytes, want %#x for %d CPUs", b.Parts[PartPanicArea].Size, need, b.CPUs)
	}
	return nil
}

func (b *Block) validateImage() error {
	i, s := b.Image, b.Space
	if !aligned(i.LinkBase) || !aligned(i.FileEnd) || !aligned(i.MemoryEnd) ||
		i.LinkBase < s.Window || i.FileEnd < i.LinkBase || i.MemoryEnd < i.FileEnd || i.MemoryEnd > s.WindowEnd {
		return invalid("image", "linked at %#x to %#x and %#x in the window [%#x, %#x)", i.LinkBase, i.FileEnd, i.MemoryEnd, s.Window, s.WindowEnd)
	}
	if size := b.Parts[PartImage].Size; size != i.FileEnd-i.LinkBase {
		return invalid("image", "%#x bytes are linked, the part has %#x", i.FileEnd-i.LinkBase, size)
	}
	if i.Entry < i.LinkBase || i.Entry >= i.FileEnd {
		return invalid("entry", "%#x is not in [%#x, %#x)", i.Entry, i.LinkBase, i.FileEnd)
	}
	stack := b.Parts[PartEntryStack].Size
	if s.StackTop%16 != 0 || s.StackTop > i.LinkBase || s.StackTop < s.Window || stack > s.StackTop-s.Window {
		return invalid("stack top", "%#x for a stack of %#x bytes", s.StackTop, stack)
	}
	if !aligned(s.DirectMap) || s.DirectMapEnd < s.DirectMap || s.DirectMapEnd-s.DirectMap > DirectMapLimit ||
		s.DirectMap < s.WindowEnd && s.Window < s.DirectMapEnd {
		return invalid("direct map", "[%#x, %#x) beside the window [%#x, %#x)", s.DirectMap, s.DirectMapEnd, s.Window, s.WindowEnd)
	}
	if w := b.Limits.ZstdWindow; w != 0 && bits.OnesCount32(w) != 1 {
		return invalid("zstd window", "%d is not a power of two", w)
	}
	return nil
}

func (b *Block) validateTables() error {
	tables, t := b.Parts[PartTables], b.Tables
	if t.Used > tables.Size || !aligned(t.Used) {
		return invalid("page tables", "%#x bytes in use of %#x", t.Used, tables.Size)
	}
	for _, root := range []uint64{t.Root4, t.Root5} {
		if root == 0 && root == t.Root5 {
			continue
		}
		if !aligned(root) || root < tables.Offset || root >= tables.Offset+t.Used {
			return invalid("page-table root", "%#x is not in [%#x, %#x)", root, tables.Offset, tables.Offset+t.Used)
		}
	}
	code := b.Parts[PartTrampoline]
	if code.Size != 0 && (b.TrampolineEntry < code.Offset || b.TrampolineEntry >= code.End()) {
		return invalid("trampoline entry", "%#x is not in [%#x, %#x)", b.TrampolineEntry, code.Offset, code.End())
	}
	return nil
}

func (b *Block) validateSeals() error {
	if len(b.Seals) > MaxSeals-1 {
		return &BlockError{"seals", ErrTooLarge}
	}
	for _, s := range b.Seals {
		if !b.inPart(s.Part, s.Offset, s.Length) {
			return invalid("seals", "%#x bytes at %#x are not in the part %v", s.Length, s.Offset, s.Part)
		}
	}
	if len(b.Digests) > MaxDigests {
		return &BlockError{"digests", ErrTooLarge}
	}
	for _, d := range b.Digests {
		if !b.inPart(d.Part, d.Offset, d.Length) {
			return invalid("digests", "%#x bytes at %#x are not in the part %v", d.Length, d.Offset, d.Part)
		}
	}
	return nil
}

// inPart reports whether length bytes at offset lie in one part.
func (b *Block) inPart(part Part, offset, length uint64) bool {
	if part >= MaxParts {
		return false
	}
	e := b.Parts[part]
	return offset >= e.Offset && offset <= e.End() && length <= e.End()-offset
}

func (b *Block) validateHost() error {
	h := b.Host
	if h == (Host{}) {
		if b.Role == RoleRescue {
			return invalid("host", "nothing is said about it")
		}
		return nil
	}
	if h.PageSize < PageSize || h.PageSize > MaxHostPages || bits.OnesCount32(h.PageSize) != 1 {
		return invalid("host", "page size %d", h.PageSize)
	}
	if h.KernelEnd < h.KernelBase || h.DirectMapEnd < h.DirectMapBase || h.DirectMapPhysical > uint64(physmem.MaxAddress) {
		return invalid("host", "kernel [%#x, %#x), direct map [%#x, %#x) of %#x", h.KernelBase, h.KernelEnd, h.DirectMapBase, h.DirectMapEnd, h.DirectMapPhysical)
	}
	for _, text := range []string{h.Name, h.Version, h.BuildID, h.Architecture} {
		if len(text) > MaxString {
			return &BlockError{"host", ErrTooLarge}
		}
	}
	return nil
}

func (b *Block) validateMemory() error {
	if err := ascending("memory", b.Memory, PageSize); err != nil {
		return err
	}
	for _, r := range b.Memory {
		if r.Overlaps(b.Reservation) {
			return invalid("memory", "%v overlaps the reservation %v", r, b.Reservation)
		}
		if uint64(r.End) > b.Space.DirectMapEnd-b.Space.DirectMap {
			return invalid("memory", "%v lies beyond the direct map's %#x bytes", r, b.Space.DirectMapEnd-b.Space.DirectMap)
		}
	}
	if err := ascending("redactions", b.Redactions, 1); err != nil {
		return err
	}
	regions := []struct {
		name string
		Region
	}{{"dump_avail", b.DumpAvail}, {"bitmap", b.Bitmap}, {"message buffer", b.MessageBuffer}}
	for _, region := range regions {
		if err := b.validateRegion(region.name, region.Region); err != nil {
			return err
		}
	}
	return nil
}

// validateRegion checks that a region is as long as its extents, and that
// the rescue program can see them.
func (b *Block) validateRegion(name string, region Region) error {
	if len(region.Extents) > MaxExtents {
		return &BlockError{name, ErrTooLarge}
	}
	var size uint64
	for i, e := range region.Extents {
		if e.IsEmpty() || !b.handedOver(e) {
			return invalid(name, "extent %d, %v, is not in memory that is handed over", i, e)
		}
		size += e.Size() // 64 times 2^52 does not wrap
	}
	if region.Length > size {
		return invalid(name, "%#x bytes in extents of %#x", region.Length, size)
	}
	return nil
}

func (b *Block) handedOver(r physmem.Range) bool {
	for _, m := range b.Memory {
		if m.ContainsRange(r) {
			return true
		}
	}
	return b.Reservation.ContainsRange(r)
}

// ascending checks a list of ranges: capped, in order, apart from each other,
// whole pages.
func ascending(name string, ranges []physmem.Range, alignment uint64) error {
	if len(ranges) > MaxRanges {
		return &BlockError{name, ErrTooLarge}
	}
	var last physmem.Address
	for i, r := range ranges {
		if r.IsEmpty() || r.Start < last || r.End > physmem.MaxAddress || !r.Start.IsAligned(alignment) || !r.End.IsAligned(alignment) {
			return invalid(name, "entry %d, %v, after %v", i, r, last)
		}
		last = r.End
	}
	return nil
}

func (b *Block) validateLists() error {
	if len(b.Targets) > MaxTargets {
		return &BlockError{"targets", ErrTooLarge}
	}
	for i, t := range b.Targets {
		if t.Kind < TargetBlock || t.Kind > TargetRecord || t.Bus > BusPort ||
			t.Start > t.DeviceSize || t.Length > t.DeviceSize-t.Start {
			return invalid("targets", "entry %d: %#x bytes at %#x of a device of %#x", i, t.Length, t.Start, t.DeviceSize)
		}
	}
	if len(b.Firmware) > MaxFirmware {
		return &BlockError{"firmware", ErrTooLarge}
	}
	for i, f := range b.Firmware {
		if f.Length != 0 && !b.inPart(PartMetadata, f.Offset, f.Length) || f.Address > physmem.MaxAddress {
			return invalid("firmware", "entry %d: %#x bytes at %#x are not in the metadata", i, f.Length, f.Offset)
		}
	}
	return nil
}
