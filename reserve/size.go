package reserve

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/handoff"
)

const gib = 1 << 30

// The rule for the size of a reservation: what is enough for hosts up to
// baseHost, and what each GiB above it costs: 4 KiB of page tables, 32 KiB of
// bitmap snapshot, 1 KiB of index, and room for the lists that grow with them.
const (
	baseSize   = 8 << 20
	baseHost   = 32 * gib
	perGiB     = 48 << 10
	minProgram = 3 << 20 // what a rescue program with fmt and zstd needs beside its image
)

// LeastSize is the smallest reservation for a host with so many bytes of RAM.
func LeastSize(ram uint64) uint64 {
	if ram <= baseHost {
		return baseSize
	}
	return baseSize + (ram-baseHost+gib-1)/gib*perGiB
}

// indexSize is the size of the dumper's rank index over a bitmap of so many
// bytes: 8 bytes for 65536 bits and 2 for 512 (minidump.BitmapSnapshot).
func indexSize(bitmap uint64) uint64 {
	bits := bitmap * 8
	return (bits+65535)/65536*8 + (bits+511)/512*2
}

// limits is what a program gets that has so much memory.
func limits(program uint64) handoff.Limits {
	l := handoff.Limits{GCPercent: 20, ZstdWindow: 64 << 10}
	switch {
	case program >= 64<<20:
		l.GCPercent, l.ZstdWindow = 100, 1<<20
	case program >= 16<<20:
		l.GCPercent, l.ZstdWindow = 50, 256<<10
	case program < 4<<20:
		l.ZstdWindow = 32 << 10
	}
	// The runtime does not count the pages of .data and .bss, the page tables
	// and the kernel's stacks, which come from the same frames.
	l.Memory = program - program/8 - min(program/8, 256<<10)
	return l
}

// Cost is what one part of a reservation takes.
type Cost struct {
	Part   handoff.Part
	Offset uint64
	Size   uint64
	Used   uint64 // bytes of Size in use from the start
}

// Report says what a plan costs.
type Report struct {
	Size        uint64 // of the reservation
	Least       uint64 // what this host needs at least
	HostMemory  uint64 // RAM of the host with the reservation, bytes
	PageTables  int    // frames of page tables
	Parts       []Cost // in the order of the reservation
	MemoryLimit uint64 // of the rescue program
}

// String is the report as a table.
func (r Report) String() string {
	text := fmt.Sprintf("reservation of %s for a host of %s; it needs at least %s\n", size(r.Size), size(r.HostMemory), size(r.Least))
	for _, c := range r.Parts {
		text += fmt.Sprintf("%10s  %v\n", size(c.Size), c.Part)
	}
	return text + fmt.Sprintf("memory limit of the rescue program: %s\n", size(r.MemoryLimit))
}

// size prints bytes in the largest binary unit that loses nothing that
// matters: "8 MiB", "1060 KiB".
func size(n uint64) string {
	for _, unit := range []struct {
		name string
		size uint64
	}{{"GiB", gib}, {"MiB", 1 << 20}} {
		if n >= unit.size && n%unit.size == 0 {
			return fmt.Sprintf("%d %s", n/unit.size, unit.name)
		}
	}
	return fmt.Sprintf("%d KiB", n>>10)
}

// TooSmallError says that a reservation is smaller than the host needs. The
// report has the parts.
type TooSmallError struct {
	Report Report
}

func (e *TooSmallError) Error() string {
	return fmt.Sprintf("reservation of %s is too small: a host of %s needs at least %s: image %s, page tables %s, bitmap snapshot %s, index %s, other parts %s, program memory %s",
		size(e.Report.Size), size(e.Report.HostMemory), size(e.Report.Least),
		size(e.Report.part(handoff.PartImage)), size(e.Report.part(handoff.PartTables)),
		size(e.Report.part(handoff.PartBitmap)), size(e.Report.part(handoff.PartIndex)),
		size(e.Report.others()), size(minProgram))
}

func (r Report) part(p handoff.Part) uint64 {
	for _, c := range r.Parts {
		if c.Part == p {
			return c.Size
		}
	}
	return 0
}

// others is the sum of the parts that an error does not name one by one.
func (r Report) others() uint64 {
	var sum uint64
	for _, c := range r.Parts {
		switch c.Part {
		case handoff.PartImage, handoff.PartTables, handoff.PartBitmap, handoff.PartIndex, handoff.PartProgram:
		default:
			sum += c.Size
		}
	}
	return sum
}
