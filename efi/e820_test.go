package efi_test

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/efi"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// pc is what SeaBIOS says about 2 GiB.
func pc() efi.E820 {
	return efi.E820{
		{Base: 0, Length: 0x9fc00, Type: efi.RangeRAM},
		{Base: 0x9fc00, Length: 0x400, Type: efi.RangeReserved},
		{Base: 0xf0000, Length: 0x10000, Type: efi.RangeReserved},
		{Base: 0x100000, Length: 0x7fee0000, Type: efi.RangeRAM},
		{Base: 0x7ffe0000, Length: 0x20000, Type: efi.RangeACPIReclaimable},
		{Base: 0xfffc0000, Length: 0x40000, Type: 77},
	}
}

func TestE820RoundTrip(t *testing.T) {
	t.Parallel()
	data, err := pc().AppendBinary(nil)
	require.NoError(t, err)
	require.Len(t, data, 6*20, "the recorded length is what was written, no more")
	got, err := efi.ParseE820(data, efi.EntrySizeLinux)
	require.NoError(t, err)
	require.Equal(t, pc(), got)

	page := make([]byte, 4096)
	page[0x1e8] = 6
	copy(page[0x2d0:], data)
	got, err = efi.ParseBootParams(page)
	require.NoError(t, err)
	require.Equal(t, pc(), got)

	var wide []byte
	for i := range 6 {
		wide = append(append(wide, data[i*20:][:20]...), 0xff, 0, 0, 0)
	}
	got, err = efi.ParseE820(wide, efi.EntrySizePVH)
	require.NoError(t, err)
	require.Equal(t, pc(), got)

	memory := mustMemory(t, got)
	require.Equal(t, "[0x0, 0x9fc00) [0x100000, 0x7ffe0000)", memory.RAM().String())
	again := mustMemory(t, efi.NewE820(memory))
	require.Equal(t, memory, again)
}

func TestE820Types(t *testing.T) {
	t.Parallel()
	want := map[efi.RangeType]physmem.MemoryType{
		efi.RangeACPINVS: physmem.MemoryACPINVS, efi.RangeUnusable: physmem.MemoryUnusable,
		efi.RangeDisabled: physmem.MemoryReserved, efi.RangePersistent: physmem.MemoryPersistent,
		0: physmem.MemoryReserved, math.MaxUint32: physmem.MemoryReserved,
	}
	for in, out := range want {
		require.Equal(t, out, in.MemoryType())
	}
}

func TestE820Refused(t *testing.T) {
	t.Parallel()
	entry := func(base, length uint64) []byte {
		b := binary.LittleEndian.AppendUint64(nil, base)
		b = binary.LittleEndian.AppendUint64(b, length)
		return binary.LittleEndian.AppendUint32(b, 1)
	}
	for _, tt := range []struct {
		name string
		data []byte
		size int
		want error
	}{
		{"entry size", entry(0, 1), 16, efi.ErrSize},
		{"SMAP length 4 too long", append(entry(0, 1), 0, 0, 0, 0), 20, efi.ErrSize},
		{"too many", make([]byte, 1025*20), 20, efi.ErrSize},
		{"wraps", entry(math.MaxUint64, 2), 20, efi.ErrRange},
		{"length beyond", entry(0x1000, math.MaxUint64), 20, efi.ErrRange},
	} {
		_, err := efi.ParseE820(tt.data, tt.size)
		require.ErrorIs(t, err, tt.want, tt.name)
	}
	var overlap *physmem.OverlapError
	_, err := efi.ParseE820(append(entry(0, 0x1001), entry(0x1000, 1)...), 20)
	require.ErrorAs(t, err, &overlap)
	_, err = efi.E820{{Base: 0, Length: 2, Type: 1}, {Base: 1, Length: 1, Type: 2}}.AppendBinary(nil)
	require.ErrorAs(t, err, &overlap)
	_, err = make(efi.E820, 1025).AppendBinary(nil)
	require.ErrorIs(t, err, efi.ErrSize)
	_, err = efi.ParseBootParams(make([]byte, 4095))
	require.ErrorIs(t, err, efi.ErrSize)
	page := make([]byte, 4096)
	page[0x1e8] = 129
	_, err = efi.ParseBootParams(page)
	require.ErrorIs(t, err, efi.ErrSize)
}

func TestE820RestrictBytes(t *testing.T) {
	t.Parallel()
	reservation := physmem.Range{Start: 0x10000000, End: 0x10800000}
	got, err := pc().Restrict(reservation, efi.KeepLow())
	require.NoError(t, err)
	// Low memory ends in whole pages; the EBDA's page is not given away.
	require.Equal(t, efi.Entry{Base: 0, Length: 0x9f000, Type: efi.RangeRAM}, got[0])
	require.Equal(t, efi.Entry{Base: 0x10000000, Length: 0x800000, Type: efi.RangeRAM}, got[3])
	require.Len(t, got, 6)
	got, err = pc().Restrict(reservation)
	require.NoError(t, err)
	checkRestricted(t, mustMemory(t, pc()), mustMemory(t, got), reservation, false)
	_, err = pc().Restrict(physmem.Range{Start: 0x7ff00000, End: 0x7fff0000})
	require.ErrorIs(t, err, efi.ErrNotRAM)
	_, err = efi.E820{{Base: 1 << 60, Length: 1}}.Restrict(reservation)
	require.ErrorIs(t, err, efi.ErrRange)
}

func FuzzParseE820(f *testing.F) {
	data, err := pc().AppendBinary(nil)
	require.NoError(f, err)
	f.Add(data, 20, uint64(0x10000000), uint64(0x800000))
	f.Add(data, 24, uint64(0), uint64(0x9fc00))
	f.Fuzz(func(t *testing.T, data []byte, size int, start, length uint64) {
		m, err := efi.ParseE820(data, size)
		if err != nil {
			return
		}
		again, err := m.AppendBinary(nil)
		require.NoError(t, err)
		n, err := efi.ParseE820(again, efi.EntrySizeLinux)
		require.NoError(t, err)
		require.Equal(t, m, n)
		reservation, ok := physmem.NewRange(physmem.Address(start), length)
		if !ok {
			return
		}
		restricted, err := m.Restrict(reservation)
		if err != nil {
			return
		}
		checkRestricted(t, mustMemory(t, m), mustMemory(t, restricted), reservation, false)
	})
}
