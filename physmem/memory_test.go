package physmem_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/stretchr/testify/require"
)

// fixture is one implementation over the same memory: pattern in each of
// fixtureRanges.
type fixture struct {
	name   string
	memory physmem.Memory
}

// The first range ends inside of a page, the last is in another chunk of 2 MiB.
var fixtureRanges = physmem.NewRanges(span(0x1000, 0x5800), span(0x8000, 0xa000), span(0x40_0000, 0x40_3000))

func pattern(r physmem.Range) []byte {
	data := make([]byte, r.Size())
	for i := range data {
		at := uint64(r.Start) + uint64(i)
		data[i] = byte(at*0x9e3779b97f4a7c15>>56) | 1
	}
	return data
}

func fixtures(t testing.TB) []fixture {
	t.Helper()
	var banks []*physmem.Bytes
	var extents []physmem.FileExtent
	file, err := os.Create(filepath.Join(t.TempDir(), "ram"))
	require.NoError(t, err)
	t.Cleanup(func() { file.Close() })
	sparse, under := physmem.NewSparse(fixtureRanges), physmem.NewSparse(fixtureRanges)
	offset := int64(100)
	for _, r := range fixtureRanges {
		data := pattern(r)
		banks = append([]*physmem.Bytes{physmem.NewBytes(r.Start, bytes.Clone(data))}, banks...)
		_, err = file.WriteAt(data, offset)
		require.NoError(t, err)
		extents = append(extents, physmem.FileExtent{Range: r, Offset: offset})
		offset += int64(len(data)) + 7
		for _, s := range []*physmem.Sparse{sparse, under} {
			_, err = s.WritePhysical(data, r.Start)
			require.NoError(t, err)
		}
	}
	joined, err := physmem.NewBanks(banks...)
	require.NoError(t, err)
	mapped, err := physmem.NewFile(file, extents...)
	require.NoError(t, err)
	list := []fixture{{"banks", joined}, {"file", mapped}, {"sparse", sparse}, {"overlay", physmem.NewOverlay(under)}}
	for _, f := range list {
		if f, ok := f.memory.(interface{ Ranges() physmem.Ranges }); ok {
			require.Equal(t, fixtureRanges, f.Ranges())
		}
	}
	return list
}

// checkAccess does one read or write and checks how far it gets.
func checkAccess(t *testing.T, access func([]byte, physmem.Address) (int, error), operation string, p []byte, address physmem.Address) {
	t.Helper()
	want := 0
	for want < len(p) && fixtureRanges.Contains(address+physmem.Address(want)) {
		want++
	}
	n, err := access(p, address)
	require.Equal(t, want, n, "%s %#x bytes at %v", operation, len(p), address)
	if want == len(p) {
		require.NoError(t, err)
		return
	}
	var failure *physmem.AccessError
	require.ErrorAs(t, err, &failure)
	require.ErrorIs(t, err, physmem.ErrOutside)
	require.Equal(t, operation, failure.Operation)
	require.Equal(t, address+physmem.Address(want), failure.Range.Start)
	if end := address + physmem.Address(len(p)); end >= address {
		require.Equal(t, end, failure.Range.End)
	} else {
		require.Equal(t, physmem.Address(math.MaxUint64), failure.Range.End)
	}
}

var accesses = []struct {
	name    string
	address physmem.Address
	length  int
}{
	{"nothing, nowhere", 0, 0},
	{"first byte", 0x1000, 1},
	{"before", 0xfff, 1},
	{"from before into", 0xff0, 0x20},
	{"unaligned, across pages", 0x1fff, 0x1002},
	{"whole range", 0x1000, 0x4800},
	{"across the end", 0x57f0, 0x20},
	{"at the end", 0x5800, 1},
	{"in the gap", 0x6000, 0x10},
	{"across a gap", 0x5000, 0x4000},
	{"last", 0x9fff, 1},
	{"far", 0x40_2ff0, 0x11},
	{"end of addresses", math.MaxUint64, 1},
	{"wraps", math.MaxUint64 - 3, 0x2000},
}

func TestMemoryReadsAndWrites(t *testing.T) {
	t.Parallel()
	for _, f := range fixtures(t) {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			for _, a := range accesses {
				p := make([]byte, a.length)
				checkAccess(t, f.memory.ReadPhysical, "read", p, a.address)
				for i := range p {
					at := a.address + physmem.Address(i)
					if !fixtureRanges.Contains(at) {
						break
					}
					if want := pattern(span(at, at+1))[0]; p[i] != want {
						require.Failf(t, a.name, "at %v: got %#x, want %#x", at, p[i], want)
					}
				}
			}
			for _, a := range accesses {
				checkAccess(t, f.memory.WritePhysical, "write", make([]byte, a.length), a.address)
			}
		})
	}
}

// TestMemoryModel does the same random accesses on all implementations and on
// a map of bytes.
func TestMemoryModel(t *testing.T) {
	t.Parallel()
	model := map[physmem.Address]byte{}
	for _, r := range fixtureRanges {
		for i, b := range pattern(r) {
			model[r.Start+physmem.Address(i)] = b
		}
	}
	list := fixtures(t)
	random := rand.New(rand.NewPCG(7, 7))
	starts := []physmem.Address{0x1000, 0x5800, 0x8000, 0xa000, 0x40_0000, 0x40_3000}
	for range 400 {
		address := starts[random.IntN(len(starts))] + physmem.Address(random.IntN(0x1800)) - 0xc00
		p := make([]byte, random.IntN(0x2800))
		write := random.IntN(2) == 0
		for i := range p {
			p[i] = byte(random.Uint32())
		}
		for _, f := range list {
			if write {
				checkAccess(t, f.memory.WritePhysical, "write", p, address)
				continue
			}
			q := make([]byte, len(p))
			checkAccess(t, f.memory.ReadPhysical, "read", q, address)
			for i := range q {
				b, ok := model[address+physmem.Address(i)]
				if !ok {
					break
				}
				if b != q[i] { // require would take its time for each byte
					require.Failf(t, "wrong byte", "%s at %v: got %#x, want %#x", f.name, address+physmem.Address(i), q[i], b)
				}
			}
		}
		for i := 0; write && i < len(p); i++ {
			if _, ok := model[address+physmem.Address(i)]; !ok {
				break
			}
			model[address+physmem.Address(i)] = p[i]
		}
	}
}

func TestMemoryViews(t *testing.T) {
	t.Parallel()
	for _, f := range fixtures(t) {
		viewer, ok := f.memory.(physmem.Viewer)
		require.Equal(t, f.name != "file", ok, f.name)
		if !ok {
			continue
		}
		lent := 0
		for _, r := range []physmem.Range{span(0x1000, 0x2000), span(0x8010, 0x8011), span(0x5000, 0x5800)} {
			_, err := f.memory.WritePhysical([]byte{42}, r.Start)
			require.NoError(t, err)
			view := viewer.ViewPhysical(r)
			if view == nil {
				continue
			}
			lent++
			require.Len(t, view, int(r.Size()))
			require.Equal(t, len(view), cap(view), "a view must not give more than was asked for")
			p := make([]byte, len(view))
			_, err = f.memory.ReadPhysical(p, r.Start)
			require.NoError(t, err)
			require.Equal(t, p, view)
			_, err = f.memory.WritePhysical([]byte{43}, r.Start)
			require.NoError(t, err)
			require.Equal(t, byte(43), view[0], "a view shows later writes")
		}
		require.GreaterOrEqual(t, lent, 2, f.name)
		for _, r := range []physmem.Range{{}, span(0x1000, 0x1000), span(0xfff, 0x1001), span(0x5000, 0x5801),
			span(0x5000, 0x9000), span(math.MaxUint64-1, math.MaxUint64)} {
			require.Nil(t, viewer.ViewPhysical(r), "%s %v", f.name, r)
		}
	}
}

// TestMemoryAllocations holds the promise that a read allocates nothing.
func TestMemoryAllocations(t *testing.T) {
	p := make([]byte, 0x3000)
	for _, f := range fixtures(t) {
		require.Zero(t, testing.AllocsPerRun(50, func() {
			if _, err := f.memory.ReadPhysical(p, 0x1ffc); err != nil {
				panic(err)
			}
		}), f.name)
	}
	extents := physmem.NewExtentReader(fixtures(t)[0].memory, []physmem.Range{span(0x9000, 0xa000), span(0x1000, 0x4000)})
	require.Zero(t, testing.AllocsPerRun(50, func() {
		if _, err := extents.ReadAt(p, 0x800); err != nil {
			panic(err)
		}
	}))
}

// TestMemoryConcurrent is for the race detector: Sparse and Overlay lock.
func TestMemoryConcurrent(t *testing.T) {
	t.Parallel()
	for _, f := range fixtures(t)[2:] {
		var wait sync.WaitGroup
		for worker := range 4 {
			wait.Go(func() {
				p := make([]byte, 0x1800)
				for i := range 50 {
					address := physmem.Address(0x1000 + i*0x40)
					if worker%2 == 0 {
						_, _ = f.memory.WritePhysical(p, address)
					} else {
						_, _ = f.memory.ReadPhysical(p, address)
					}
				}
			})
		}
		wait.Wait()
	}
}

func TestSparse(t *testing.T) {
	t.Parallel()
	s := physmem.NewSparse(physmem.NewRanges(span(0, 64<<30)))
	p := []byte{1, 2, 3}
	_, err := s.ReadPhysical(p, 63<<30)
	require.NoError(t, err)
	require.Equal(t, []byte{0, 0, 0}, p)
	require.Zero(t, s.Resident())
	_, err = s.WritePhysical([]byte{9}, 64<<30-1)
	require.NoError(t, err)
	require.Equal(t, uint64(4096), s.Resident())
	require.Nil(t, s.ViewPhysical(span(0x1000, 0x2000)), "a page that was not written is not lent")
	require.Nil(t, s.ViewPhysical(span(64<<30-0x2000, 64<<30-0x1000)))
}

func TestOverlayKeepsBase(t *testing.T) {
	t.Parallel()
	data := make([]byte, 0x1800)
	o := physmem.NewOverlay(physmem.NewBytes(0x1000, data))
	_, err := o.WritePhysical([]byte{1, 2, 3, 4}, 0x17fe)
	require.NoError(t, err)
	n, err := o.WritePhysical([]byte{1, 2, 3, 4}, 0x27fe)
	require.Equal(t, 2, n)
	require.EqualError(t, err, "write physical memory [0x2800, 0x2802): outside of physical memory")
	require.Equal(t, make([]byte, 0x1800), data)
	require.Equal(t, physmem.Ranges{span(0x1000, 0x3000)}, o.Written())
	got := make([]byte, 0x1800)
	_, err = o.ReadPhysical(got, 0x1000)
	require.NoError(t, err)
	want := make([]byte, 0x1800)
	copy(want[0x7fe:], []byte{1, 2, 3, 4})
	copy(want[0x17fe:], []byte{1, 2})
	require.Equal(t, want, got)
	require.Nil(t, o.ViewPhysical(span(0x2000, 0x2800)), "a page that is held in part is not lent")
}

// stub is a Reader, io.ReaderAt and io.WriterAt that gives what it is told.
type stub struct {
	n   int
	err error
}

func (s stub) ReadPhysical(p []byte, _ physmem.Address) (int, error) { return s.n, s.err }
func (s stub) ReadAt(p []byte, _ int64) (int, error)                 { return s.n, s.err }
func (s stub) WriteAt(p []byte, _ int64) (int, error)                { return s.n, s.err }

func TestFileErrors(t *testing.T) {
	t.Parallel()
	page := physmem.FileExtent{Range: span(0x1000, 0x2000)}
	_, err := physmem.NewFile(stub{}, page, physmem.FileExtent{Range: span(0x1fff, 0x3000)})
	require.EqualError(t, err, "file memory: [0x1000, 0x2000) overlaps [0x1fff, 0x3000)")
	_, err = physmem.NewFile(stub{}, physmem.FileExtent{Range: span(0, 1), Offset: -1})
	require.Error(t, err)
	_, err = physmem.NewFile(stub{}, physmem.FileExtent{Range: span(0, 2), Offset: math.MaxInt64 - 1})
	require.Error(t, err)

	bad := errors.New("bad sector")
	for _, tt := range []struct {
		name        string
		file        stub
		n           int
		read, write error
	}{
		{"ends early", stub{5, io.EOF}, 5, io.ErrUnexpectedEOF, io.EOF},
		{"fails", stub{0, bad}, 0, bad, bad},
		{"short and silent", stub{3, nil}, 3, io.ErrUnexpectedEOF, io.ErrShortWrite},
		{"says less than nothing", stub{-3, bad}, 0, bad, bad},
	} {
		f, err := physmem.NewFile(tt.file, page)
		require.NoError(t, err)
		n, err := f.ReadPhysical(make([]byte, 16), 0x1800)
		require.Equal(t, tt.n, n, tt.name)
		require.ErrorIs(t, err, tt.read, tt.name)
		n, err = f.WritePhysical(make([]byte, 16), 0x1800)
		require.Equal(t, tt.n, n, tt.name)
		require.ErrorIs(t, err, tt.write, tt.name)
	}

	f, err := physmem.NewFile(bytes.NewReader(make([]byte, 16)), page)
	require.NoError(t, err)
	n, err := f.ReadPhysical(make([]byte, 32), 0x1008)
	require.Equal(t, 8, n)
	require.EqualError(t, err, "read physical memory [0x1010, 0x1028): unexpected EOF")
	_, err = f.WritePhysical(make([]byte, 1), 0x1000)
	require.ErrorIs(t, err, physmem.ErrReadOnly)
}

func TestBanksOverlap(t *testing.T) {
	t.Parallel()
	_, err := physmem.NewBanks(physmem.NewBytes(0x1000, make([]byte, 2)), physmem.NewBytes(0xfff, make([]byte, 2)))
	require.EqualError(t, err, "memory banks: [0xfff, 0x1001) overlaps [0x1000, 0x1002)")
}

func BenchmarkRead(b *testing.B) {
	const size = 32 << 20
	data := make([]byte, size)
	sparse := physmem.NewSparse(physmem.NewRanges(span(0, size)))
	_, _ = sparse.WritePhysical(data, 0)
	name := filepath.Join(b.TempDir(), "ram")
	require.NoError(b, os.WriteFile(name, data, 0o600))
	file, err := os.Open(name)
	require.NoError(b, err)
	defer file.Close()
	mapped, err := physmem.NewFile(file, physmem.FileExtent{Range: span(0, size)})
	require.NoError(b, err)
	for _, f := range []struct {
		name   string
		reader physmem.Reader
	}{{"bytes", physmem.NewBytes(0, data)}, {"file", mapped}, {"sparse", sparse}, {"overlay", physmem.NewOverlay(sparse)}} {
		for _, length := range []int{8, 4096, 1 << 20} {
			b.Run(fmt.Sprintf("%s/%d", f.name, length), func(b *testing.B) {
				p := make([]byte, length)
				b.SetBytes(int64(length))
				b.ReportAllocs()
				for i := range b.N {
					if _, err := f.reader.ReadPhysical(p, physmem.Address(i*length)%(size-1<<20)); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
