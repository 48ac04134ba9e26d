package minidump

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/stretchr/testify/require"
)

// ranges makes ranges of pairs.
func rangesOf(pairs ...[2]uint64) (ranges []physmem.Range) {
	for _, p := range pairs {
		ranges = append(ranges, physmem.Range{Start: physmem.Address(p[0]), End: physmem.Address(p[1])})
	}
	return ranges
}

// naiveIndex is FreeBSD's formula in its plainest form, both ends checked:
// pa/P - start/P + the pages of the ranges before.
func naiveIndex(ranges []physmem.Range, pageSize, address uint64) (bit uint64, ok bool) {
	for _, r := range ranges {
		start, end := uint64(r.Start), uint64(r.End)
		if start <= address && address < end {
			return bit + address/pageSize - start/pageSize, true
		}
		bit += (end+pageSize-1)/pageSize - start/pageSize
	}
	return 0, false
}

// checkIndexing compares every bit and the addresses about the edges with the
// naive formula.
func checkIndexing(t *testing.T, ranges []physmem.Range, pageSize uint32) {
	t.Helper()
	d, err := NewDumpAvail(pageSize, ranges)
	require.NoError(t, err)
	page := uint64(pageSize)
	bits := uint64(0)
	for _, r := range ranges {
		first, last := uint64(r.Start)/page, (uint64(r.End)-1)/page
		for _, p := range []uint64{first, (first + last) / 2, last} {
			address, ok := d.Address(bits + p - first)
			require.True(t, ok)
			require.Equal(t, physmem.Address(p*page), address)
			inside := max(p*page, uint64(r.Start))
			bit, ok := d.Index(physmem.Address(inside))
			require.True(t, ok)
			require.Equal(t, bits+p-first, bit)
		}
		bits += last - first + 1
		for _, edge := range []uint64{uint64(r.Start), uint64(r.End)} {
			for _, address := range []uint64{edge - page, edge - 1, edge, edge + 1, edge + page} {
				bit, ok := d.Index(physmem.Address(address))
				if want, exact := naiveIndex(ranges, page, address); exact {
					require.True(t, ok, "address %#x", address)
					require.Equal(t, want, bit, "address %#x", address)
				} else if ok { // a page that a range begins or ends in
					base, _ := d.Address(bit)
					require.Equal(t, physmem.Address(address).AlignDown(page), base)
				}
			}
		}
	}
	require.Equal(t, bits, d.Pages())
	_, ok := d.Address(bits)
	require.False(t, ok)
	require.GreaterOrEqual(t, d.BitmapSize()*8, bits)
	require.Zero(t, d.BitmapSize()%page)
	if len(ranges) < maxDumpAvailRanges {
		data, err := d.AppendBinary(nil)
		require.NoError(t, err)
		again, err := ParseDumpAvail(append(data, 0xff, 1), binary.LittleEndian, 8, pageSize)
		require.NoError(t, err)
		require.Equal(t, d, again)
		require.Equal(t, len(ranges), len(again.Ranges()))
	}
}

func TestDumpAvailIndexing(t *testing.T) {
	t.Parallel()
	for _, pageSize := range []uint32{PageSize4K, PageSize16K} {
		checkIndexing(t, rangesOf(oddRanges...), pageSize)
		checkIndexing(t, nil, pageSize)
		checkIndexing(t, rangesOf([2]uint64{0, 1}), pageSize)
		checkIndexing(t, rangesOf([2]uint64{1<<52 - 1, 1 << 52}), pageSize)
	}
}

// TestDumpAvailSharedPage has a page that two ranges share, which has two bits.
func TestDumpAvailSharedPage(t *testing.T) {
	t.Parallel()
	d, err := NewDumpAvail(PageSize4K, rangesOf([2]uint64{0x1000, 0x2800}, [2]uint64{0x2900, 0x4000}, [2]uint64{0x6100, 0x6200}))
	require.NoError(t, err)
	tests := []struct {
		address physmem.Address
		bit     uint64
		ok      bool
	}{
		{0xfff, 0, false},
		{0x1000, 0, true},
		{0x27ff, 1, true},
		{0x2800, 1, true}, // between the two: the one before
		{0x2900, 2, true},
		{0x2fff, 2, true},
		{0x3000, 3, true},
		{0x4000, 0, false}, // a hole
		{0x5fff, 0, false},
		{0x6000, 4, true}, // same page as the range
		{0x6fff, 4, true},
		{0x7000, 0, false},
		{^physmem.Address(0), 0, false},
	}
	for _, test := range tests {
		bit, ok := d.Index(test.address)
		require.Equal(t, test.ok, ok, test.address)
		require.Equal(t, test.bit, bit, test.address)
	}
	require.EqualValues(t, 5, d.Pages())
}

func TestDumpAvailFlat(t *testing.T) {
	t.Parallel()
	d, err := NewFlatDumpAvail(PageSize4K, 64)
	require.NoError(t, err)
	require.True(t, d.IsFlat())
	bit, ok := d.Index(63*4096 + 5)
	require.True(t, ok)
	require.EqualValues(t, 63, bit)
	_, ok = d.Index(64 * 4096)
	require.False(t, ok)
	empty, err := NewFlatDumpAvail(PageSize4K, 0)
	require.NoError(t, err)
	require.Zero(t, empty.Pages())
	_, err = NewFlatDumpAvail(PageSize4K, 1<<60)
	require.ErrorIs(t, err, ErrTooLarge)
}

func TestDumpAvailRefused(t *testing.T) {
	t.Parallel()
	tests := map[string][]physmem.Range{
		"empty":       rangesOf([2]uint64{0x1000, 0x1000}),
		"reversed":    rangesOf([2]uint64{0x2000, 0x1000}),
		"overlapping": rangesOf([2]uint64{0, 0x2000}, [2]uint64{0x1fff, 0x3000}),
		"descending":  rangesOf([2]uint64{0x4000, 0x5000}, [2]uint64{0, 0x1000}),
		"too high":    rangesOf([2]uint64{0, 1<<52 + 1}),
		"wrapping":    rangesOf([2]uint64{0x1000, ^uint64(0)}),
	}
	for name, ranges := range tests {
		_, err := NewDumpAvail(PageSize4K, ranges)
		require.ErrorIs(t, err, ErrDamaged, name)
	}
	_, err := NewDumpAvail(4095, nil)
	require.ErrorIs(t, err, ErrUnsupported)
	_, err = NewDumpAvail(0, nil)
	require.ErrorIs(t, err, ErrUnsupported)
}

// TestParseDumpAvail parses what is in files: widths, byte orders, junk.
func TestParseDumpAvail(t *testing.T) {
	t.Parallel()
	pairs := func(order binary.AppendByteOrder, width int, values ...uint64) (b []byte) {
		for _, v := range values {
			if width == 4 {
				b = order.AppendUint32(b, uint32(v))
			} else {
				b = order.AppendUint64(b, v)
			}
		}
		return b
	}
	little, big := binary.LittleEndian, binary.BigEndian
	tests := []struct {
		name  string
		data  []byte
		order binary.ByteOrder
		width int
		want  [][2]uint64
		err   error
	}{
		{"starts at 0", pairs(little, 8, 0, 0x1000, 0x3000, 0x4000, 0, 0), little, 8, [][2]uint64{{0, 0x1000}, {0x3000, 0x4000}}, nil},
		{"junk behind the end", pairs(little, 8, 0, 0x1000, 7, 0, 9, 9), little, 8, [][2]uint64{{0, 0x1000}}, nil},
		{"big-endian", pairs(big, 8, 0, 0x1000, 0, 0), big, 8, [][2]uint64{{0, 0x1000}}, nil},
		{"arm", pairs(little, 4, 0x1000, 0x3000, 0, 0), little, 4, [][2]uint64{{0x1000, 0x3000}}, nil},
		{"nothing", nil, little, 8, nil, ErrDamaged},
		{"no terminator", pairs(little, 8, 0, 0x1000), little, 8, [][2]uint64{{0, 0x1000}}, ErrDamaged},
		{"cut in a pair", pairs(little, 8, 0, 0x1000, 5)[:20], little, 8, [][2]uint64{{0, 0x1000}}, ErrDamaged},
		{"second is bad", pairs(little, 8, 0, 0x1000, 0x900, 0x2000, 0, 0), little, 8, [][2]uint64{{0, 0x1000}}, ErrDamaged},
	}
	for _, test := range tests {
		d, err := ParseDumpAvail(test.data, test.order, test.width, PageSize4K)
		require.ErrorIs(t, err, test.err, test.name)
		require.Equal(t, len(test.want), d.NumRanges(), test.name)
		for i, r := range d.Ranges() {
			require.Equal(t, test.want[i], [2]uint64{uint64(r.Start), uint64(r.End)}, test.name)
		}
	}
}

// FuzzBitmap compares indexing and a page bitmap with naive models.
func FuzzBitmap(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8}, uint64(1), false)
	f.Add([]byte{0, 0, 0, 1, 255, 255, 255, 255, 9, 9}, uint64(2), true)
	f.Fuzz(func(t *testing.T, shape []byte, seed uint64, large bool) {
		pageSize := uint32(PageSize4K)
		if large {
			pageSize = PageSize16K
		}
		var ranges []physmem.Range
		at := uint64(0)
		for i := 0; i+4 <= len(shape) && i < 64; i += 4 { // gap and size in units of 256 bytes
			start := at + uint64(binary.LittleEndian.Uint16(shape[i:]))<<8
			at = start + uint64(binary.LittleEndian.Uint16(shape[i+2:]))<<8
			if at > start {
				ranges = append(ranges, physmem.Range{Start: physmem.Address(start), End: physmem.Address(at)})
			}
		}
		checkIndexing(t, ranges, pageSize)
		d, err := NewDumpAvail(pageSize, ranges)
		require.NoError(t, err)
		bitmap, err := NewPageBitmap(d, make([]uint64, d.NumWords()))
		require.NoError(t, err)
		model := make(map[uint64]bool)
		random := rand.New(rand.NewPCG(seed, 0))
		for range 100 {
			address := physmem.Address(random.Uint64N(at + 1))
			bit, ok := d.Index(address)
			set := random.IntN(3) > 0
			if set {
				require.Equal(t, ok, bitmap.Set(address))
			} else {
				require.Equal(t, ok, bitmap.Clear(address))
			}
			if ok {
				model[bit] = set
			}
			require.Equal(t, ok && set, bitmap.Test(address))
		}
		s := bitmap.Snapshot()
		rank := uint64(0)
		for bit := range s.Len() {
			require.Equal(t, model[bit], s.Test(bit))
			require.Equal(t, rank, s.Rank(bit))
			if model[bit] {
				selected, ok := s.Select(rank)
				require.True(t, ok)
				require.Equal(t, bit, selected)
				rank++
			}
		}
		require.Equal(t, rank, s.Count())
		require.Equal(t, rank, bitmap.Count())
	})
}
