package minidump

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/stretchr/testify/require"
)

// fullDump is a FreeBSD full dump that tests write byte by byte: ET_CORE, OS
// ABI 0xff, one PT_LOAD a range, p_paddr = p_vaddr = pa.
type fullDump struct {
	machine uint16
	ranges  [][2]uint64
	memory  map[uint64][]byte // by address; the rest is zero
}

func (f *fullDump) write() []byte {
	put16, put32, put64 := binary.LittleEndian.PutUint16, binary.LittleEndian.PutUint32, binary.LittleEndian.PutUint64
	file := make([]byte, 4096)
	copy(file, "\x7fELF\x02\x01\x01\xff")
	put16(file[16:], 4)
	put16(file[18:], f.machine)
	put32(file[20:], 1)
	put64(file[32:], 64)
	put16(file[52:], 64)
	put16(file[54:], 56)
	put16(file[56:], uint16(len(f.ranges)))
	for i, r := range f.ranges {
		h := file[64+56*i:]
		put32(h, 1)
		put32(h[4:], 4)
		put64(h[8:], uint64(len(file)))
		put64(h[16:], r[0])
		put64(h[24:], r[0])
		put64(h[32:], r[1]-r[0])
		put64(h[40:], r[1]-r[0])
		put64(h[48:], 4096)
		data := make([]byte, r[1]-r[0])
		for address, content := range f.memory {
			if address >= r[0] && address < r[1] {
				copy(data[address-r[0]:], content)
			}
		}
		file = append(file, data...)
	}
	return file
}

// word writes a 64-bit word to memory.
func (f *fullDump) word(address, value uint64) {
	f.memory[address] = binary.LittleEndian.AppendUint64(nil, value)
}

// symbolMap is a SymbolTable.
type symbolMap map[string]uint64

func (s symbolMap) SymbolAddress(name string) (uint64, bool) {
	address, ok := s[name]
	return address, ok
}

const (
	fullText    = 0xffffffff80200000 // where the kernel in fullMachine is linked
	fullRootVar = 0xffffffff80301238 // KPML4phys
	fullMsgbufp = 0xffffffff80301240
	fullDirect  = 0xfffff80000000000
	fullStack   = 0xfffffe0000005000
)

// fullMachine is a machine whose kernel was loaded so many bytes above where
// KERNBASE would map address 0. It has leaves of all three sizes.
func fullMachine(load uint64, levels int) (*fullDump, symbolMap) {
	f := &fullDump{machine: 62, ranges: [][2]uint64{{0, 0x9f000}, {0x200000, 0x1000000}}, memory: make(map[uint64][]byte)}
	const root, directPDPT, kernelPDPT, kernelPD, stackPDPT, stackPD, stackPT, top = 0x900000, 0x901000, 0x902000, 0x903000, 0x904000, 0x905000, 0x906000, 0x907000
	f.word(root+8*(fullDirect>>39&511), directPDPT|3)
	f.word(directPDPT, 0|0x83) // 1 GiB at 0
	f.word(root+8*511, kernelPDPT|3)
	f.word(kernelPDPT+8*510, kernelPD|3)
	f.word(kernelPD+8, load+0x200000|0x8000000000000083) // 2 MiB
	f.word(root+8*(fullStack>>39&511), stackPDPT|3)
	f.word(stackPDPT, stackPD|3)
	f.word(stackPD, stackPT|3)
	f.word(stackPT+8*5, 0x9e000|3) // 4 KiB
	start := uint64(root)
	name := "KPML4phys"
	if levels == 5 {
		f.word(top+8*511, root|3)
		start, name = top, "KPML5phys"
	}
	f.word(fullRootVar-amd64KernelBase+load, start)

	const ring = fullDirect + 0x700000
	text := []byte("\x00\x00\x00 world\n")
	text = append(text, "hello"...)
	state := MessageBufferState{Size: uint32(len(text)), WriteSequence: uint32(len(text))*2 + 10, Modulus: uint32(len(text)) * 16}
	f.memory[0x700000] = text
	f.memory[0x700000+uint64(len(text))] = state.AppendBinary(nil, ring)
	f.word(fullMsgbufp-amd64KernelBase+load, ring+uint64(len(text)))
	f.memory[0x9e010] = []byte("stack")
	return f, symbolMap{"kernbase": amd64KernelBase, name: fullRootVar, "msgbufp": fullMsgbufp}
}

func TestFullDump(t *testing.T) {
	t.Parallel()
	f, symbols := fullMachine(0, 4)
	file := f.write()
	r, err := Open(bytes.NewReader(file), int64(len(file)), WithSymbols(symbols))
	require.NoError(t, err)
	require.True(t, r.Complete(), r.Problems())
	require.Equal(t, FormatFull, r.Format())
	require.Equal(t, AMD64, r.Header().Architecture)
	require.Nil(t, r.Bitmap())
	require.Equal(t, rangesOf(f.ranges...), r.DumpAvail().Ranges())
	require.EqualValues(t, 0x9f+0xe00, r.NumPages())
	require.EqualValues(t, len(file), r.ExpectedSize())

	buffer := make([]byte, 5)
	_, err = r.ReadPhysical(buffer, 0x9e010)
	require.NoError(t, err)
	require.Equal(t, "stack", string(buffer))
	n, err := r.ReadPhysical(make([]byte, 32), 0x9f000-16)
	require.Equal(t, 16, n)
	require.ErrorIs(t, err, ErrNotInDumpAvail)

	pages := uint64(0)
	for address, offset := range r.Pages() {
		at, err := r.Locate(address)
		require.NoError(t, err)
		require.Equal(t, at, offset)
		pages++
	}
	require.Equal(t, r.NumPages(), pages)
	for range r.Pages() {
		break
	}
	s := r.Space()
	require.EqualValues(t, 4096, s.Bytes[SpaceHeader])
	require.EqualValues(t, len(file)-4096, s.Bytes[SpacePages])
	report, err := r.Verify(context.Background(), VerifyOptions{})
	require.NoError(t, err)
	require.True(t, report.Good(), report.Findings)
	require.Equal(t, pages, report.Pages)
	_, err = r.Notes()
	require.ErrorIs(t, err, ErrNoNotes)
}

// TestFullTranslate walks from KPML4phys, wherever the kernel was loaded.
func TestFullTranslate(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		load   uint64
		levels int
	}{{"at 0", 0, 4}, {"at 2 MiB", 2 << 20, 4}, {"at 10 MiB", 10 << 20, 4}, {"5 levels", 4 << 20, 5}}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f, symbols := fullMachine(test.load, test.levels)
			file := f.write()
			r, err := Open(bytes.NewReader(file), int64(len(file)), WithSymbols(symbols))
			require.NoError(t, err)
			tests := []struct {
				virtual, size uint64
				steps         int
				want          physmem.Address
			}{
				{fullDirect + 0x700005, 1 << 30, 2, 0x700005},
				{fullRootVar, 2 << 20, 3, physmem.Address(fullRootVar - amd64KernelBase + test.load)},
				{fullStack + 0x10, 4096, 4, 0x9e010},
			}
			for _, walk := range tests {
				trace, err := r.Trace(walk.virtual)
				require.NoError(t, err)
				require.Equal(t, PathTables, trace.Path)
				require.Equal(t, walk.want, trace.Physical)
				require.Equal(t, walk.size, trace.PageSize)
				require.Len(t, trace.Steps, walk.steps+test.levels-4)
				require.NoError(t, trace.Missing)
				for _, step := range trace.Steps {
					require.Equal(t, step.Entry, binary.LittleEndian.Uint64(file[step.FileOffset:]))
				}
			}
			buffer := make([]byte, 5)
			_, err = r.ReadVirtual(buffer, fullStack+0x10)
			require.NoError(t, err)
			require.Equal(t, "stack", string(buffer))
			_, err = r.Translate(fullStack + 4096)
			require.ErrorIs(t, err, ErrNotMapped)
			_, err = r.Translate(1 << 60)
			require.Error(t, err)

			m, err := r.MessageBuffer()
			require.NoError(t, err)
			require.Equal(t, "hello world\n", string(m.Text[len(m.Text)-12:]), "%q", m.Text)
			require.Equal(t, OrderKnown, m.Order)
		})
	}
}

func TestFullWithoutRoot(t *testing.T) {
	t.Parallel()
	f, symbols := fullMachine(0, 4)
	file := f.write()
	open := func(file []byte, options ...Option) *Reader {
		r, err := Open(bytes.NewReader(file), int64(len(file)), options...)
		require.NoError(t, err)
		return r
	}
	_, err := open(file).Translate(fullStack)
	require.ErrorIs(t, err, ErrNoPageTable)
	_, err = open(file).MessageBuffer()
	require.ErrorIs(t, err, ErrNoMessageBuffer)
	physical, err := open(file, WithAMD64Paging(amd64.Paging{Root: 0x900000})).Translate(fullStack)
	require.NoError(t, err)
	require.EqualValues(t, 0x9e000, physical)
	_, err = open(file, WithARM64Paging(arm64.Paging{Root: 0x900000})).Translate(fullStack)
	require.ErrorIs(t, err, ErrNoPageTable)

	f.word(0x301238, 0x123000) // a root that is not in the dump
	_, err = open(f.write(), WithSymbols(symbols)).Translate(fullStack)
	require.ErrorIs(t, err, ErrNoPageTable)

	f.machine = 183
	arm := open(f.write(), WithSymbols(symbols))
	_, err = arm.Translate(fullStack)
	require.ErrorIs(t, err, ErrNoPageTable)
	_, err = arm.ReadPhysical(make([]byte, 16), 0x9e010)
	require.NoError(t, err)
}

// TestFullARM64Root walks a full arm64 dump whose root somebody knows.
func TestFullARM64Root(t *testing.T) {
	t.Parallel()
	f := &fullDump{machine: 183, ranges: [][2]uint64{{0x40000000, 0x40100000}}, memory: make(map[uint64][]byte)}
	const root, level1, level2, level3 = 0x40001000, 0x40002000, 0x40003000, 0x40004000
	f.word(root, level1|3)
	f.word(level1, level2|3)
	f.word(level2, level3|3)
	f.word(level3+8*7, 0x40010000|0x703)
	f.memory[0x40010020] = []byte("arm64")
	file := f.write()
	r, err := Open(bytes.NewReader(file), int64(len(file)), WithARM64Paging(arm64.Paging{Root: root, Granule: 4096, VirtualBits: 48, Upper: true}))
	require.NoError(t, err)
	buffer := make([]byte, 5)
	_, err = r.ReadVirtual(buffer, 0xffff000000007020)
	require.NoError(t, err)
	require.Equal(t, "arm64", string(buffer))
	trace, err := r.Trace(0xffff000000007020)
	require.NoError(t, err)
	require.Len(t, trace.Steps, 4)
}

// TestFullCut cuts a full dump in its headers and in its memory.
func TestFullCut(t *testing.T) {
	t.Parallel()
	f := &fullDump{machine: 62, ranges: [][2]uint64{{0, 0x3000}, {0x8000, 0xa000}}, memory: map[uint64][]byte{0x9ffb: []byte("last!")}}
	file := f.write()
	for size := 0; size <= len(file); size++ {
		if size > 300 && size%997 != 0 && size < len(file)-3 {
			continue
		}
		r, err := Open(bytes.NewReader(file[:size]), int64(size))
		switch {
		case size >= 4 && size < 64:
			require.ErrorIs(t, err, ErrTruncated, size)
			continue
		case size < 64+56: // not known to be ELF yet, or no segment
			require.Error(t, err, size)
			continue
		}
		require.NoError(t, err, size)
		require.Equal(t, size == len(file), r.Complete(), size)
		require.Equal(t, size == len(file), len(slices.Collect(r.Holes())) == 0 && len(r.Problems()) == 0, size)
		missing := uint64(0)
		for h := range r.Holes() {
			require.Equal(t, HoleBeyondEnd, h.Reason)
			missing += h.Range.Size()
		}
		require.EqualValues(t, min(r.ExpectedSize()-int64(size), r.ExpectedSize()-4096), missing, size)
	}
}

func TestFullRefused(t *testing.T) {
	t.Parallel()
	f, _ := fullMachine(0, 4)
	good := f.write()
	tests := []struct {
		name  string
		spoil func(b []byte)
		want  error
	}{
		{"32 bits", func(b []byte) { b[4] = 1 }, ErrUnsupported},
		{"big-endian", func(b []byte) { b[5] = 2 }, ErrUnsupported},
		{"a process's", func(b []byte) { b[7] = 9 }, ErrNotDump},
		{"a program", func(b []byte) { b[16] = 2 }, ErrNotDump},
		{"another machine", func(b []byte) { b[18] = 8 }, ErrUnsupported},
		{"size of headers", func(b []byte) { b[54] = 55 }, ErrDamaged},
		{"headers beyond the end", func(b []byte) { b[38] = 1 }, ErrTruncated},
		{"no memory", func(b []byte) { b[56] = 0 }, ErrNotDump},
	}
	for _, test := range tests {
		b := slices.Clone(good)
		test.spoil(b)
		_, err := Open(bytes.NewReader(b), int64(len(b)))
		require.ErrorIs(t, err, test.want, test.name)
	}
}

// TestFullBadSegments: segments that make no sense are left out, and said.
func TestFullBadSegments(t *testing.T) {
	t.Parallel()
	f := &fullDump{machine: 62, ranges: [][2]uint64{{0, 0x3000}, {0x8000, 0xa000}, {0x9000, 0xb000}}}
	file := f.write()
	r, err := Open(bytes.NewReader(file), int64(len(file)))
	require.NoError(t, err)
	require.ErrorIs(t, r.Problems()[0], ErrDamaged)
	require.Len(t, r.DumpAvail().Ranges(), 2)

	binary.LittleEndian.PutUint64(file[64+56+8:], 0x1800)        // second: in the first's bytes, not at a page
	binary.LittleEndian.PutUint64(file[64+2*56+24:], ^uint64(0)) // third: beyond all memory
	r, err = Open(bytes.NewReader(file), int64(len(file)))
	require.NoError(t, err)
	report, err := r.Verify(context.Background(), VerifyOptions{})
	require.NoError(t, err)
	require.EqualValues(t, 1, report.Counts[CodeSegmentAlignment])
	require.EqualValues(t, 1, report.Counts[CodeSegmentOverlap])
	require.EqualValues(t, 1, report.Counts[CodeStructure])
}

func FuzzELF(f *testing.F) {
	small := &fullDump{machine: 62, ranges: [][2]uint64{{0, 0x3000}, {0x8000, 0xa000}}, memory: map[uint64][]byte{0x2000: {1}}}
	f.Add(small.write(), uint64(0xfffff80000000000))
	f.Add(small.write()[:200], uint64(0))
	f.Fuzz(func(t *testing.T, data []byte, address uint64) {
		if !isELF(data) {
			return
		}
		exercise(t, data, address)
	})
}
