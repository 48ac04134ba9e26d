package efi_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/efi"
	"github.com/seed64aab995/rescuekernel/physmem"
)

func mustMemory(t *testing.T, m interface {
	MemoryMap() (physmem.MemoryMap, error)
}) physmem.MemoryMap {
	t.Helper()
	memory, err := m.MemoryMap()
	require.NoError(t, err)
	return memory
}

// checkRestricted checks what restricting means: RAM is the reservation (and
// what is kept of low memory), and all else is as it was.
func checkRestricted(t *testing.T, before, after physmem.MemoryMap, reservation physmem.Range, low bool) {
	t.Helper()
	require.True(t, after.RAM().ContainsRange(reservation))
	more := after.RAM().Minus(physmem.NewRanges(reservation))
	if !low {
		require.True(t, more.IsEmpty(), "RAM beside the reservation: %v", more)
	}
	require.True(t, before.RAM().ContainsAll(more))
	require.LessOrEqual(t, more.Bounds().End, efi.LowMemory)
	others := []physmem.MemoryType{
		physmem.MemoryReserved, physmem.MemoryACPIReclaimable, physmem.MemoryACPINVS,
		physmem.MemoryFirmware, physmem.MemoryUnusable, physmem.MemoryMMIO, physmem.MemoryPersistent,
	}
	for _, other := range others {
		require.Equal(t, before.OfType(other).String(), after.OfType(other).String())
	}
}

// TestRestrictEdges is weakness l of the FreeBSD rescue kernel: an entry that
// only touches the reservation counted as overlapping it.
func TestRestrictEdges(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	ram := func(start, end physmem.Address) efi.Descriptor { return d(efi.TypeConventional, start, end) }
	acpi := d(efi.TypeACPIReclaim, 48*mib, 49*mib)
	for _, tt := range []struct {
		name        string
		in          []efi.Descriptor
		reservation physmem.Range
		low         bool
		want        []efi.Descriptor
		wantErr     error
	}{
		{"inside of an entry", []efi.Descriptor{ram(0, mib), ram(8*mib, 40*mib), acpi}, physmem.Range{Start: 16 * mib, End: 24 * mib}, false,
			[]efi.Descriptor{ram(16*mib, 24*mib), acpi}, nil},
		{"exactly an entry", []efi.Descriptor{ram(16*mib, 24*mib)}, physmem.Range{Start: 16 * mib, End: 24 * mib}, false,
			[]efi.Descriptor{ram(16*mib, 24*mib)}, nil},
		{"entry ends at the reservation", []efi.Descriptor{d(efi.TypeLoaderData, 8*mib, 16*mib), ram(16*mib, 24*mib)}, physmem.Range{Start: 16 * mib, End: 24 * mib}, false,
			[]efi.Descriptor{ram(16*mib, 24*mib)}, nil},
		{"entry begins at its end", []efi.Descriptor{ram(16*mib, 24*mib), d(efi.TypeLoaderData, 24*mib, 30*mib)}, physmem.Range{Start: 16 * mib, End: 24 * mib}, false,
			[]efi.Descriptor{ram(16*mib, 24*mib)}, nil},
		{"over two entries", []efi.Descriptor{d(efi.TypeLoaderData, 8*mib, 20*mib), acpi, ram(20*mib, 40*mib)}, physmem.Range{Start: 16 * mib, End: 24 * mib}, false,
			[]efi.Descriptor{ram(16*mib, 24*mib), acpi}, nil},
		{"one page before RAM", []efi.Descriptor{ram(16*mib, 24*mib)}, physmem.Range{Start: 16*mib - 4096, End: 24 * mib}, false, nil, efi.ErrNotRAM},
		{"one page beyond RAM", []efi.Descriptor{ram(16*mib, 24*mib), acpi}, physmem.Range{Start: 16 * mib, End: 24*mib + 4096}, false, nil, efi.ErrNotRAM},
		{"in ACPI memory", []efi.Descriptor{ram(16*mib, 24*mib), acpi}, physmem.Range{Start: 48 * mib, End: 49 * mib}, false, nil, efi.ErrNotRAM},
		{"empty", []efi.Descriptor{ram(16*mib, 24*mib)}, physmem.Range{Start: 16 * mib, End: 16 * mib}, false, nil, efi.ErrNotRAM},
		{"not in pages", []efi.Descriptor{ram(16*mib, 24*mib)}, physmem.Range{Start: 16 * mib, End: 16*mib + 1}, false, nil, efi.ErrRange},
		{"low memory kept", []efi.Descriptor{ram(0, 0xa0000), ram(8*mib, 40*mib)}, physmem.Range{Start: 16 * mib, End: 24 * mib}, true,
			[]efi.Descriptor{ram(0, 0xa0000), ram(16*mib, 24*mib)}, nil},
		{"low memory of a long entry", []efi.Descriptor{ram(0, 40*mib)}, physmem.Range{Start: 16 * mib, End: 24 * mib}, true,
			[]efi.Descriptor{ram(0, mib), ram(16*mib, 24*mib)}, nil},
		{"reservation in low memory", []efi.Descriptor{ram(0, 40*mib)}, physmem.Range{Start: 0x1000, End: 8 * mib}, true,
			[]efi.Descriptor{ram(0, 0x1000), ram(0x1000, 8*mib)}, nil},
		{"low memory that does not begin at 0", []efi.Descriptor{ram(0x1000, 0xa0000), ram(8*mib, 40*mib)}, physmem.Range{Start: 16 * mib, End: 24 * mib}, true,
			[]efi.Descriptor{ram(16*mib, 24*mib)}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var options []efi.RestrictOption
			if tt.low {
				options = append(options, efi.KeepLow())
			}
			in := newMap(tt.in...)
			got, err := in.Restrict(tt.reservation, options...)
			require.ErrorIs(t, err, tt.wantErr)
			if tt.wantErr != nil {
				require.ErrorContains(t, err, tt.reservation.String())
				return
			}
			require.Equal(t, tt.want, got.Descriptors)
			checkRestricted(t, mustMemory(t, in), mustMemory(t, got), tt.reservation, tt.low)
			checkE820Alike(t, in, got, tt.reservation, options)
		})
	}
}

// checkE820Alike restricts the same map in the older form: same meaning.
func checkE820Alike(t *testing.T, in, want *efi.Map, reservation physmem.Range, options []efi.RestrictOption) {
	t.Helper()
	got, err := efi.NewE820(mustMemory(t, in)).Restrict(reservation, options...)
	require.NoError(t, err)
	require.Equal(t, mustMemory(t, want), mustMemory(t, got))
}

func TestRestrictKeepsSizeAndTail(t *testing.T) {
	t.Parallel()
	reservation := physmem.Range{Start: 0x7bc00000, End: 0x7c080000}
	got, err := firmware().Restrict(reservation, efi.KeepLow())
	require.NoError(t, err)
	require.Equal(t, uint32(48), got.DescriptorSize)
	require.Len(t, got.Descriptors, 6)
	require.Equal(t, efi.TypeConventional, got.Descriptors[0].Type) // was boot services code
	require.Equal(t, []byte{1, 2, 3, 4, 5, 6, 7, 4}, got.Descriptors[2].Tail)
	require.Equal(t, uint64(0xfffffffeee000000), got.Descriptors[3].VirtualStart)
	_, err = got.AppendBinary(nil)
	require.NoError(t, err)

	broken := newMap(d(efi.TypeConventional, 0x1000, 0x3000), d(efi.TypeConventional, 0x2000, 0x4000))
	_, err = broken.Restrict(reservation)
	var overlap *physmem.OverlapError
	require.ErrorAs(t, err, &overlap)
}
