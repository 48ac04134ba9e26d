package symbols

import (
	"debug/elf"
	"fmt"
	"io"
	"math"
)

// Bounds on what is read from a file. The largest kernels and Go programs in
// use have some ten MiB of each.
const (
	maxSymbolBytes   = 256 << 20
	maxStringBytes   = 512 << 20
	maxFunctionBytes = 512 << 20
	maxNoteBytes     = 1 << 20
)

// readSection reads the bytes of a section of at most limit bytes. It
// allocates as much as there is to read, not as much as the header claims.
func readSection(s *elf.Section, limit uint64) ([]byte, error) {
	switch {
	case s.Type == elf.SHT_NOBITS:
		return nil, fmt.Errorf("section %s: no bytes in the file", s.Name)
	case s.Flags&elf.SHF_COMPRESSED != 0:
		return nil, fmt.Errorf("section %s: compressed", s.Name)
	case s.Size > limit:
		return nil, fmt.Errorf("section %s: %d bytes, more than %d", s.Name, s.Size, limit)
	}
	return readAll(s.ReaderAt, s.Size, "section "+s.Name)
}

// readAll reads size bytes of r, or gives an error that names what.
func readAll(r io.ReaderAt, size uint64, what string) ([]byte, error) {
	data, err := io.ReadAll(io.NewSectionReader(r, 0, int64(size)))
	if err == nil && uint64(len(data)) < size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %d of %d bytes: %w", what, len(data), size, err)
	}
	return data, nil
}

// extent is a run of addresses whose first bytes are in the file.
type extent struct {
	address uint64
	size    uint64
	data    io.ReaderAt
}

// imageExtents lists what the file has in memory: its segments, or its
// sections where it has no segments.
func imageExtents(file *elf.File) []extent {
	var extents []extent
	add := func(address, size uint64, data io.ReaderAt) {
		if size > 0 && size <= math.MaxInt64 && address <= math.MaxUint64-size {
			extents = append(extents, extent{address, size, data})
		}
	}
	for _, p := range file.Progs {
		if p.Type == elf.PT_LOAD {
			add(p.Vaddr, p.Filesz, p.ReaderAt)
		}
	}
	if len(extents) > 0 {
		return extents
	}
	for _, s := range file.Sections {
		const loaded = elf.SHF_ALLOC | elf.SHF_COMPRESSED
		if s.Flags&loaded == elf.SHF_ALLOC && s.Type != elf.SHT_NOBITS {
			add(s.Addr, s.Size, s.ReaderAt)
		}
	}
	return extents
}

// ReadVirtual reads what the file has at an address, as it was before the
// program ran. It reads no further than the segment that address lies in, and
// then returns io.ErrUnexpectedEOF; what is zero without being in the file
// (.bss) is not there.
func (t *Table) ReadVirtual(p []byte, address uint64) (int, error) {
	if t != nil {
		for _, e := range t.image {
			if address < e.address || address-e.address >= e.size {
				continue
			}
			offset := address - e.address
			n, err := io.ReadFull(io.NewSectionReader(e.data, int64(offset), int64(e.size-offset)), p)
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return n, err
		}
	}
	return 0, fmt.Errorf("address %#x: not in the file's image: %w", address, io.ErrUnexpectedEOF)
}
