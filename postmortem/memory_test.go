package postmortem_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/symbols"
	"github.com/seed64aab995/rescuekernel/symbols/symbolstest"
)

var errNoPage = errors.New("no page")

const testPage = 4096

// memory is virtual memory of which only the pages written to are there.
type memory map[uint64]*[testPage]byte

func (m memory) ReadVirtual(p []byte, address uint64) (int, error) {
	for n := 0; n < len(p); {
		at := address + uint64(n)
		page := m[at/testPage]
		if page == nil {
			return n, errNoPage
		}
		n += copy(p[n:], page[at%testPage:])
	}
	return len(p), nil
}

func (m memory) write(address uint64, data []byte) {
	for i, b := range data {
		at := address + uint64(i)
		if m[at/testPage] == nil {
			m[at/testPage] = new([testPage]byte)
		}
		m[at/testPage][at%testPage] = b
	}
}

func (m memory) word(address, value uint64) {
	m.write(address, binary.LittleEndian.AppendUint64(nil, value))
}

func (m memory) half(address uint64, value int32) {
	m.write(address, binary.LittleEndian.AppendUint32(nil, uint32(value)))
}

// Where test kernels have their code and data.
const (
	textBase = uint64(0xffffffff80200000)
	dataBase = uint64(0xffffffff81000000)
	heapBase = uint64(0xfffff80000100000)
)

// function is one function of a test kernel.
type function struct {
	name   string
	offset uint64 // in the text
	size   uint64
}

// variable is one variable of a test kernel.
type variable struct {
	name   string
	offset uint64 // in the data
	size   uint64
}

// table links a test kernel.
func table(t *testing.T, machine elf.Machine, functions []function, variables []variable) *symbols.Table {
	t.Helper()
	file := symbolstest.File{
		Machine: machine,
		Sections: []symbolstest.Section{
			{Name: ".text", Address: textBase, Data: make([]byte, 0x10000)},
			{Name: ".bss", Address: dataBase, Size: 0x100000},
		},
		Symbols: []symbolstest.Symbol{},
	}
	for _, f := range functions {
		file.Symbols = append(file.Symbols, symbolstest.Symbol{
			Name: f.name, Section: ".text", Address: textBase + f.offset, Size: f.size, Type: elf.STT_FUNC})
	}
	for _, v := range variables {
		file.Symbols = append(file.Symbols, symbolstest.Symbol{
			Name: v.name, Section: ".bss", Address: dataBase + v.offset, Size: v.size, Type: elf.STT_OBJECT})
	}
	table, err := symbols.Open(bytes.NewReader(file.Build()))
	if !errors.Is(err, symbols.ErrNoSymbols) {
		require.NoError(t, err)
	}
	return table
}
