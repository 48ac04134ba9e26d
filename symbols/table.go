package symbols

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
)

// Errors that a caller may want to tell apart.
var (
	// ErrNotELF says that a file is not an ELF file, or not one of 64 bits.
	ErrNotELF = errors.New("not a 64-bit ELF file")

	// ErrNoSymbols says that a file has neither a symbol table nor a Go
	// function table that can be read, or that there is no file at all.
	ErrNoSymbols = errors.New("no symbols")

	// ErrUnknownSymbol says that there is no symbol of a name.
	ErrUnknownSymbol = errors.New("unknown symbol")

	// ErrSyntax says that an expression is neither an address nor a symbol.
	ErrSyntax = errors.New("neither 0x… nor symbol[+offset]")
)

// Symbol is a name for the addresses [Address, Address+Size). Size is zero
// where the file does not say it.
type Symbol struct {
	Name     string
	Address  uint64
	Size     uint64
	Function bool // code rather than data
}

// Table is the symbols of one ELF file. The zero Table and a nil *Table have
// none.
type Table struct {
	machine   elf.Machine
	order     binary.ByteOrder
	symbols   symbolTable
	functions *functionTable
	image     []extent
	goBuildID string
	buildID   []byte
}

// Open reads the symbols of the ELF file r, which it keeps for [Table.ReadVirtual].
// A file without any symbol gives a Table that has its build ids and image,
// together with ErrNoSymbols; other errors give no Table.
func Open(r io.ReaderAt) (*Table, error) {
	file, err := elf.NewFile(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotELF, err)
	}
	if file.Class != elf.ELFCLASS64 {
		return nil, fmt.Errorf("%w: %v", ErrNotELF, file.Class)
	}
	t := &Table{machine: file.Machine, order: file.ByteOrder, image: imageExtents(file)}
	t.readBuildIDs(file)
	symbolsErr := t.symbols.read(file)
	functions, functionsErr := openFunctionTable(file, &t.symbols)
	t.functions = functions
	if len(t.symbols.entries) == 0 && functions == nil {
		return t, fmt.Errorf("%w: %w", ErrNoSymbols, errors.Join(symbolsErr, functionsErr))
	}
	return t, nil
}

// Architecture is the GOARCH name of the file's machine, or ELF's own name
// (EM_…) of one that this repository does not know.
func (t *Table) Architecture() string {
	if t == nil {
		return ""
	}
	switch t.machine {
	case elf.EM_X86_64:
		return "amd64"
	case elf.EM_AARCH64:
		return "arm64"
	}
	return t.machine.String()
}

// ByteOrder is the byte order of the file and of the machine that runs it.
func (t *Table) ByteOrder() binary.ByteOrder {
	if t == nil || t.order == nil {
		return binary.LittleEndian
	}
	return t.order
}

// Len is how many symbols and Go functions there are.
func (t *Table) Len() int {
	if t == nil {
		return 0
	}
	n := len(t.symbols.entries)
	if t.functions != nil {
		n += t.functions.count
	}
	return n
}

// Lookup finds the symbol called name. Of several it takes a global one before
// a local one, then the lowest address.
func (t *Table) Lookup(name string) (Symbol, bool) {
	if t == nil || name == "" {
		return Symbol{}, false
	}
	if s, ok := t.symbols.lookup(name); ok {
		return s, true
	}
	return t.functions.lookup(name)
}

// SymbolAddress is the address of the symbol called name. It is the one method
// that packages ask for which need a kernel's symbols without this package.
func (t *Table) SymbolAddress(name string) (address uint64, ok bool) {
	s, ok := t.Lookup(name)
	return s.Address, ok
}

// Names lists up to limit names of symbols that begin with prefix, in order
// and without repetition: what a user may complete it to.
func (t *Table) Names(prefix string, limit int) []string {
	if t == nil {
		return nil
	}
	seen := map[string]bool{}
	add := func(name string) bool {
		seen[name] = true
		return len(seen) < limit
	}
	if limit > 0 && t.symbols.each(prefix, add) {
		t.functions.each(prefix, add)
	}
	return slices.Sorted(maps.Keys(seen))
}

// Find finds the symbol that address lies in, and how far into it. A symbol
// whose size is not known ends at the next one, or with its section. Functions
// of Go have the names of the function table, which are the same whether or not
// the file is stripped.
func (t *Table) Find(address uint64) (s Symbol, offset uint64, ok bool) {
	if t == nil {
		return Symbol{}, 0, false
	}
	if s, ok = t.functions.find(address); !ok {
		if s, ok = t.symbols.find(address); !ok {
			return Symbol{}, 0, false
		}
	}
	return s, address - s.Address, true
}

// Line is the source file and line of the instruction at pc, as the Go
// function table has it.
func (t *Table) Line(pc uint64) (file string, line int, ok bool) {
	if t == nil {
		return "", 0, false
	}
	return t.functions.line(pc)
}

// Format prints address as symbol+0xoffset, or as 0x… where no symbol has it.
func (t *Table) Format(address uint64) string {
	s, offset, ok := t.Find(address)
	switch {
	case !ok:
		return fmt.Sprintf("%#x", address)
	case offset == 0:
		return s.Name
	}
	return fmt.Sprintf("%s+%#x", s.Name, offset)
}

// GoBuildID is the build id that the Go linker wrote, or "".
func (t *Table) GoBuildID() string {
	if t == nil {
		return ""
	}
	return t.goBuildID
}

// BuildID is the build id that the linker wrote as a GNU note
// (--build-id), or nil.
func (t *Table) BuildID() []byte {
	if t == nil {
		return nil
	}
	return t.buildID
}
