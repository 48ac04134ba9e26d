package symbols

import (
	"cmp"
	"debug/elf"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
)

// MaxNameLength is the longest name that is given out. Longer ones, which
// only a broken file has, are as good as absent.
const MaxNameLength = 1 << 16

// symbolSize is sizeof(Elf64_Sym): name u32, info u8, other u8, section u16,
// value u64, size u64 (System V gABI, chapter 4).
const symbolSize = 24

// maxLabels is how many symbols are looked at before an address, to find one
// that reaches it. Symbols nest a few deep at most.
const maxLabels = 64

// symbolEntry is one symbol; its name is at an offset of the string table, so
// that a table of any size is two allocations.
type symbolEntry struct {
	address uint64
	size    uint64
	end     uint64 // of the section; 0 for absolute symbols
	name    uint32
	info    uint8
}

func (e *symbolEntry) function() bool {
	kind := elf.ST_TYPE(e.info)
	return kind == elf.STT_FUNC || kind == elf.STT_GNU_IFUNC
}

func (e *symbolEntry) global() bool { return elf.ST_BIND(e.info) != elf.STB_LOCAL }

// symbolTable is an ELF symbol table, sorted by address and, at one address,
// by how good a name each symbol is, the best last.
type symbolTable struct {
	names   string
	entries []symbolEntry
}

func (t *symbolTable) read(file *elf.File) error {
	section := file.SectionByType(elf.SHT_SYMTAB)
	if section == nil {
		section = file.SectionByType(elf.SHT_DYNSYM)
	}
	if section == nil {
		return errors.New("no symbol table")
	}
	if int64(section.Link) >= int64(len(file.Sections)) {
		return fmt.Errorf("section %s: its string table %d does not exist", section.Name, section.Link)
	}
	data, err := readSection(section, maxSymbolBytes)
	if err != nil {
		return err
	}
	names, err := readSection(file.Sections[section.Link], maxStringBytes)
	if err != nil {
		return err
	}
	t.names = string(names)
	t.entries = make([]symbolEntry, 0, len(data)/symbolSize)
	for ; len(data) >= symbolSize; data = data[symbolSize:] {
		t.add(file, data[:symbolSize])
	}
	slices.SortFunc(t.entries, t.compare)
	return nil
}

// add appends the symbol in record, if it names an address.
func (t *symbolTable) add(file *elf.File, record []byte) {
	e := symbolEntry{
		name:    file.ByteOrder.Uint32(record),
		info:    record[4],
		address: file.ByteOrder.Uint64(record[8:]),
		size:    file.ByteOrder.Uint64(record[16:]),
	}
	index := elf.SectionIndex(file.ByteOrder.Uint16(record[6:]))
	switch elf.ST_TYPE(e.info) {
	case elf.STT_SECTION, elf.STT_FILE, elf.STT_TLS:
		return
	}
	if uint64(e.name) >= uint64(len(t.names)) || t.names[e.name] == 0 || index == elf.SHN_UNDEF {
		return
	}
	if t.names[e.name] == '$' { // arm64 mapping symbols: $x, $d (AAELF64 5.5.3)
		return
	}
	if index < elf.SHN_LORESERVE && int(index) < len(file.Sections) {
		s := file.Sections[index]
		if s.Addr <= math.MaxUint64-s.Size {
			e.end = s.Addr + s.Size
		}
	}
	t.entries = append(t.entries, e)
}

func (t *symbolTable) compare(a, b symbolEntry) int {
	return cmp.Or(
		cmp.Compare(a.address, b.address),
		compareBool(a.end != 0, b.end != 0),
		compareBool(a.function(), b.function()),
		compareBool(a.size != 0, b.size != 0),
		compareBool(a.global(), b.global()),
		-cmp.Compare(a.name, b.name),
	)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

func (t *symbolTable) symbol(e *symbolEntry) Symbol {
	return Symbol{Name: cString(t.names[e.name:]), Address: e.address, Size: e.size, Function: e.function()}
}

// cString is the string that a zero byte ends, or the end of s, or
// MaxNameLength.
func cString(s string) string {
	s = s[:min(len(s), MaxNameLength)]
	if i := strings.IndexByte(s, 0); i >= 0 {
		return s[:i]
	}
	return s
}

// lookup compares name with every symbol's: no index to build, and nothing
// that names made to overlap or collide could make slow.
func (t *symbolTable) lookup(name string) (Symbol, bool) {
	var found *symbolEntry
	for i := range t.entries {
		e := &t.entries[i]
		rest, ok := strings.CutPrefix(t.names[e.name:], name)
		if !ok || rest != "" && rest[0] != 0 {
			continue
		}
		if found == nil || e.global() && !found.global() {
			found = e
		}
	}
	if found == nil || len(name) > MaxNameLength {
		return Symbol{}, false
	}
	return t.symbol(found), true
}

// find looks back from address for the nearest symbol that reaches it: one
// with a size if that says so, one without if no other address has a symbol in
// between. Absolute symbols name no memory (FreeBSD's kernbase is one).
func (t *symbolTable) find(address uint64) (Symbol, bool) {
	next := sort.Search(len(t.entries), func(i int) bool { return t.entries[i].address > address })
	var nearest *symbolEntry
	for i := next - 1; i >= 0 && i >= next-maxLabels; i-- {
		e := &t.entries[i]
		if e.end == 0 {
			continue
		}
		if nearest == nil {
			nearest = e
		}
		if address-e.address < e.size || e.size == 0 && e.address == nearest.address && address < e.end {
			return t.symbol(e), true
		}
	}
	return Symbol{}, false
}

// each calls yield with the names that begin with prefix, until it says no.
func (t *symbolTable) each(prefix string, yield func(name string) bool) (more bool) {
	for i := range t.entries {
		if rest := t.names[t.entries[i].name:]; strings.HasPrefix(rest, prefix) && !yield(cString(rest)) {
			return false
		}
	}
	return true
}
