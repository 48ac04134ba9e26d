package imagebuild

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/seed64aab995/rescuekernel/reserve"
)

// Sizes and offsets of an ELF64 file (System V gABI chapters 4 and 5).
const (
	headerSize        = 64
	sectionSize       = 64
	offsetPrograms    = 32 // e_phoff, 8 bytes
	offsetSections    = 40 // e_shoff, 8 bytes
	offsetProgramSize = 54 // e_phentsize and e_phnum, 2 bytes each
	offsetSectionSize = 58 // e_shentsize, e_shnum and e_shstrndx, 2 bytes each

	maxSections = 1024
)

// Strip returns an ELF64 file without what is never loaded: symbol table, DWARF
// and other sections that no segment has. Every byte up to the end of the last
// segment stays as and where it is, but for the fields of the ELF header
// that say where the section headers are; the linker's own table, which may lie
// in the first segment, stays there unused. The headers of sections that are
// loaded are written behind the segments, for tools that want them.
//
// A linker that is told to strip would make another build with another build
// id; this is the same one.
func Strip(file io.ReaderAt) ([]byte, error) {
	f, err := elf.NewFile(file)
	if err != nil {
		return nil, fmt.Errorf("strip: %w", err)
	}
	if f.Class != elf.ELFCLASS64 || f.Data != elf.ELFDATA2LSB {
		return nil, fmt.Errorf("strip: %v %v, want a little-endian ELF64 file", f.Class, f.Data)
	}
	end, err := programsEnd(file)
	if err != nil {
		return nil, fmt.Errorf("strip: %w", err)
	}
	for _, p := range f.Progs {
		if p.Filesz > reserve.MaxImageSize || p.Off > reserve.MaxImageSize {
			return nil, fmt.Errorf("strip: segment of %#x bytes at offset %#x, at most %#x", p.Filesz, p.Off, reserve.MaxImageSize)
		}
		end = max(end, p.Off+p.Filesz)
	}
	// What a header claims is not allocated before the file has shown it.
	data, err := io.ReadAll(io.NewSectionReader(file, 0, int64(end)))
	if uint64(len(data)) != end {
		return nil, fmt.Errorf("strip: %d of %d bytes of segments: %w", len(data), end, unexpected(err))
	}
	if len(f.Sections) > maxSections {
		return nil, fmt.Errorf("strip: %d sections, at most %d", len(f.Sections), maxSections)
	}
	return appendSections(data, f), nil
}

// programsEnd is where the ELF header and the program headers end.
func programsEnd(file io.ReaderAt) (uint64, error) {
	var header [headerSize]byte
	if n, err := file.ReadAt(header[:], 0); n != len(header) {
		return 0, fmt.Errorf("ELF header: %w", unexpected(err))
	}
	order := binary.LittleEndian
	start := order.Uint64(header[offsetPrograms:])
	size := uint64(order.Uint16(header[offsetProgramSize:])) * uint64(order.Uint16(header[offsetProgramSize+2:]))
	if size == 0 {
		return headerSize, nil
	}
	if start > reserve.MaxImageSize {
		return 0, fmt.Errorf("program headers at offset %#x, at most %#x", start, reserve.MaxImageSize)
	}
	return max(headerSize, start+size), nil
}

// appendSections appends the names and headers of the sections that are loaded
// and makes the ELF header say so.
func appendSections(data []byte, f *elf.File) []byte {
	names := []byte{0}
	headers := make([]elf.Section64, 1) // the first is all zeros
	add := func(s *elf.SectionHeader) {
		headers = append(headers, elf.Section64{
			Name: uint32(len(names)), Type: uint32(s.Type), Flags: uint64(s.Flags), Addr: s.Addr, Off: s.Offset,
			Size: s.Size, Addralign: s.Addralign, Entsize: s.Entsize,
		})
		names = append(append(names, s.Name...), 0)
	}
	for _, s := range f.Sections {
		if s.Flags&(elf.SHF_ALLOC|elf.SHF_COMPRESSED) == elf.SHF_ALLOC && s.Type != elf.SHT_NULL {
			add(&s.SectionHeader)
		}
	}
	add(&elf.SectionHeader{Name: ".shstrtab", Type: elf.SHT_STRTAB, Offset: uint64(len(data)), Addralign: 1})
	headers[len(headers)-1].Size = uint64(len(names))
	data = append(data, names...)
	for len(data)%8 != 0 {
		data = append(data, 0)
	}
	order := binary.LittleEndian
	order.PutUint64(data[offsetSections:], uint64(len(data)))
	order.PutUint16(data[offsetSectionSize:], sectionSize)
	order.PutUint16(data[offsetSectionSize+2:], uint16(len(headers)))
	order.PutUint16(data[offsetSectionSize+4:], uint16(len(headers)-1))
	for i := range headers {
		data, _ = binary.Append(data, order, &headers[i]) // fixed size: cannot fail
	}
	return data
}

// clearSectionFields clears what Strip changes in loaded bytes.
func clearSectionFields(header []byte) {
	clear(header[offsetSections : offsetSections+8])
	clear(header[offsetSectionSize:headerSize])
}

func newReader(data []byte) io.ReaderAt { return bytes.NewReader(data) }

// unexpected is the error of a file that ends early.
func unexpected(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
