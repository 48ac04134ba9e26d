package minidump

import (
	"errors"
	"fmt"
	"io"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// ErrSource says that a Source asks for something that no minidump can be: a
// mistake of the program that made it, not of the host it describes.
var ErrSource = errors.New("unusable minidump source")

// SizedReaderAt is bytes of known length, read at random: extents of the
// host's memory (physmem.NewExtentReader), or an object of this process
// (bytes.NewReader, io.NewSectionReader). It must be safe to call at the same
// time from several goroutines.
type SizedReaderAt interface {
	io.ReaderAt
	Size() int64
}

// Source describes the host that a Dumper dumps. Everything in it that comes
// from the host is taken for hostile: no bitmap, dump_avail, page table or
// size in it can make a Dumper panic, hang, allocate without bound, or read
// memory outside of Readable. What is wrong with it becomes a mark or a hole
// of the dump, never an error; NewDumper says which is which.
type Source struct {
	Architecture Architecture // AMD64 or ARM64
	// Version of the minidump format; 0 is the one that most readers take:
	// 3 on amd64, on arm64 2 with 4 KiB pages and 3 with 16 KiB pages.
	// Versions without dump_avail (amd64 1 and 2, arm64 1) have bit n of the
	// bitmap stand for the page at n times the page size.
	Version  uint32
	PageSize int // 4096 (also if zero), on arm64 from version 3 on also 16384

	// Memory is the host's physical memory. If it is a physmem.Viewer, what it
	// lends is never copied and counts as readable without a try.
	Memory physmem.Reader
	// Readable is where Memory may be read; outside of it no address is
	// touched, whoever points there. Nil trusts Memory to know.
	Readable physmem.Ranges
	// Redact is never read. It is zero in the dump and listed as a hole. It
	// does not reach the objects that the fields below bring along.
	Redact physmem.Ranges

	// Bitmap is the host's page bitmap, one bit a page in the order of
	// DumpAvail, in little-endian words; nil stands for all bits set.
	Bitmap SizedReaderAt
	// DumpAvail is the host's dump_avail: pairs of 64-bit little-endian start
	// and exclusive end, up to a pair whose end is zero. Nil stands for the
	// ranges of Readable.
	DumpAvail SizedReaderAt

	AMD64 amd64.Paging // of an amd64 host: what its registers say
	ARM64 arm64.Paging // of an arm64 host: that of its upper half

	// KernelBase and KernelEnd bound the window of kernel addresses whose
	// tables the dump carries (FreeBSD: VM_MIN_KERNEL_ADDRESS and
	// kernel_vm_end).
	KernelBase, KernelEnd uint64
	// DirectMapBase and DirectMapEnd bound the host's direct map, of which
	// the first byte is DirectMapPhysical (zero on amd64, whose format has no
	// field for another).
	DirectMapBase, DirectMapEnd uint64
	DirectMapPhysical           physmem.Address

	MessageBuffer MessageBuffer

	// NotesArea are whole pages, within dump_avail, whose content in the dump
	// is Notes and what the Dumper has to add to them (marks and holes). Empty:
	// the dump has no notes.
	NotesArea physmem.Range
	Notes     Notes

	// Storage holds the snapshot of the bitmap; nil allocates it. A program
	// of limited memory gives 32 KiB per GiB of dump_avail (8 KiB with 16 KiB
	// pages): pages whose bits do not fit are left out, with a mark.
	Storage []uint64
}

// MessageBuffer is the host's log, as a ring.
type MessageBuffer struct {
	// Content is the ring, perhaps with what follows it in memory; nil: none.
	Content SizedReaderAt
	// RingSize is how much of Content is the ring; 0: all. FreeBSD's struct
	// msgbuf follows it, and readers look for it there.
	RingSize uint32
	// Positioned says that Position is known: how many bytes were ever
	// written, so that the next goes to Position modulo RingSize. If Content
	// ends with the ring, a struct msgbuf that says so is put behind it where
	// the section's last page has room.
	Positioned bool
	Position   uint64
	Address    uint64 // virtual address of the ring, if known; for that struct
}

const (
	// maximumBitmap caps the snapshot of the bitmap where no Storage is given:
	// a host of 32 TiB with 4 KiB pages.
	maximumBitmap = 1 << 30
	// maximumPageTables caps the page-table section: 256 TiB of addresses on
	// amd64, 512 GiB on arm64 with 4 KiB pages.
	maximumPageTables = 1 << 30
)

// check refuses what is not the host's fault, and fills in defaults.
func (s *Source) check() error {
	if s.Memory == nil {
		return fmt.Errorf("%w: no memory", ErrSource)
	}
	if s.PageSize == 0 {
		s.PageSize = 4096
	}
	switch {
	case !s.Architecture.CanDump(): // below
	case s.Architecture == AMD64:
		return s.checkVersion(3, 3, 4096)
	case s.Architecture == ARM64:
		if s.PageSize == 16384 {
			return s.checkVersion(3, 3, 16384)
		}
		return s.checkVersion(2, 3, 4096)
	}
	return fmt.Errorf("%w: architecture %v: this program cannot dump it", ErrSource, s.Architecture)
}

func (s *Source) checkVersion(standard, last uint32, pageSize int) error {
	if s.Version == 0 {
		s.Version = standard
	}
	if s.Version > last || s.PageSize == 16384 && s.Version < 3 {
		return fmt.Errorf("%w: %v version %d with pages of %d bytes", ErrSource, s.Architecture, s.Version, s.PageSize)
	}
	if s.PageSize != pageSize {
		return fmt.Errorf("%w: %v pages of %d bytes", ErrSource, s.Architecture, s.PageSize)
	}
	return nil
}

// hasDumpAvail reports whether this version's dumps carry dump_avail.
func (s *Source) hasDumpAvail() bool {
	if s.Architecture == AMD64 {
		return s.Version >= 3
	}
	return s.Version >= 2
}

// allowed is where memory may be read.
func (s *Source) allowed() physmem.Ranges {
	readable := physmem.Ranges{{Start: 0, End: physmem.MaxAddress}}
	if s.Readable != nil {
		readable = physmem.NewRanges(s.Readable...).Intersect(readable)
	}
	return readable.Minus(physmem.NewRanges(s.Redact...))
}
