package physmem_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/stretchr/testify/require"
)

func TestNewRanges(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		in   []physmem.Range
		want physmem.Ranges
	}{
		{"nothing", nil, physmem.Ranges{}},
		{"empty ranges", []physmem.Range{span(4, 4), span(9, 2)}, physmem.Ranges{}},
		{"sorts", []physmem.Range{span(8, 9), span(1, 2)}, physmem.Ranges{span(1, 2), span(8, 9)}},
		{"joins adjacent", []physmem.Range{span(2, 3), span(1, 2)}, physmem.Ranges{span(1, 3)}},
		{"joins overlapping", []physmem.Range{span(1, 5), span(3, 8)}, physmem.Ranges{span(1, 8)}},
		{"contained", []physmem.Range{span(1, 9), span(3, 4), span(9, 10)}, physmem.Ranges{span(1, 10)}},
		{"keeps gaps", []physmem.Range{span(0, 1), span(2, 3)}, physmem.Ranges{span(0, 1), span(2, 3)}},
	} {
		got := physmem.NewRanges(tt.in...)
		require.Equal(t, tt.want, got, tt.name)
		require.True(t, got.IsNormal(), tt.name)
	}
	require.False(t, physmem.Ranges{span(2, 3), span(1, 2)}.IsNormal())
	require.False(t, physmem.Ranges{span(1, 2), span(2, 3)}.IsNormal(), "touching ranges are not in normal form")
	require.False(t, physmem.Ranges{span(2, 2)}.IsNormal())
}

func TestRangesQueries(t *testing.T) {
	t.Parallel()
	s := physmem.NewRanges(span(0x1000, 0x3000), span(0x8000, 0x9000))
	require.True(t, s.ContainsAll(physmem.Ranges{span(0x1000, 0x2000), span(0x8800, 0x9000)}))
	require.False(t, s.ContainsAll(physmem.Ranges{span(0x2000, 0x4000)}))
	require.True(t, s.Overlaps(span(0x2fff, 0x8000)))
	require.False(t, s.Overlaps(span(0x3000, 0x8000)))
	require.False(t, s.Overlaps(span(0x1000, 0x1000)))
	require.Equal(t, span(0x1000, 0x9000), s.Bounds())
	require.Equal(t, physmem.Range{}, physmem.Ranges(nil).Bounds())
	require.Equal(t, "[0x1000, 0x3000) [0x8000, 0x9000)", s.String())
	require.Equal(t, "none", physmem.Ranges(nil).String())
	r, ok := s.Find(0x8fff)
	require.True(t, ok)
	require.Equal(t, span(0x8000, 0x9000), r)
	_, ok = s.Find(0x3000)
	require.False(t, ok)
	require.Equal(t, physmem.Ranges{span(0x2000, 0x3000)}, physmem.NewRanges(span(0x1800, 0x3800)).AlignInward(0x1000))
	require.Equal(t, physmem.Ranges{span(0x1000, 0x5000)},
		physmem.NewRanges(span(0x1800, 0x2001), span(0x3800, 0x4001)).AlignOutward(0x1000))
}

func TestFindSpace(t *testing.T) {
	t.Parallel()
	s := physmem.NewRanges(span(0x1000, 0x9f000), span(0x100000, 0x8000000), span(0x1_0000_0000, 0x1_4000_0000))
	const mib = 1 << 20
	for _, tt := range []struct {
		name    string
		size    uint64
		options []physmem.SpaceOption
		want    physmem.Address
	}{
		{"lowest", 0x1000, nil, 0x1000},
		{"first that is large enough", mib, nil, 0x100000},
		{"aligned", mib, []physmem.SpaceOption{physmem.WithAlignment(2 * mib)}, 2 * mib},
		{"alignment beyond the first range", 0x1000, []physmem.SpaceOption{physmem.WithAlignment(0x80000)}, 0x80000},
		{"boundary", 0x18000, []physmem.SpaceOption{physmem.WithBoundary(0x20000)}, 0x1000},
		{"boundary moves it up", 0x20000, []physmem.SpaceOption{physmem.WithBoundary(0x20000)}, 0x20000},
		{"boundary and alignment", 0x3000, []physmem.SpaceOption{physmem.WithBoundary(0x4000), physmem.WithAlignment(0x2000)}, 0x4000},
		{"limit", mib, []physmem.SpaceOption{physmem.WithLimit(span(0x1_0000_0000, physmem.MaxAddress))}, 0x1_0000_0000},
		{"limit cuts", mib, []physmem.SpaceOption{physmem.WithLimit(span(0x123456, 0x1_0000_0000))}, 0x123456},
		{"highest", mib, []physmem.SpaceOption{physmem.Highest()}, 0x1_4000_0000 - mib},
		{"highest below 4 GiB", mib, []physmem.SpaceOption{physmem.Highest(), physmem.WithLimit(span(0, 1<<32))}, 0x8000000 - mib},
		{"highest aligned", 3 * mib, []physmem.SpaceOption{physmem.Highest(), physmem.WithAlignment(2 * mib)}, 0x1_4000_0000 - 4*mib},
		{"highest with boundary", 0x3000, []physmem.SpaceOption{physmem.Highest(), physmem.WithBoundary(0x4000),
			physmem.WithLimit(span(0x1000, 0x9000))}, 0x5000},
		{"exact fit", 0x9e000, nil, 0x1000},
	} {
		got, err := s.FindSpace(tt.size, tt.options...)
		require.NoError(t, err, tt.name)
		require.Equal(t, span(tt.want, tt.want+physmem.Address(tt.size)), got, tt.name)
	}
}

func TestFindSpaceRefusals(t *testing.T) {
	t.Parallel()
	s := physmem.NewRanges(span(0x1000, 0x3000), span(0x8000, 0x8800))
	for _, tt := range []struct {
		name    string
		size    uint64
		options []physmem.SpaceOption
		want    string
	}{
		{"zero", 0, nil, "find space: size is zero"},
		{"alignment", 1, []physmem.SpaceOption{physmem.WithAlignment(3)}, "find space: alignment 0x3 is not a power of two"},
		{"alignment zero", 1, []physmem.SpaceOption{physmem.WithAlignment(0)}, "find space: alignment 0x0 is not a power of two"},
		{"boundary", 1, []physmem.SpaceOption{physmem.WithBoundary(6)}, "find space: boundary 0x6 is not a power of two"},
		{"too large", 0x2001, nil, "find 0x2001 bytes aligned to 0x1 in [0x0, 0x10000000000000): no space: " +
			"0x2800 bytes free, at most 0x2000 together in [0x1000, 0x3000)"},
		{"too large for boundary", 0x1001, []physmem.SpaceOption{physmem.WithBoundary(0x1000)},
			"find 0x1001 bytes aligned to 0x1, not across 0x1000 in [0x0, 0x10000000000000): no space: " +
				"0x2800 bytes free, at most 0x2000 together in [0x1000, 0x3000)"},
		{"alignment leaves too little", 0x1800, []physmem.SpaceOption{physmem.WithAlignment(0x2000), physmem.Highest()},
			"find 0x1800 bytes aligned to 0x2000 in [0x0, 0x10000000000000): no space: " +
				"0x2800 bytes free, at most 0x2000 together in [0x1000, 0x3000)"},
		{"empty limit", 1, []physmem.SpaceOption{physmem.WithLimit(span(0x3000, 0x8000))},
			"find 0x1 bytes aligned to 0x1 in [0x3000, 0x8000): no space: 0x0 bytes free, at most 0x0 together in [0x0, 0x0)"},
	} {
		_, err := s.FindSpace(tt.size, tt.options...)
		require.EqualError(t, err, tt.want, tt.name)
	}
	_, err := s.FindSpace(1 << 40)
	require.ErrorIs(t, err, physmem.ErrNoSpace)
}

// TestFindSpaceExhaustive tries every option over a small space against the
// definition, one address at a time.
func TestFindSpaceExhaustive(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		s := setOf(random.Uint64())
		for size := uint64(1); size <= 9; size++ {
			for _, alignment := range []uint64{1, 2, 4, 8, 16} {
				for _, boundary := range []uint64{0, 2, 8, 16} {
					for _, highest := range []bool{false, true} {
						checkFindSpace(t, s, size, alignment, boundary, highest)
					}
				}
			}
		}
	}
}

func checkFindSpace(t *testing.T, s physmem.Ranges, size, alignment, boundary uint64, highest bool) {
	t.Helper()
	want, found := physmem.Range{}, false
	for start := range physmem.Address(64) {
		r := span(start, start+physmem.Address(size))
		crosses := boundary != 0 && uint64(r.Start)/boundary != uint64(r.End-1)/boundary
		if s.ContainsRange(r) && uint64(start)%alignment == 0 && !crosses && (highest || !found) {
			want, found = r, true
		}
	}
	options := []physmem.SpaceOption{physmem.WithAlignment(alignment), physmem.WithBoundary(boundary)}
	if highest {
		options = append(options, physmem.Highest())
	}
	got, err := s.FindSpace(size, options...)
	if found != (err == nil) || got != want {
		require.Failf(t, "wrong space", "%v size %d alignment %d boundary %d highest %v: got %v, %v; want %v",
			s, size, alignment, boundary, highest, got, err, want)
	}
}

// setOf is the set of the numbers of the bits that are set.
func setOf(bits uint64) physmem.Ranges {
	var list []physmem.Range
	for i := range physmem.Address(64) {
		if bits>>i&1 != 0 {
			list = append(list, span(i, i+1))
		}
	}
	return physmem.NewRanges(list...)
}

// bitsOf is the model of a set below 64.
func bitsOf(s physmem.Ranges) uint64 {
	var bits uint64
	for _, r := range s {
		for a := r.Start; a < r.End; a++ {
			bits |= 1 << a
		}
	}
	return bits
}

// FuzzRanges compares the algebra with the one of 64-bit words, over lists of
// arbitrary ranges below 64.
func FuzzRanges(f *testing.F) {
	f.Add([]byte{}, []byte{1, 5})
	f.Add([]byte{0, 63, 9, 3, 4, 4}, []byte{60, 63, 0, 1})
	f.Add([]byte{1, 3, 3, 5, 7, 9}, []byte{2, 8})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		s, o := rangesFrom(a), rangesFrom(b)
		x, y := bitsOf(s), bitsOf(o)
		check := func(name string, got physmem.Ranges, want uint64) {
			if got == nil || !got.IsNormal() || bitsOf(got) != want {
				require.Failf(t, name, "%v, %v: got %v, want %v", s, o, got, setOf(want))
			}
		}
		check("normalise", s, x)
		check("union", s.Union(o), x|y)
		check("intersect", s.Intersect(o), x&y)
		check("minus", s.Minus(o), x&^y)
		check("receiver", s, x)
		check("argument", o, y)
		require.Equal(t, x&^y == 0, o.ContainsAll(s))
		require.Equal(t, x == y, s.Equal(o))
		for i := range physmem.Address(66) {
			if want := i < 64 && x>>i&1 != 0; s.Contains(i) != want {
				require.Failf(t, "contains", "%v: %v: want %v", s, i, want)
			}
		}
	})
}

func rangesFrom(data []byte) physmem.Ranges {
	var list []physmem.Range
	for ; len(data) >= 2; data = data[2:] {
		list = append(list, span(physmem.Address(data[0]%65), physmem.Address(data[1]%65)))
	}
	return physmem.NewRanges(list...)
}

func ExampleRanges() {
	ram := physmem.NewRanges(
		physmem.Range{Start: 0x100000, End: 0x8000000},
		physmem.Range{Start: 0, End: 0x9f000},
	)
	kernel := physmem.NewRanges(physmem.Range{Start: 0x200000, End: 0x1400000})
	free := ram.Minus(kernel)
	fmt.Println(free)
	block, err := free.FindSpace(8<<20, physmem.WithAlignment(2<<20))
	fmt.Println(block, err)
	_, err = free.FindSpace(1 << 30)
	fmt.Println(err)
	// Output:
	// [0x0, 0x9f000) [0x100000, 0x200000) [0x1400000, 0x8000000)
	// [0x1400000, 0x1c00000) <nil>
	// find 0x40000000 bytes aligned to 0x1 in [0x0, 0x10000000000000): no space: 0x6d9f000 bytes free, at most 0x6c00000 together in [0x1400000, 0x8000000)
}

func BenchmarkRangesContains(b *testing.B) {
	var list []physmem.Range
	for i := range physmem.Address(64) {
		list = append(list, span(i<<20, i<<20+0x80000))
	}
	s := physmem.NewRanges(list...)
	b.ReportAllocs()
	for i := range b.N {
		s.Contains(physmem.Address(i) << 12 & (1<<26 - 1))
	}
}
