package bootimage

import (
	"debug/elf"
	"fmt"
	"io"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machdep/amd64"
)

// maxImage bounds the file-backed pages of an image.
const maxImage = 256 << 20

// segment is one PT_LOAD of an image.
type segment struct {
	start, end uint64 // virtual, whole pages, file-backed
	flags      amd64.Entry
}

// image is a Go program linked for package kernel, read in.
type image struct {
	entry     uint64
	linkBase  uint64
	fileEnd   uint64
	memoryEnd uint64
	data      []byte // from linkBase to fileEnd
	segments  []segment
}

// readImage reads an ELF file. Errors wrap ErrImage.
func readImage(r io.ReaderAt) (*image, error) {
	f, err := elf.NewFile(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrImage, err)
	}
	if f.Class != elf.ELFCLASS64 || f.Machine != elf.EM_X86_64 || f.Type != elf.ET_EXEC {
		return nil, fmt.Errorf("%w: %v %v %v, want a 64-bit executable for x86-64", ErrImage, f.Class, f.Machine, f.Type)
	}
	i := &image{entry: f.Entry, linkBase: ^uint64(0)}
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD {
			if err := i.add(p); err != nil {
				return nil, err
			}
		}
	}
	if len(i.segments) == 0 {
		return nil, fmt.Errorf("%w: no segment to load", ErrImage)
	}
	i.fileEnd = roundUp(i.fileEnd)
	i.memoryEnd = max(roundUp(i.memoryEnd), i.fileEnd)
	i.data = make([]byte, i.fileEnd-i.linkBase)
	for _, p := range f.Progs {
		if p.Type != elf.PT_LOAD || p.Filesz == 0 {
			continue
		}
		if _, err := io.ReadFull(p.Open(), i.data[p.Vaddr-i.linkBase:][:p.Filesz]); err != nil {
			return nil, fmt.Errorf("%w: segment at %#x: %w", ErrImage, p.Vaddr, err)
		}
	}
	return i, i.check()
}

// add takes a segment in: sorted, in the window, file-backed pages capped.
func (i *image) add(p *elf.Prog) error {
	end := p.Vaddr + p.Memsz
	if p.Vaddr < handoff.ImageBase || end < p.Vaddr || end > handoff.KernelBase+handoff.MaxWindow || p.Filesz > p.Memsz {
		return fmt.Errorf("%w: segment [%#x, %#x) is not in the kernel window from %#x on (link with -T %#x)", ErrImage, p.Vaddr, end, handoff.ImageBase, handoff.LinkText)
	}
	if p.Flags&elf.PF_W != 0 && p.Flags&elf.PF_X != 0 {
		return fmt.Errorf("%w: segment at %#x is writable and executable", ErrImage, p.Vaddr)
	}
	s := segment{start: p.Vaddr &^ (amd64.PageSize - 1), end: roundUp(p.Vaddr + p.Filesz), flags: amd64.EntryUser}
	if p.Flags&elf.PF_W != 0 {
		s.flags |= amd64.EntryWritable
	}
	if p.Flags&elf.PF_X == 0 {
		s.flags |= amd64.EntryNoExecute
	}
	for _, o := range i.segments {
		if s.start < o.end && o.start < s.end {
			return fmt.Errorf("%w: segments at %#x and %#x share a page", ErrImage, o.start, s.start)
		}
	}
	i.segments = append(i.segments, s)
	i.linkBase = min(i.linkBase, s.start)
	i.fileEnd = max(i.fileEnd, s.end)
	i.memoryEnd = max(i.memoryEnd, end)
	if i.fileEnd-i.linkBase > maxImage {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrImage, i.fileEnd-i.linkBase, maxImage)
	}
	return nil
}

// check says whether the entry point is code.
func (i *image) check() error {
	for _, s := range i.segments {
		if i.entry >= s.start && i.entry < s.end && s.flags&amd64.EntryNoExecute == 0 {
			return nil
		}
	}
	return fmt.Errorf("%w: the entry point %#x is not in an executable segment", ErrImage, i.entry)
}

func roundUp(v uint64) uint64 { return (v + amd64.PageSize - 1) &^ (amd64.PageSize - 1) }
