// Package symbolstest makes small ELF files, for tests of what reads kernels.
//
// The files are as yaml2obj or a linker would write them: sections, a symbol
// table and its strings, build-id notes; no program headers. They are correct
// as far as they go, so that a test may break them on purpose.
package symbolstest

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
)

// File describes an ELF file of 64 bits, little-endian.
type File struct {
	Machine   elf.Machine
	Sections  []Section
	Symbols   []Symbol
	GoBuildID string
	BuildID   []byte // GNU
}

// Section is a section of code or data. With nil Data it takes Size bytes of
// memory and none of the file.
type Section struct {
	Name    string
	Address uint64
	Data    []byte
	Size    uint64
}

// Symbol is a symbol in the section of that name, or an absolute one.
type Symbol struct {
	Name    string
	Section string
	Address uint64
	Size    uint64
	Type    elf.SymType
	Local   bool
}

// header is what a section's header needs beside its place in the file.
type header struct {
	name    string
	kind    elf.SectionType
	flags   elf.SectionFlag
	address uint64
	data    []byte
	size    uint64 // of SHT_NOBITS
	link    uint32
	entry   uint64
}

// Build returns the file's bytes.
func (f File) Build() []byte {
	headers := []header{{}}
	index := map[string]uint16{"": uint16(elf.SHN_ABS)}
	for _, s := range f.Sections {
		h := header{name: s.Name, kind: elf.SHT_PROGBITS, flags: elf.SHF_ALLOC, address: s.Address, data: s.Data}
		if s.Data == nil {
			h.kind, h.size = elf.SHT_NOBITS, s.Size
		}
		index[s.Name] = uint16(len(headers))
		headers = append(headers, h)
	}
	if f.GoBuildID != "" {
		headers = append(headers, header{name: ".note.go.buildid", kind: elf.SHT_NOTE, data: Note("Go", 4, []byte(f.GoBuildID))})
	}
	if f.BuildID != nil {
		headers = append(headers, header{name: ".note.gnu.build-id", kind: elf.SHT_NOTE, data: Note("GNU", 3, f.BuildID)})
	}
	if f.Symbols != nil {
		table, names := f.symbolTable(index)
		link := uint32(len(headers) + 1)
		headers = append(headers,
			header{name: ".symtab", kind: elf.SHT_SYMTAB, data: table, link: link, entry: 24},
			header{name: ".strtab", kind: elf.SHT_STRTAB, data: names})
	}
	return f.assemble(headers)
}

func (f File) symbolTable(index map[string]uint16) (table, names []byte) {
	table, names = make([]byte, 24), []byte{0}
	for _, s := range f.Symbols {
		bind := elf.STB_GLOBAL
		if s.Local {
			bind = elf.STB_LOCAL
		}
		table = binary.LittleEndian.AppendUint32(table, uint32(len(names)))
		table = append(table, elf.ST_INFO(bind, s.Type), 0)
		table = binary.LittleEndian.AppendUint16(table, index[s.Section])
		table = binary.LittleEndian.AppendUint64(table, s.Address)
		table = binary.LittleEndian.AppendUint64(table, s.Size)
		names = append(append(names, s.Name...), 0)
	}
	return table, names
}

// Note encodes one ELF note.
func Note(owner string, kind uint32, description []byte) []byte {
	pad := func(b []byte) []byte {
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
		return b
	}
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(owner)+1))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(description)))
	b = binary.LittleEndian.AppendUint32(b, kind)
	b = pad(append(append(b, owner...), 0))
	return pad(append(b, description...))
}

// assemble lays out the ELF header, the sections' bytes, then their headers.
func (f File) assemble(headers []header) []byte {
	const fileHeaderSize, sectionHeaderSize = 64, 64
	names := []byte{0}
	nameOffset := make([]uint32, len(headers)+1)
	headers = append(headers, header{name: ".shstrtab", kind: elf.SHT_STRTAB})
	for i, h := range headers[1:] {
		nameOffset[i+1] = uint32(len(names))
		names = append(append(names, h.name...), 0)
	}
	headers[len(headers)-1].data = names

	body := make([]byte, fileHeaderSize)
	var table bytes.Buffer
	for i, h := range headers {
		section := elf.Section64{
			Name: nameOffset[i], Type: uint32(h.kind), Flags: uint64(h.flags), Addr: h.address,
			Off: uint64(len(body)), Size: uint64(len(h.data)), Link: h.link, Entsize: h.entry, Addralign: 1,
		}
		if h.kind == elf.SHT_NOBITS {
			section.Size = h.size
		}
		if i == 0 {
			section = elf.Section64{}
		}
		_ = binary.Write(&table, binary.LittleEndian, section) // a Buffer takes it all
		body = append(body, h.data...)
	}
	for len(body)%8 != 0 {
		body = append(body, 0)
	}
	start := elf.Header64{
		Type: uint16(elf.ET_EXEC), Machine: uint16(f.Machine), Version: 1, Shoff: uint64(len(body)),
		Ehsize: fileHeaderSize, Shentsize: sectionHeaderSize, Shnum: uint16(len(headers)), Shstrndx: uint16(len(headers) - 1),
	}
	copy(start.Ident[:], "\x7fELF\x02\x01\x01")
	var first bytes.Buffer
	_ = binary.Write(&first, binary.LittleEndian, start)
	copy(body, first.Bytes())
	return append(body, table.Bytes()...)
}
