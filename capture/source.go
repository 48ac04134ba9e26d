package capture

import (
	"time"

	"github.com/seed64aab995/rescuekernel/container/kerneldump"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// spareHoles is how many holes the notes have room for beside those of the
// redactions.
const spareHoles = 256

// holeSize is what a hole takes in the notes.
const holeSize = 24

// NewDumper makes the dump's logical file. storage holds the snapshot of the
// page bitmap, nil allocates it; Storage gives the part of the reservation that
// is for it.
func (h *Host) NewDumper(storage []uint64) (*minidump.Dumper, error) {
	return minidump.NewDumper(h.Source(storage))
}

// Storage is the memory for the snapshot of the page bitmap, as words; nil where
// memory does not lend it. What it lends must be writable.
func (h *Host) Storage(memory physmem.Viewer) []uint64 {
	part := h.Block.Range(handoff.PartBitmap)
	if part.IsEmpty() {
		return nil
	}
	return words(memory.ViewPhysical(part))
}

// Source describes the host for minidump.NewDumper.
func (h *Host) Source(storage []uint64) minidump.Source {
	b := h.Block
	s := minidump.Source{
		Architecture: architecture(b.Architecture), Memory: h.memory, Storage: storage,
		Redact: physmem.NewRanges(b.Redactions...),
	}
	h.describeMemory(&s)
	h.describePaging(&s)
	s.Notes = h.notes()
	s.NotesArea = h.notesArea(&s.Notes)
	s.Readable = s.Readable.Union(physmem.NewRanges(s.NotesArea))
	return s
}

func architecture(a handoff.Architecture) minidump.Architecture {
	switch a {
	case handoff.AMD64:
		return minidump.AMD64
	case handoff.ARM64:
		return minidump.ARM64
	}
	return minidump.UnknownArchitecture
}

// describeMemory says what the host has and keeps. Without the dump parameters
// it is what can be reached, without the reservation.
func (h *Host) describeMemory(s *minidump.Source) {
	b := h.Block
	s.Readable = physmem.NewRanges(b.Memory...)
	if !h.parameters {
		if m, ok := h.memory.(interface{ Ranges() physmem.Ranges }); ok {
			s.Readable = m.Ranges().Minus(physmem.NewRanges(b.Reservation))
		}
		return
	}
	s.PageSize = int(b.Host.PageSize)
	region := func(r handoff.Region) minidump.SizedReaderAt {
		if r.Length == 0 {
			return nil
		}
		return &regionReader{physmem.NewExtentReader(h.memory, r.Extents), int64(r.Length)}
	}
	s.Bitmap, s.DumpAvail = region(b.Bitmap), region(b.DumpAvail)
	s.MessageBuffer.Content = region(b.MessageBuffer)
	if h.Panic != nil && h.Panic.State >= handoff.StateCaptured {
		s.MessageBuffer.Positioned, s.MessageBuffer.Position = true, h.Panic.MessageBuffer
	}
	s.KernelBase, s.KernelEnd = b.Host.KernelBase, b.Host.KernelEnd
	s.DirectMapBase, s.DirectMapEnd = b.Host.DirectMapBase, b.Host.DirectMapEnd
	s.DirectMapPhysical = physmem.Address(b.Host.DirectMapPhysical)
}

// regionReader is the first bytes of extents.
type regionReader struct {
	*physmem.ExtentReader
	length int64
}

// Size is the region's length, which may end within a page.
func (r *regionReader) Size() int64 { return min(r.length, r.ExtentReader.Size()) }

// describePaging says how the host's kernel addresses are translated: as the
// registers of the CPU that panicked say, or else by the root alone.
func (h *Host) describePaging(s *minidump.Source) {
	if h.Panic == nil {
		return
	}
	state := h.panicked()
	switch {
	case minidump.AMD64.CanDump() && s.Architecture == minidump.AMD64:
		s.AMD64 = amd64.Paging{Root: physmem.Address(h.Panic.Root & amd64.CR3AddressMask), Levels: int(h.Block.PagingLevels)}
		var cpu amd64.CPUState
		if cpu.UnmarshalBinary(state) == nil {
			if p, err := cpu.Paging(s.KernelBase); err == nil && p.Root == s.AMD64.Root {
				s.AMD64 = p
			}
		}
	case minidump.ARM64.CanDump() && s.Architecture == minidump.ARM64:
		upper := s.KernelBase>>55&1 != 0
		s.ARM64 = arm64.Paging{Root: physmem.Address(h.Panic.RootLower & arm64.TTBRAddressMask), Upper: upper}
		if upper {
			s.ARM64.Root = physmem.Address(h.Panic.Root & arm64.TTBRAddressMask)
		}
		var cpu arm64.CPUState
		if cpu.UnmarshalBinary(state) == nil {
			if p, err := cpu.Paging(s.KernelBase); err == nil {
				s.ARM64 = p
			}
		}
	}
}

// panicked is the state of the CPU that panicked; nil if there is none.
func (h *Host) panicked() []byte {
	if h.Panic == nil {
		return nil
	}
	for _, r := range h.Panic.Registers {
		if r.CPU == h.Panic.CPU {
			return r.State
		}
	}
	return nil
}

// notes are the dump's, but for what only the dumper knows.
func (h *Host) notes() minidump.Notes {
	n := minidump.Notes{Marks: h.Marks, Panic: h.PanicMessage(), FaultRecord: h.records}
	if h.parameters {
		n.HostName, n.Version, n.BuildID = h.Block.Host.Name, h.Block.Host.Version, []byte(h.Block.Host.BuildID)
	}
	if t := h.PanicTime(); t != 0 {
		n.Time = time.Unix(0, t).UTC()
	}
	if h.Panic == nil {
		return n
	}
	for _, r := range h.Panic.Registers {
		cpu := minidump.CPUNote{Number: r.CPU, Time: r.Time, Architecture: architecture(h.Block.Architecture), State: r.State}
		if r.CPU == h.Panic.CPU {
			cpu.Flags |= minidump.CPUPanicked
		}
		n.CPUs = append(n.CPUs, cpu)
	}
	return n
}

// notesArea is where the notes are in the dump: pages of the reservation that
// hold nothing of the host, the rescue program's own memory.
func (h *Host) notesArea(n *minidump.Notes) physmem.Range {
	page := max(uint64(h.Block.Host.PageSize), handoff.PageSize)
	size := uint64(minidump.NotesSize(n) + holeSize*(len(h.Block.Redactions)+spareHoles))
	size = (size + page - 1) / page * page
	program := h.Block.Range(handoff.PartProgram).AlignInward(page)
	if program.Size() < size {
		return physmem.Range{}
	}
	return physmem.Range{Start: program.Start, End: program.Start + physmem.Address(size)}
}

// Header is the dump's header on a device.
func (h *Host) Header() kerneldump.Header {
	header := kerneldump.Header{
		Architecture: "amd64", ArchitectureVersion: 2, PanicString: h.PanicMessage(),
		Time: uint64(max(h.PanicTime(), 0) / 1e9), Nonce: h.nonce(),
	}
	if h.Block.Architecture == handoff.ARM64 {
		header.Architecture, header.ArchitectureVersion = "aarch64", 1
	}
	if h.parameters {
		header.HostName, header.VersionString = h.Block.Host.Name, h.Block.Host.Version
	}
	if !h.Settings.Raw {
		header.Compression = kerneldump.CompressionZstd
	}
	return header
}

// nonce tells this dump from any other of the host: from the arming's random
// seed and the counter at the panic.
func (h *Host) nonce() uint32 {
	x := uint64(0xcbf29ce484222325) // FNV-1a, 64 bits
	add := func(b byte) { x = (x ^ uint64(b)) * 0x100000001b3 }
	for _, b := range h.Block.Seed {
		add(b)
	}
	if h.Panic != nil {
		for _, t := range h.Panic.Phases[:handoff.PhaseEntry] {
			for i := range 8 {
				add(byte(t >> (8 * i)))
			}
		}
	}
	return uint32(x>>32) ^ uint32(x)
}
