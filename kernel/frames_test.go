//go:build amd64 || arm64

package kernel

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// newFrames makes an allocator over ranges with both sets, nothing free.
func newFrames(ranges ...physmem.Range) (f *frameAllocator, free, used []uint64) {
	f = &frameAllocator{}
	for _, r := range ranges {
		f.addRange(uintptr(r.Start), uintptr(r.End))
	}
	free, used = make([]uint64, f.setBytes()/8), make([]uint64, f.setBytes()/8)
	f.free, f.used = address(free), address(used)
	return f, free, used
}

func TestAddRange(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		in   []physmem.Range
		want []uintptr
	}{
		"whole pages":    {[]physmem.Range{{Start: 0x1000, End: 0x3000}}, []uintptr{0x1000, 0x3000}},
		"partial pages":  {[]physmem.Range{{Start: 0x1001, End: 0x3fff}}, []uintptr{0x2000, 0x3000}},
		"less than one":  {[]physmem.Range{{Start: 0x1001, End: 0x2fff}}, nil},
		"adjacent":       {[]physmem.Range{{Start: 0, End: 0x1000}, {Start: 0x1000, End: 0x2000}}, []uintptr{0, 0x2000}},
		"contained":      {[]physmem.Range{{Start: 0, End: 0x4000}, {Start: 0x1000, End: 0x2000}}, []uintptr{0, 0x4000}},
		"overlapping":    {[]physmem.Range{{Start: 0, End: 0x4000}, {Start: 0x1000, End: 0x6000}}, []uintptr{0, 0x6000}},
		"apart":          {[]physmem.Range{{Start: 0, End: 0x1000}, {Start: 0x2000, End: 0x3000}}, []uintptr{0, 0x1000, 0x2000, 0x3000}},
		"nothing":        {[]physmem.Range{{Start: 0x2000, End: 0x1000}}, nil},
		"a shared page":  {[]physmem.Range{{Start: 0, End: 0x1800}, {Start: 0x1800, End: 0x4000}}, []uintptr{0, 0x1000, 0x2000, 0x4000}},
		"two to the end": {[]physmem.Range{{Start: 0x1000, End: 0x2000}, {Start: 0x1800, End: 0x2000}}, []uintptr{0x1000, 0x2000}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &frameAllocator{}
			for _, r := range test.in {
				f.addRange(uintptr(r.Start), uintptr(r.End))
			}
			require.Equal(t, test.want, append([]uintptr(nil), f.ranges[:2*f.count]...))
			pages := uintptr(0)
			for i := range f.count {
				pages += (f.ranges[2*i+1] - f.ranges[2*i]) / pageSize
			}
			require.Equal(t, pages, f.pages)
		})
	}
	f := &frameAllocator{}
	for i := range uintptr(maxRanges + 10) {
		f.addRange(i*0x2000, i*0x2000+0x1000)
	}
	require.EqualValues(t, maxRanges, f.count)
}

// The index of pages is that of minidump's dump_avail.
func TestFrameIndex(t *testing.T) {
	t.Parallel()
	ranges := []physmem.Range{{Start: 0, End: 0x9f000}, {Start: 0x100000, End: 0x345000}, {Start: 1 << 32, End: 1<<32 + 0x11000}}
	f, _, _ := newFrames(ranges...)
	avail, err := minidump.NewDumpAvail(pageSize, ranges)
	require.NoError(t, err)
	require.EqualValues(t, avail.Pages(), f.pages)
	for _, a := range []physmem.Address{0, 0xfff, 0x9efff, 0x9f000, 0xfffff, 0x100000, 0x344fff, 0x345000, 1 << 32, 1<<32 + 0x10fff, 1<<32 + 0x11000, 1 << 60} {
		want, wantOK := avail.Index(a)
		got, ok := f.index(uintptr(a))
		require.Equal(t, wantOK, ok, "%v", a)
		if ok {
			require.EqualValues(t, want, got, "%v", a)
			require.EqualValues(t, a.AlignDown(pageSize), f.address(got))
		}
	}
	require.Zero(t, f.address(f.pages))
}

func TestSetBits(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	words := make([]uint64, 8)
	set := address(words)
	model := [512]bool{}
	for range 2000 {
		bit := uintptr(random.IntN(512))
		n := uintptr(random.IntN(513 - int(bit)))
		on := random.IntN(2) == 0
		setBits(set, bit, n, on)
		for i := bit; i < bit+n; i++ {
			model[i] = on
		}
		start := uintptr(random.IntN(512))
		length := uintptr(random.IntN(513 - int(start)))
		all := true
		for i := start; i < start+length; i++ {
			require.Equal(t, model[i], testBit(set, i))
			all = all && model[i]
		}
		require.Equal(t, all, allSet(set, start, length))
		same := uintptr(0)
		for same < length && model[start+same] == on {
			same++
		}
		require.Equal(t, same, countSame(set, start, length, on))
	}
}

// The allocator against a map of pages.
func TestAllocator(t *testing.T) {
	t.Parallel()
	f, _, used := newFrames(physmem.Range{Start: 0x1000, End: 0x80000}, physmem.Range{Start: 0x100000, End: 0x1c3000})
	f.give(0x1000, 0x40000)
	f.give(0x100000, 0x10000000) // clipped to its range
	require.EqualValues(t, 0x3f+0xc3, f.left)
	f.least = f.left
	random := rand.New(rand.NewPCG(3, 4))
	held := map[uintptr]bool{}
	for range 5000 {
		if random.IntN(100) < 51 {
			a := f.allocate()
			if a == 0 {
				require.Zero(t, f.left)
				continue
			}
			require.False(t, held[a], "%#x was handed out twice", a)
			require.True(t, a >= 0x1000 && a < 0x40000 || a >= 0x100000 && a < 0x1c3000)
			held[a] = true
			continue
		}
		for a := range held {
			require.True(t, f.release(a))
			require.False(t, f.release(a), "released twice")
			delete(held, a)
			break
		}
	}
	require.False(t, f.release(0x90000))
	require.EqualValues(t, 0x3f+0xc3-len(held), f.left)
	count := 0
	for bit := range f.pages {
		if used[bit/64]>>(bit%64)&1 != 0 {
			require.True(t, held[f.address(bit)])
			count++
		}
	}
	require.Len(t, held, count, "the page bitmap has what is held")
}

func TestTake(t *testing.T) {
	t.Parallel()
	f, _, used := newFrames(physmem.Range{Start: 0, End: 0x100000}, physmem.Range{Start: 0x200000, End: 0x300000})
	f.give(0x10000, 0x100000)
	f.give(0x200000, 0x300000)
	for name, r := range map[string][2]uintptr{
		"not aligned":   {0x10800, 0x12000},
		"empty":         {0x10000, 0x10000},
		"not free":      {0xf000, 0x11000},
		"over a hole":   {0xff000, 0x201000},
		"no such range": {0x180000, 0x181000},
		"past the end":  {0x2ff000, 0x301000},
	} {
		require.False(t, f.take(r[0], r[1]), name)
	}
	before := f.left
	require.True(t, f.take(0x20000, 0x40000))
	require.EqualValues(t, before-0x20, f.left)
	require.Zero(t, used[0], "what is taken is not in the page bitmap")
	require.False(t, f.take(0x3f000, 0x41000))

	a := f.allocateContiguous(0x30000, 0x10000)
	require.EqualValues(t, 0x40000, a)
	require.True(t, allSet(f.used, 0x40, 0x30))
	require.EqualValues(t, 0x200000, f.allocateContiguous(0x100000, 0x100000))
	require.Zero(t, f.allocateContiguous(0x100000, 0x1000))
}

func BenchmarkAllocate(b *testing.B) {
	f, _, _ := newFrames(physmem.Range{Start: 0, End: 1 << 30})
	f.give(0x1000, 1<<30)
	for b.Loop() {
		a := f.allocate()
		f.release(a)
	}
}
