package minidump

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/stretchr/testify/require"
)

// TestReaderPages reads dumps of every version, over odd ranges.
func TestReaderPages(t *testing.T) {
	t.Parallel()
	for name, m := range oddImages() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, file, pages := m.open(t)
			require.True(t, r.Complete(), r.Problems())
			require.EqualValues(t, len(file), r.ExpectedSize())
			require.Equal(t, int(m.pageSize), r.PageSize())
			checkPages(t, r, m, pages)
			require.Empty(t, slices.Collect(r.Holes()))
			messages, err := r.MessageBuffer()
			require.NoError(t, err)
			require.Equal(t, "hello\nworld\n", string(messages.Text))
			require.Equal(t, OrderFromGap, messages.Order)
		})
	}
}

// TestReaderRandomReads reads at random places and lengths, and compares with
// what the machine had: bytes up to the first page that is missing.
func TestReaderRandomReads(t *testing.T) {
	t.Parallel()
	for name, m := range oddImages() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _, _ := m.open(t)
			random := rand.New(rand.NewPCG(1, 1))
			addresses := m.bits()
			for range 300 {
				base := addresses[random.IntN(len(addresses))]
				start := base + random.Uint64N(m.pageSize)
				p := make([]byte, random.IntN(5*int(m.pageSize)))
				n, err := r.ReadPhysical(p, physmem.Address(start))
				require.Equal(t, err == nil, n == len(p))
				want := readable(r, start, uint64(len(p)))
				require.EqualValues(t, want, n)
				for i := range n {
					at := start + uint64(i)
					page := at &^ (m.pageSize - 1)
					require.Equal(t, patternByte(page, at-page), p[i])
				}
			}
		})
	}
}

// patternByte is what image.page has at an offset of a page.
func patternByte(page, offset uint64) byte {
	word := (page + offset&^7 + 1) * 0x9e3779b97f4a7c15
	return byte(word >> (offset % 8 * 8))
}

// readable counts how many of n bytes can be read, a byte at a time.
func readable(r *Reader, start, n uint64) uint64 {
	for i := range n {
		bit, ok := r.available.Index(physmem.Address(start + i))
		if !ok || !r.bitmap.Test(bit) {
			return i
		}
	}
	return n
}

// recordingReaderAt remembers what was read.
type recordingReaderAt struct {
	io.ReaderAt
	reads [][2]int64
}

func (r *recordingReaderAt) ReadAt(p []byte, offset int64) (int, error) {
	r.reads = append(r.reads, [2]int64{offset, offset + int64(len(p))})
	return r.ReaderAt.ReadAt(p, offset)
}

// TestOpenReadsMetadataOnly: of the file, the header, dump_avail and the bitmap.
func TestOpenReadsMetadataOnly(t *testing.T) {
	t.Parallel()
	for name, m := range oddImages() {
		file, _ := m.write()
		record := &recordingReaderAt{ReaderAt: bytes.NewReader(file)}
		r, err := Open(record, int64(len(file)))
		require.NoError(t, err)
		for _, read := range record.reads {
			s, _ := r.layout.Find(read[0])
			require.Contains(t, []Section{SectionHeader, SectionDumpAvail, SectionBitmap}, s, name)
			require.LessOrEqual(t, read[1], r.layout.Sections[s].End(), name)
		}
	}
}

// TestOpenHostileSizes has headers that claim gigabytes in files of a KiB.
func TestOpenHostileSizes(t *testing.T) {
	for _, m := range oddImages() {
		file, _ := m.write()
		file = file[:1024]
		for _, at := range []int{28, 32, 36, 64, 72} {
			hostile := slices.Clone(file)
			binary.LittleEndian.PutUint32(hostile[at:], 0xfffffff8)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			r, _ := Open(bytes.NewReader(hostile), int64(len(hostile)))
			runtime.ReadMemStats(&after)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
			if r != nil {
				require.False(t, r.Complete())
			}
		}
	}
	m := oddImages()["amd64 v2"]
	file, _ := m.write()
	binary.LittleEndian.PutUint32(file[32:], 0xfffffff8)
	_, err := Open(zeroBehind(file), 1<<40)
	require.ErrorIs(t, err, ErrTooLarge)
}

// zeroBehind is a file that goes on with zeros for ever.
type zeroBehind []byte

func (z zeroBehind) ReadAt(p []byte, offset int64) (int, error) {
	clear(p)
	if offset < int64(len(z)) {
		copy(p, z[offset:])
	}
	return len(p), nil
}

func TestOpenRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		data string
		want error
	}{
		{"empty", "", ErrTruncated},
		{"text", "what is this?", ErrNotDump},
		{"magic only", "minidump FreeBSD/amd64", ErrTruncated},
		{"user core", "\x7fELF\x02\x01\x01\x00" + string(make([]byte, 8)) + "\x04\x00\x3e\x00" + string(make([]byte, 44)), ErrNotDump},
	}
	for _, test := range tests {
		_, err := Open(bytes.NewReader([]byte(test.data)), int64(len(test.data)))
		require.ErrorIs(t, err, test.want, test.name)
	}
	_, err := Open(failingReaderAt{io.ErrClosedPipe, 0, 1 << 40, nil}, 4096)
	require.ErrorIs(t, err, io.ErrClosedPipe)
	_, err = Open(bytes.NewReader(nil), -1)
	require.ErrorIs(t, err, ErrTruncated)
}

// failingReaderAt fails with err in part of a file.
type failingReaderAt struct {
	err      error
	from, to int64
	file     io.ReaderAt
}

func (f failingReaderAt) ReadAt(p []byte, offset int64) (int, error) {
	if offset < f.to && offset+int64(len(p)) > f.from {
		return 0, f.err
	}
	return f.file.ReadAt(p, offset)
}

// TestReaderBadBlocks has I/O errors in each section.
func TestReaderBadBlocks(t *testing.T) {
	t.Parallel()
	m := oddImages()["amd64 v3"]
	_, file, pages := m.open(t)
	broken := errors.New("checksum of frame 7")
	for s := SectionMessageBuffer; s <= SectionPages; s++ {
		good, err := Open(bytes.NewReader(file), int64(len(file)))
		require.NoError(t, err)
		e := good.layout.Sections[s]
		r, err := Open(failingReaderAt{broken, e.Offset, e.Offset + 1, bytes.NewReader(file)}, int64(len(file)))
		require.NoError(t, err, s)
		buffer := make([]byte, m.pageSize)
		switch s {
		case SectionMessageBuffer:
			_, err = r.MessageBuffer()
			require.Error(t, err)
		case SectionDumpAvail, SectionBitmap:
			require.ErrorIs(t, errors.Join(r.Problems()...), broken)
			require.NotEmpty(t, slices.Collect(r.Holes()))
			_, err = r.ReadPhysical(buffer, physmem.Address(pages[0]))
			require.Error(t, err)
		case SectionPages:
			_, err = r.ReadPhysical(buffer, physmem.Address(pages[0]))
			require.ErrorIs(t, err, broken)
			_, err = r.ReadPhysical(buffer, physmem.Address(pages[1]))
			require.NoError(t, err)
			_, err = r.ReadPhysical(make([]byte, 3), physmem.Address(pages[0])+4093)
			require.NoError(t, err)
		}
	}
}

// TestReaderForeign: the other architectures are shown, and read physically.
func TestReaderForeign(t *testing.T) {
	t.Parallel()
	page := bytes.Repeat([]byte("page"), 1024)
	build := func(a Architecture, magic int, order binary.AppendByteOrder, words ...uint32) []byte {
		file := make([]byte, 4096)
		copy(file, "minidump FreeBSD/"+a.String())
		at := file[:magic]
		for _, w := range words {
			at = order.AppendUint32(at, w)
		}
		avail := order.AppendUint64(order.AppendUint64(nil, 0x1000), 0x4000)
		if a == ARM {
			avail = order.AppendUint32(order.AppendUint32(nil, 0x1000), 0x4000)
		}
		file = append(file, append(avail, make([]byte, 4096-len(avail))...)...)
		bits := order.AppendUint64(nil, 5)
		file = append(file, append(bits, make([]byte, 4096-len(bits))...)...)
		return append(append(file, page...), make([]byte, 4096)...)
	}
	little, big := binary.LittleEndian, binary.BigEndian
	tests := map[string][]byte{
		"i386":           build(I386, 24, little, 2, 0, 4096, 0, 0, 1, 4096),
		"riscv":          build(RISCV, 24, little, 2, 0, 4096, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4096, 0),
		"arm":            build(ARM, 24, little, 2, 0, 4096, 0, 0, 0, 0, 4096),
		"arm big-endian": build(ARM, 24, big, 2, 0, 4096, 0, 0, 0, 0, 4096),
		"mips":           build(MIPS, 24, big, 2, 0, 4096, 0, 0, 0, 0, 0, 0, 0, 4096),
		"powerpc64":      build(PowerPC64, 64, big, 2, 0, 4096, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4096),
	}
	for name, file := range tests {
		r, err := Open(bytes.NewReader(file), int64(len(file)))
		require.NoError(t, err, name)
		require.True(t, r.Complete(), "%s: %v", name, r.Problems())
		require.EqualValues(t, 2, r.NumPages(), name)
		got := make([]byte, 4096)
		_, err = r.ReadPhysical(got, 0x1000)
		require.NoError(t, err, name)
		require.Equal(t, page, got, name)
		_, err = r.ReadPhysical(got, 0x2000)
		require.ErrorIs(t, err, ErrNotInBitmap, name)
		_, err = r.ReadPhysical(got, 0x3000)
		require.NoError(t, err, name)
		for _, virtual := range []uint64{0, 0x1000, ^uint64(0)} {
			_, err = r.Translate(virtual)
			require.ErrorIs(t, err, ErrUnsupported, name)
			_, err = r.Trace(virtual)
			require.ErrorIs(t, err, ErrUnsupported, name)
		}
		var unsupported *UnsupportedError
		require.ErrorAs(t, err, &unsupported)
	}
}

// TestReaderAllocations: no allocation for a random page, by either address.
func TestReaderAllocations(t *testing.T) {
	m := oddImages()["amd64 v3"]
	r, _, pages := m.open(t)
	buffer := make([]byte, m.pageSize)
	i := 0
	require.Zero(t, testing.AllocsPerRun(200, func() {
		i++
		_, err := r.ReadPhysical(buffer, physmem.Address(pages[i*7%40]))
		if err != nil {
			t.Error(err)
		}
	}))
	require.Zero(t, testing.AllocsPerRun(200, func() {
		if _, err := r.ReadVirtual(buffer, m.directMap[0]+pages[3]); err != nil {
			t.Error(err)
		}
	}))
	for virtual := range mapOne(t, m) {
		r, _, _ := m.open(t)
		require.Less(t, testing.AllocsPerRun(200, func() {
			if _, err := r.ReadVirtual(buffer[:64], virtual); err != nil {
				t.Error(err)
			}
		}), 1.0)
	}
}

// mapOne gives m a page table in the section with one page each of what the
// version knows, and returns virtual and physical addresses.
func mapOne(t *testing.T, m *image) map[uint64]uint64 {
	t.Helper()
	put := binary.LittleEndian.PutUint64
	m.tables = make([]byte, 2*m.pageSize)
	base := m.kernelBase
	switch {
	case m.architecture == AMD64 && m.version >= 2:
		table := make([]byte, 4096)
		put(table[5*8:], 0x105000|0x8000000000000063)
		m.content = map[uint64][]byte{0x106000: table}
		previous := m.dumped
		index := bitOf(m, 0x106000)
		target := bitOf(m, 0x105000)
		m.dumped = func(bit uint64) bool { return bit == index || bit == target || previous(bit) }
		put(m.tables[3*8:], 0x106063)                // a table
		put(m.tables[4*8:], 0x8000000000001000|0xe3) // a 2 MiB page at 0, PAT bit set
		return map[uint64]uint64{base + 3<<21 + 5<<12 + 0x123: 0x105123, base + 4<<21 + 0x3004: 0x3004}
	case m.architecture == AMD64:
		put(m.tables[7*8:], 0x8000000000003003)
		return map[uint64]uint64{base + 7<<12 + 8: 0x3008}
	}
	put(m.tables[9*8:], 0x0060_0000_0000_0703|3*m.pageSize)
	return map[uint64]uint64{base + 9*m.pageSize + 16: 3*m.pageSize + 16}
}

// bitOf is the first bit of the page at address.
func bitOf(m *image, address uint64) uint64 {
	return uint64(slices.Index(m.bits(), address))
}

// TestReaderVirtual translates through the section of every version.
func TestReaderVirtual(t *testing.T) {
	t.Parallel()
	for name, m := range oddImages() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := mapOne(t, m)
			r, _, _ := m.open(t)
			for virtual, physical := range want {
				trace, err := r.Trace(virtual)
				require.NoError(t, err)
				require.EqualValues(t, physical, trace.Physical)
				require.Equal(t, PathSection, trace.Path)
				require.NoError(t, trace.Missing)
				got, direct := make([]byte, 100), make([]byte, 100)
				_, err = r.ReadVirtual(got, virtual)
				require.NoError(t, err)
				_, err = r.ReadVirtual(direct, m.directMap[0]+physical-m.directPhys)
				require.NoError(t, err)
				require.Equal(t, got, direct)
			}
			_, err := r.Translate(m.kernelBase + 100<<30)
			require.ErrorIs(t, err, ErrNotMapped)
			_, err = r.Translate(m.kernelBase)
			require.ErrorIs(t, err, ErrNotMapped)
			_, err = r.Translate(0x1234)
			require.ErrorIs(t, err, ErrNotKernelAddress)
			trace, err := r.Trace(m.directMap[0] + 0xa0000)
			require.NoError(t, err)
			if m.hasDumpAvail() {
				require.ErrorIs(t, trace.Missing, ErrNotInDumpAvail)
				require.False(t, trace.InDumpAvail)
			}
		})
	}
}

// TestReaderConcurrent uses one Reader from several goroutines.
func TestReaderConcurrent(t *testing.T) {
	t.Parallel()
	m := oddImages()["amd64 v3"]
	want := mapOne(t, m)
	r, _, pages := m.open(t)
	var wait sync.WaitGroup
	for worker := range 4 {
		wait.Go(func() {
			buffer := make([]byte, m.pageSize)
			for i := range 200 {
				page := pages[(i*7+worker)%40]
				_, err := r.ReadPhysical(buffer, physmem.Address(page))
				if err != nil || !bytes.Equal(buffer, m.page(page)) {
					t.Errorf("page %#x: %v", page, err)
				}
				for virtual, physical := range want {
					if got, err := r.Translate(virtual); err != nil || uint64(got) != physical {
						t.Errorf("%#x: %v, %v", virtual, got, err)
					}
					if _, err := r.Trace(virtual); err != nil {
						t.Error(err)
					}
				}
			}
			for range r.Holes() {
				t.Error("a hole")
			}
		})
	}
	wait.Wait()
}

// TestReaderVirtualOrder has a direct map over the kernel's window: amd64
// takes the window first, arm64 the direct map.
func TestReaderVirtualOrder(t *testing.T) {
	t.Parallel()
	for name, m := range oddImages() {
		want := mapOne(t, m)
		m.directMap = [2]uint64{m.kernelBase - 1<<30, m.kernelBase + 1<<30}
		r, _, _ := m.open(t)
		for virtual := range want {
			trace, err := r.Trace(virtual)
			require.NoError(t, err)
			if m.architecture == AMD64 {
				require.Equal(t, PathSection, trace.Path, name)
			} else {
				require.Equal(t, PathDirectMap, trace.Path, name)
			}
		}
	}
}
