package symbols_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"io"
	"math"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/symbols"
	"github.com/seed64aab995/rescuekernel/symbols/symbolstest"
)

// kernel is a kernel with every kind of symbol that matters.
func kernel() symbolstest.File {
	return symbolstest.File{
		Machine: elf.EM_X86_64,
		Sections: []symbolstest.Section{
			{Name: ".text", Address: 0x1000, Data: bytes.Repeat([]byte{0x90}, 0x100)},
			{Name: ".data", Address: 0x2000, Data: []byte{1, 2, 3, 4, 5, 6, 7, 8}},
			{Name: ".bss", Address: 0x3000, Size: 0x1000},
		},
		Symbols: []symbolstest.Symbol{
			{Name: "kernbase", Address: 0x800},
			{Name: "start", Section: ".text", Address: 0x1000, Size: 0x20, Type: elf.STT_FUNC},
			{Name: "start_alias", Section: ".text", Address: 0x1000},
			{Name: "outer", Section: ".text", Address: 0x1020, Size: 0x40, Type: elf.STT_FUNC},
			{Name: "$x", Section: ".text", Address: 0x1024},
			{Name: "inner", Section: ".text", Address: 0x1030, Size: 0x10, Type: elf.STT_FUNC, Local: true},
			{Name: "label", Section: ".text", Address: 0x1080},
			{Name: "twice", Section: ".data", Address: 0x2000, Size: 4, Type: elf.STT_OBJECT, Local: true},
			{Name: "twice", Section: ".data", Address: 0x2004, Size: 4, Type: elf.STT_OBJECT},
			{Name: "a+b", Section: ".bss", Address: 0x3000, Size: 8, Type: elf.STT_OBJECT},
			{Name: "big", Section: ".bss", Address: 0x3100, Size: math.MaxUint64, Type: elf.STT_OBJECT},
			{Name: "file.c", Address: 0x1000, Type: elf.STT_FILE},
		},
		GoBuildID: "go/build/id",
		BuildID:   []byte{0xde, 0xad, 0xbe, 0xef, 1},
	}
}

func open(t *testing.T, file symbolstest.File) *symbols.Table {
	t.Helper()
	table, err := symbols.Open(bytes.NewReader(file.Build()))
	require.NoError(t, err)
	return table
}

func TestLookupAndFormat(t *testing.T) {
	t.Parallel()
	table := open(t, kernel())
	for name, want := range map[string]uint64{
		"kernbase": 0x800, "start": 0x1000, "start_alias": 0x1000, "inner": 0x1030,
		"twice": 0x2004, "a+b": 0x3000,
	} {
		s, ok := table.Lookup(name)
		require.True(t, ok, name)
		require.Equal(t, want, s.Address, name)
		require.Equal(t, name, s.Name)
		address, ok := table.SymbolAddress(name)
		require.True(t, ok)
		require.Equal(t, want, address)
	}
	for _, name := range []string{"", "star", "start_aliases", "file.c", "$x", "nothing"} {
		_, ok := table.Lookup(name)
		require.False(t, ok, name)
	}
	for address, want := range map[uint64]string{
		0x0900:  "0x900", // absolute symbols name no memory
		0x1000:  "start", // a function before an alias without a size
		0x101f:  "start+0x1f",
		0x1020:  "outer",
		0x1035:  "inner+0x5",
		0x1045:  "outer+0x25", // beyond inner, still in outer
		0x1060:  "0x1060",     // a gap
		0x10ff:  "label+0x7f", // to the end of its section
		0x1100:  "0x1100",
		0x2001:  "twice+0x1",
		0x3008:  "0x3008",
		0x3101:  "big+0x1",
		1 << 63: "big+0x7fffffffffffcf00",
	} {
		require.Equal(t, want, table.Format(address), "%#x", address)
	}
	s, offset, ok := table.Find(0x1022)
	require.True(t, ok)
	require.Equal(t, symbols.Symbol{Name: "outer", Address: 0x1020, Size: 0x40, Function: true}, s)
	require.Equal(t, uint64(2), offset)
}

func TestNames(t *testing.T) {
	t.Parallel()
	table := open(t, kernel())
	require.Equal(t, []string{"start", "start_alias"}, table.Names("sta", 10))
	require.Equal(t, []string{"twice"}, table.Names("tw", 10))
	require.Len(t, table.Names("", 3), 3)
	require.Empty(t, table.Names("", 0))
	require.Empty(t, table.Names("zzz", 10))
	require.Empty(t, (*symbols.Table)(nil).Names("", 10))
	functions, err := symbols.Open(bytes.NewReader(functionTableELF()))
	require.NoError(t, err)
	require.Equal(t, []string{"main.f"}, functions.Names("main", 10))
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	table := open(t, kernel())
	require.Equal(t, "amd64", table.Architecture())
	require.Equal(t, binary.ByteOrder(binary.LittleEndian), table.ByteOrder())
	require.Equal(t, "go/build/id", table.GoBuildID())
	require.Equal(t, []byte{0xde, 0xad, 0xbe, 0xef, 1}, table.BuildID())
	require.Equal(t, 10, table.Len())

	arm := kernel()
	arm.Machine = elf.EM_AARCH64
	require.Equal(t, "arm64", open(t, arm).Architecture())
	arm.Machine = elf.EM_RISCV
	require.Equal(t, "EM_RISCV", open(t, arm).Architecture())
}

func TestReadVirtual(t *testing.T) {
	t.Parallel()
	table := open(t, kernel())
	p := make([]byte, 4)
	n, err := table.ReadVirtual(p, 0x2002)
	require.NoError(t, err)
	require.Equal(t, []byte{3, 4, 5, 6}, p[:n])

	n, err = table.ReadVirtual(p, 0x2006)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Equal(t, 2, n)
	for _, address := range []uint64{0, 0x3000, 0xfff, ^uint64(0)} { // .bss is not in the file
		_, err = table.ReadVirtual(p, address)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	table := open(t, kernel())
	tests := []struct {
		in   string
		want uint64
		err  error
	}{
		{in: "0x10", want: 0x10},
		{in: "0XfFfF", want: 0xffff},
		{in: "0xffffffffffffffff", want: math.MaxUint64},
		{in: "0x10+0x8", want: 0x18},
		{in: "0x10+10", want: 26},
		{in: "start", want: 0x1000},
		{in: "start+0x2", want: 0x1002},
		{in: "a+b", want: 0x3000},
		{in: "a+b+0x1", want: 0x3001},
		{in: "", err: symbols.ErrSyntax},
		{in: "0x", err: symbols.ErrSyntax},
		{in: "0xg", err: symbols.ErrSyntax},
		{in: "0x1_0", err: symbols.ErrSyntax},
		{in: "0x10000000000000000", err: symbols.ErrSyntax},
		{in: "ffffffff81cd4c0c", err: symbols.ErrSyntax},
		{in: "start+", err: symbols.ErrSyntax},
		{in: "start+-1", err: symbols.ErrSyntax},
		{in: "start+x", err: symbols.ErrSyntax},
		{in: "+1", err: symbols.ErrUnknownSymbol},
		{in: "0xffffffffffffffff+1", err: symbols.ErrSyntax},
		{in: "stop", err: symbols.ErrUnknownSymbol},
		{in: "stop+0x1", err: symbols.ErrUnknownSymbol},
	}
	for _, test := range tests {
		got, err := table.Resolve(test.in)
		if test.err != nil {
			require.ErrorIs(t, err, test.err, test.in)
			continue
		}
		require.NoError(t, err, test.in)
		require.Equal(t, test.want, got, test.in)
	}
}

func TestWithoutSymbols(t *testing.T) {
	t.Parallel()
	for name, table := range map[string]*symbols.Table{"nil": nil, "zero": {}} {
		address, err := table.Resolve("0x10")
		require.NoError(t, err, name)
		require.Equal(t, uint64(0x10), address)
		_, err = table.Resolve("start")
		require.ErrorIs(t, err, symbols.ErrNoSymbols, name)
		require.Equal(t, "0x10", table.Format(0x10))
		_, _, ok := table.Line(0x10)
		require.False(t, ok)
		require.Empty(t, table.GoBuildID())
		require.Nil(t, table.BuildID())
		_, err = table.ReadVirtual(make([]byte, 1), 0)
		require.Error(t, err)
	}

	stripped := kernel()
	stripped.Symbols = nil
	table, err := symbols.Open(bytes.NewReader(stripped.Build()))
	require.ErrorIs(t, err, symbols.ErrNoSymbols)
	require.Equal(t, "go/build/id", table.GoBuildID())
}

func TestOpenNotELF(t *testing.T) {
	t.Parallel()
	whole := kernel().Build()
	short := bytes.Clone(whole)
	short[4] = byte(elf.ELFCLASS32)
	for name, data := range map[string][]byte{"empty": {}, "text": []byte("minidump FreeBSD/amd64"), "32 bits": short, "cut": whole[:100]} {
		_, err := symbols.Open(bytes.NewReader(data))
		require.ErrorIs(t, err, symbols.ErrNotELF, name)
	}
}

// A symbol table that claims more than there is must not be allocated. Not
// parallel: it measures what the process allocates.
func TestHostileSizes(t *testing.T) {
	for _, size := range []uint64{1 << 20, 200 << 20, 1 << 40, math.MaxInt64, math.MaxUint64} {
		data := kernel().Build()
		table := binary.LittleEndian.Uint64(data[40:])
		for i := range uint64(binary.LittleEndian.Uint16(data[60:])) {
			header := data[table+64*i:]
			if elf.SectionType(binary.LittleEndian.Uint32(header[4:])) == elf.SHT_SYMTAB {
				binary.LittleEndian.PutUint64(header[32:], size)
			}
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := symbols.Open(bytes.NewReader(data))
		runtime.ReadMemStats(&after)
		require.Error(t, err, "%#x", size)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20), "%#x", size)
	}
}

func FuzzOpen(f *testing.F) {
	whole := kernel().Build()
	f.Add(whole, uint64(0x1022), "start+0x1")
	f.Add(whole[:len(whole)-40], uint64(0x1060), "0x10")
	f.Add(functionTableELF(), uint64(0x1004), "main.f")
	f.Fuzz(func(t *testing.T, data []byte, address uint64, expression string) {
		table, err := symbols.Open(bytes.NewReader(data))
		if table == nil {
			require.Error(t, err)
			return
		}
		table.Lookup(expression)
		table.Line(address)
		require.LessOrEqual(t, len(table.Names(expression, 3)), 3)
		_, _ = table.Resolve(expression)
		_, _ = table.ReadVirtual(make([]byte, 16), address)
		if s, offset, ok := table.Find(address); ok {
			require.Equal(t, address, s.Address+offset)
			require.LessOrEqual(t, len(s.Name), symbols.MaxNameLength)
		}
	})
}
