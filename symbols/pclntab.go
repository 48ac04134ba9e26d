package symbols

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"sort"
)

// Magic numbers of the Go function table: Go 1.18 to 1.19, and since 1.20
// (internal/abi.PCLnTabMagic). The two differ in names only.
const (
	magicGo118 = 0xfffffff0
	magicGo120 = 0xfffffff1
)

// functionTable is the Go runtime's table of functions, files and lines
// (runtime.pcHeader and what follows it, golang.org/s/go12symtab). It is read
// in place: nothing of it is unpacked before it is asked for.
type functionTable struct {
	order     binary.ByteOrder
	quantum   uint64 // pc deltas count in these
	count     int    // functions
	text      uint64 // what function entries count from
	names     []byte // zero-ended function names
	units     []byte // per compilation unit: u32 offsets into files
	files     []byte // zero-ended file names
	values    []byte // pc-value programs
	functions []byte // {entry u32, offset u32} per function, one u32, then the _func records
}

// openFunctionTable finds and checks the table of an ELF file.
func openFunctionTable(file *elf.File, symbols *symbolTable) (*functionTable, error) {
	var section *elf.Section
	for _, name := range []string{".gopclntab", ".data.rel.ro.gopclntab"} {
		if section = file.Section(name); section != nil {
			break
		}
	}
	if section == nil {
		return nil, errors.New("no Go function table")
	}
	data, err := readSection(section, maxFunctionBytes)
	if err != nil {
		return nil, err
	}
	t, err := parseFunctionTable(data, file.ByteOrder)
	if err != nil {
		return nil, fmt.Errorf("section %s: %w", section.Name, err)
	}
	if s, ok := symbols.lookup("runtime.text"); ok {
		t.text = s.Address
	} else if text, ok := moduleText(file, section.Addr); ok {
		t.text = text
	} else if text := file.Section(".text"); t.text == 0 && text != nil {
		t.text = text.Addr
	}
	return t, nil
}

// moduleText reads the start of the program's text from runtime.moduledata,
// which has a section of its own since Go 1.26. The text is not where .text
// begins in a program that another linker has put together.
func moduleText(file *elf.File, table uint64) (uint64, bool) {
	const (
		textOffset = 8 + 6*24 + 3*8 // pcHeader; 6 slices; findfunctab, minpc, maxpc
		size       = textOffset + 8
	)
	section := file.Section(".go.module")
	if section == nil || section.Type == elf.SHT_NOBITS || section.Size < size {
		return 0, false
	}
	data, err := readAll(section.ReaderAt, size, section.Name)
	if err != nil || file.ByteOrder.Uint64(data) != table {
		return 0, false
	}
	return file.ByteOrder.Uint64(data[textOffset:]), true
}

// parseFunctionTable checks the header: magic u32, two zero bytes, quantum
// u8, pointer size u8, then words: functions, files, text (zero since Go
// 1.26), and the offsets of names, units, files, values and functions.
func parseFunctionTable(data []byte, order binary.ByteOrder) (*functionTable, error) {
	const headerSize = 8 + 8*8
	if len(data) < headerSize {
		return nil, fmt.Errorf("%d bytes are too few", len(data))
	}
	if magic := order.Uint32(data); magic != magicGo118 && magic != magicGo120 {
		return nil, fmt.Errorf("magic %#x is not that of Go 1.18 or later", magic)
	}
	if data[7] != 8 {
		return nil, fmt.Errorf("pointers of %d bytes", data[7])
	}
	word := func(i int) uint64 { return order.Uint64(data[8+8*i:]) }
	t := &functionTable{order: order, quantum: uint64(data[6]), text: word(2)}
	for i, part := range []*[]byte{&t.names, &t.units, &t.files, &t.values, &t.functions} {
		offset := word(3 + i)
		if offset > uint64(len(data)) {
			return nil, fmt.Errorf("part %d at %#x of %#x bytes", i, offset, len(data))
		}
		*part = data[offset:]
	}
	if count := word(0); len(t.functions) < 4 || count > uint64(len(t.functions)-4)/8 {
		return nil, fmt.Errorf("%d functions in %d bytes", count, len(t.functions))
	} else {
		t.count = int(count)
	}
	return t, nil
}

// entry is the address of function i, or for i = count the end of the last.
func (t *functionTable) entry(i int) uint64 {
	return t.text + uint64(t.order.Uint32(t.functions[8*i:]))
}

// Fields of a _func record, in words of 4 bytes (runtime._func).
const (
	functionName     = 1
	functionFilePC   = 5
	functionLinePC   = 6
	functionUnit     = 8
	functionRecordSz = 9 * 4
)

// record is the _func record of function i.
func (t *functionTable) record(i int) (r []byte, ok bool) {
	offset := uint64(t.order.Uint32(t.functions[8*i+4:]))
	if offset+functionRecordSz > uint64(len(t.functions)) {
		return nil, false
	}
	return t.functions[offset:][:functionRecordSz], true
}

func (t *functionTable) field(record []byte, n int) uint64 {
	return uint64(t.order.Uint32(record[4*n:]))
}

// index is the function that pc lies in.
func (t *functionTable) index(pc uint64) (int, bool) {
	if t == nil || t.count == 0 || pc < t.entry(0) || pc >= t.entry(t.count) {
		return 0, false
	}
	return sort.Search(t.count, func(i int) bool { return t.entry(i) > pc }) - 1, true
}

func (t *functionTable) symbol(i int) (Symbol, bool) {
	record, ok := t.record(i)
	if !ok {
		return Symbol{}, false
	}
	name, ok := stringAt(t.names, t.field(record, functionName))
	address, end := t.entry(i), t.entry(i+1)
	if !ok || end <= address {
		return Symbol{}, false
	}
	return Symbol{Name: name, Address: address, Size: end - address, Function: true}, true
}

func (t *functionTable) find(pc uint64) (Symbol, bool) {
	i, ok := t.index(pc)
	if !ok || i < 0 {
		return Symbol{}, false
	}
	s, ok := t.symbol(i)
	return s, ok && pc-s.Address < s.Size
}

// name is the name of function i with what follows it in the table.
func (t *functionTable) name(i int) []byte {
	record, ok := t.record(i)
	if !ok {
		return nil
	}
	return t.names[min(t.field(record, functionName), uint64(len(t.names))):]
}

func (t *functionTable) lookup(name string) (Symbol, bool) {
	if t == nil || len(name) > MaxNameLength {
		return Symbol{}, false
	}
	for i := range t.count {
		rest, ok := bytes.CutPrefix(t.name(i), []byte(name))
		if ok && len(rest) > 0 && rest[0] == 0 {
			return t.symbol(i)
		}
	}
	return Symbol{}, false
}

// each calls yield with the names that begin with prefix, until it says no.
func (t *functionTable) each(prefix string, yield func(name string) bool) {
	if t == nil {
		return
	}
	for i := range t.count {
		if !bytes.HasPrefix(t.name(i), []byte(prefix)) {
			continue
		}
		if s, ok := t.symbol(i); ok && !yield(s.Name) {
			return
		}
	}
}

// line runs the two pc-value programs of pc's function: one gives a file's
// number in the compilation unit, the other the line.
func (t *functionTable) line(pc uint64) (string, int, bool) {
	i, ok := t.index(pc)
	if !ok || i < 0 {
		return "", 0, false
	}
	record, ok := t.record(i)
	if !ok {
		return "", 0, false
	}
	number, ok := t.value(t.field(record, functionFilePC), t.entry(i), pc)
	if !ok || number < 0 {
		return "", 0, false
	}
	at := 4 * (t.field(record, functionUnit) + uint64(number))
	if at+4 > uint64(len(t.units)) {
		return "", 0, false
	}
	file, ok := stringAt(t.files, uint64(t.order.Uint32(t.units[at:])))
	if !ok {
		return "", 0, false
	}
	line, ok := t.value(t.field(record, functionLinePC), t.entry(i), pc)
	return file, int(line), ok && line > 0
}

// value runs the pc-value program at offset until it covers pc: pairs of
// varints, the zigzag change of a value that starts at -1 and the change of
// pc in quanta; a change of zero ends it, except in the first pair.
func (t *functionTable) value(offset, entry, pc uint64) (int32, bool) {
	if offset == 0 || offset >= uint64(len(t.values)) {
		return 0, false
	}
	program, at, value := t.values[offset:], entry, int32(-1)
	for first := true; ; first = false {
		change, n := binary.Uvarint(program)
		if n <= 0 || change == 0 && !first {
			return 0, false
		}
		program = program[n:]
		length, n := binary.Uvarint(program)
		if n <= 0 {
			return 0, false
		}
		program = program[n:]
		value += int32(uint32(change)>>1) ^ -int32(uint32(change)&1)
		if at += (length & 0xffffffff) * t.quantum; pc < at {
			return value, true
		}
	}
}

// stringAt is the zero-ended string at an offset.
func stringAt(data []byte, offset uint64) (string, bool) {
	if offset >= uint64(len(data)) {
		return "", false
	}
	data = data[offset:]
	data = data[:min(len(data), MaxNameLength)]
	i := bytes.IndexByte(data, 0)
	if i < 0 {
		return "", false
	}
	return string(data[:i]), true
}
