package efi_test

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/efi"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// d makes a descriptor of whole pages from start up to end.
func d(t efi.Type, start, end physmem.Address) efi.Descriptor {
	return efi.Descriptor{Type: t, PhysicalStart: start, Pages: uint64(end-start) / efi.PageSize, Attribute: 0xf}
}

func newMap(descriptors ...efi.Descriptor) *efi.Map {
	return &efi.Map{DescriptorSize: 48, Version: 1, Descriptors: descriptors}
}

// firmware is a map as OVMF's, with a reservation's worth of RAM in it.
func firmware() *efi.Map {
	m := newMap(
		d(efi.TypeBootServicesCode, 0, 0x1000),
		d(efi.TypeConventional, 0x1000, 0xa0000),
		d(efi.TypeConventional, 0x100000, 0x800000),
		d(efi.TypeACPINVS, 0x800000, 0x808000),
		d(efi.TypeConventional, 0x1500000, 0x7c000000),
		d(efi.TypeLoaderData, 0x7c000000, 0x7c100000),
		d(efi.TypeRuntimeServicesData, 0x7e9ec000, 0x7eaec000),
		d(efi.TypeACPIReclaim, 0x7eb6c000, 0x7eb7e000),
		d(efi.TypeMMIO, 0xb0000000, 0xc0000000),
		d(efi.TypeConventional, 0x100000000, 0x180000000),
	)
	for i := range m.Descriptors {
		m.Descriptors[i].Tail = []byte{1, 2, 3, 4, 5, 6, 7, byte(i)}
	}
	m.Descriptors[6].Attribute = 1<<63 | 0xf
	m.Descriptors[6].VirtualStart = 0xfffffffeee000000
	return m
}

func TestMapRoundTrip(t *testing.T) {
	t.Parallel()
	want := firmware()
	data, err := want.AppendBinary([]byte("before"))
	require.NoError(t, err)
	data = data[len("before"):]
	require.Len(t, data, 10*48)
	got, err := efi.ParseMap(data, 48, 1)
	require.NoError(t, err)
	require.Equal(t, want, got)

	metadata, err := want.AppendMetadata(nil)
	require.NoError(t, err)
	require.Len(t, metadata, 32+480)
	require.Equal(t, uint64(480), binary.LittleEndian.Uint64(metadata)) // without the header
	got, err = efi.ParseMetadata(append(metadata, 0xff))
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestMapMeaning(t *testing.T) {
	t.Parallel()
	memory, err := firmware().MemoryMap()
	require.NoError(t, err)
	require.Equal(t, "[0x0, 0xa0000) [0x100000, 0x800000) [0x1500000, 0x7c100000) [0x100000000, 0x180000000)", memory.RAM().String())
	region, ok := memory.Lookup(0x7e9ec000)
	require.True(t, ok)
	require.Equal(t, physmem.MemoryFirmware, region.Type)

	want := map[efi.Type]physmem.MemoryType{
		efi.TypeReserved: physmem.MemoryReserved, efi.TypeLoaderCode: physmem.MemoryRAM,
		efi.TypeBootServicesData: physmem.MemoryRAM, efi.TypeRuntimeServicesCode: physmem.MemoryFirmware,
		efi.TypeUnusable: physmem.MemoryUnusable, efi.TypeMMIOPort: physmem.MemoryMMIO,
		efi.TypePersistent: physmem.MemoryPersistent, efi.TypeUnaccepted: physmem.MemoryReserved,
		0x80000001: physmem.MemoryReserved,
	}
	for in, out := range want {
		require.Equal(t, out, in.MemoryType(), in.String())
	}
	require.Equal(t, "EFI memory type 0x80000001", efi.Type(0x80000001).String())
	require.Equal(t, "ACPI NVS", efi.TypeACPINVS.String())
}

func TestMapRefused(t *testing.T) {
	t.Parallel()
	entry := func(change func([]byte)) []byte {
		data, err := newMap(d(efi.TypeConventional, 0x1000, 0x3000)).AppendBinary(nil)
		require.NoError(t, err)
		change(data)
		return data
	}
	u64 := func(at int, v uint64) func([]byte) {
		return func(b []byte) { binary.LittleEndian.PutUint64(b[at:], v) }
	}
	good := entry(func([]byte) {})
	for _, tt := range []struct {
		name          string
		data          []byte
		size, version uint32
		want          error
	}{
		{"version 0", good, 48, 0, efi.ErrVersion},
		{"version 2", good, 48, 2, efi.ErrVersion},
		{"descriptors of no size", good, 0, 1, efi.ErrSize},
		{"descriptors too small", good, 32, 1, efi.ErrSize},
		{"descriptors not aligned", good, 44, 1, efi.ErrSize},
		{"descriptors too large", make([]byte, 2048), 2048, 1, efi.ErrSize},
		{"not whole descriptors", good[:47], 48, 1, efi.ErrSize},
		{"too many", make([]byte, 4097*40), 40, 1, efi.ErrSize},
		{"not page aligned", entry(u64(8, 0x1001)), 48, 1, efi.ErrRange},
		{"pages wrap", entry(u64(24, math.MaxUint64)), 48, 1, efi.ErrRange},
		{"pages times size wrap", entry(u64(24, 1<<52+1)), 48, 1, efi.ErrRange},
		{"beyond the address space", entry(u64(8, 1<<52-0x1000)), 48, 1, efi.ErrRange},
		{"start beyond the address space", entry(u64(8, 1<<63)), 48, 1, efi.ErrRange},
	} {
		_, err := efi.ParseMap(tt.data, tt.size, tt.version)
		require.ErrorIs(t, err, tt.want, tt.name)
	}

	var overlap *physmem.OverlapError
	twice := append(good[:48:48], good...)
	_, err := efi.ParseMap(twice, 48, 1)
	require.ErrorAs(t, err, &overlap)
	_, err = newMap(d(efi.TypeMMIO, 0x2000, 0x4000), d(efi.TypeReserved, 0x3000, 0x5000)).AppendBinary(nil)
	require.ErrorAs(t, err, &overlap)
	_, err = newMap(d(efi.TypeMMIO, 0x2000, 0x4000), d(efi.TypeReserved, 0x4000, 0x5000)).AppendBinary(nil)
	require.NoError(t, err, "touching is not overlapping")

	long := newMap(d(efi.TypeMMIO, 0x2000, 0x4000))
	long.Descriptors[0].Tail = make([]byte, 9)
	_, err = long.AppendBinary(nil)
	require.ErrorIs(t, err, efi.ErrSize)
}

func TestMetadataRefused(t *testing.T) {
	t.Parallel()
	good, err := firmware().AppendMetadata(nil)
	require.NoError(t, err)
	for _, tt := range []struct {
		name string
		at   int
		v    uint64
		want error
	}{
		{"size of the padded header counted in", 0, 512, efi.ErrSize},
		{"size wraps", 0, math.MaxUint64, efi.ErrSize},
		{"descriptor size wraps in 32 bits", 8, 1<<32 + 48, efi.ErrSize},
		{"descriptor size 0", 8, 0, efi.ErrSize},
		{"version", 16, 7, efi.ErrVersion},
	} {
		data := append([]byte(nil), good...)
		binary.LittleEndian.PutUint64(data[tt.at:], tt.v)
		_, err := efi.ParseMetadata(data)
		require.ErrorIs(t, err, tt.want, tt.name)
	}
	for n := range len(good) {
		_, err := efi.ParseMetadata(good[:n])
		require.ErrorIs(t, err, efi.ErrSize, "%d bytes", n)
	}
	_, err = newMap(d(efi.TypeMMIO, 0x1, 0x1001)).AppendMetadata(nil)
	require.ErrorIs(t, err, efi.ErrRange)
}

func FuzzParseMap(f *testing.F) {
	data, err := firmware().AppendBinary(nil)
	require.NoError(f, err)
	f.Add(data, uint32(48), uint32(1), uint64(0x2000000), uint64(0x800000))
	f.Add(data[:80], uint32(40), uint32(1), uint64(0), uint64(0x1000))
	f.Fuzz(func(t *testing.T, data []byte, size, version uint32, start, length uint64) {
		m, err := efi.ParseMap(data, size, version)
		if err != nil {
			return
		}
		again, err := m.AppendBinary(nil)
		require.NoError(t, err)
		n, err := efi.ParseMap(again, size, version)
		require.NoError(t, err)
		require.Equal(t, m, n)
		memory, err := m.MemoryMap()
		require.NoError(t, err)
		reservation, ok := physmem.NewRange(physmem.Address(start), length)
		if !ok {
			return
		}
		restricted, err := m.Restrict(reservation, efi.KeepLow())
		if err != nil {
			return
		}
		checkRestricted(t, memory, mustMemory(t, restricted), reservation, true)
	})
}
