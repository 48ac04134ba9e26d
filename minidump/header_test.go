package minidump

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// goldenHeaders are headers as minidump.h of each architecture lays them out.
var goldenHeaders = []struct {
	name   string
	header Header
	hex    string
}{
	{"amd64 v1", Header{Architecture: AMD64, Version: 1, PageSize: 4096, MessageBufferSize: 0x17fb8, BitmapSize: 0x1000, PageTableSize: 0x7ff000,
		KernelBase: 0xfffffe0000000000, DirectMapBase: 0xfffff80000000000, DirectMapEnd: 0xfffffc0000000000},
		"6d696e6964756d7020467265654253442f616d6436340000" + "01000000b87f01000010000000f07f00" +
			"0000000000feffff" + "0000000000f8ffff" + "0000000000fcffff" + "0000000000000000"},
	{"amd64 v2", Header{Architecture: AMD64, Version: 2, PageSize: 4096, MessageBufferSize: 1, BitmapSize: 8, PageTableSize: 3},
		"6d696e6964756d7020467265654253442f616d6436340000" + "02000000010000000800000003000000" + strings.Repeat("00", 32)},
	{"amd64 v3", Header{Architecture: AMD64, Version: 3, PageSize: 4096, MessageBufferSize: 0x17fb8, BitmapSize: 0x1000, PageTableSize: 0x7ff000,
		KernelBase: 0xfffffe0000000000, DirectMapBase: 0xfffff80000000000, DirectMapEnd: 0xfffffc0000000000, DumpAvailSize: 0x1000},
		"6d696e6964756d7020467265654253442f616d6436340000" + "03000000b87f01000010000000f07f00" +
			"0000000000feffff" + "0000000000f8ffff" + "0000000000fcffff" + "0010000000000000"},
	{"arm64 v1", Header{Architecture: ARM64, Version: 1, PageSize: 4096, BitmapSize: 16, KernelBase: 1, DirectMapPhysical: 2, DirectMapBase: 3, DirectMapEnd: 4},
		"6d696e6964756d7020467265654253442f61726d36340000" + "01000000000000001000000000000000" +
			"0100000000000000" + "0200000000000000" + "0300000000000000" + "0400000000000000" + "0000000000000000"},
	{"arm64 v2", Header{Architecture: ARM64, Version: 2, PageSize: 4096, DumpAvailSize: 0x1000},
		"6d696e6964756d7020467265654253442f61726d36340000" + "02000000000000000000000000000000" + strings.Repeat("00", 32) + "0010000000000000"},
	{"arm64 v3 16K", Header{Architecture: ARM64, Version: 3, PageSize: 16384, DumpAvailSize: 0x4000, Flags: 1},
		"6d696e6964756d7020467265654253442f61726d36340000" + "03000000000000000000000000000000" + strings.Repeat("00", 32) + "0040000001000000"},
}

func TestHeaderGolden(t *testing.T) {
	t.Parallel()
	for _, test := range goldenHeaders {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			want, err := hex.DecodeString(test.hex)
			require.NoError(t, err)
			got, err := test.header.AppendBinary([]byte("x"))
			require.NoError(t, err)
			require.Equal(t, want, got[1:])
			require.Len(t, want, test.header.Size())
			parsed, err := ParseHeader(want)
			require.NoError(t, err)
			require.Equal(t, &test.header, parsed)
		})
	}
}

// TestHeaderStaleFields has bytes where later versions have fields: a reader
// must not take them.
func TestHeaderStaleFields(t *testing.T) {
	t.Parallel()
	for _, a := range []Architecture{AMD64, ARM64, RISCV, I386, ARM, MIPS} {
		data := []byte(strings.Repeat("\xff", 80))
		copy(data, make([]byte, 24))
		copy(data, "minidump FreeBSD/"+a.String())
		binary.LittleEndian.PutUint32(data[24:], 1)
		h, err := ParseHeader(data)
		require.NoError(t, err, a)
		require.Zero(t, h.DumpAvailSize, a)
		require.Zero(t, h.Flags, a)
		require.False(t, h.HasDumpAvail(), a)
		require.Equal(t, ^uint32(0), h.BitmapSize, a)
	}
}

// TestHeaderForeign parses the headers of architectures that are only shown.
func TestHeaderForeign(t *testing.T) {
	t.Parallel()
	words := func(order binary.AppendByteOrder, magic string, width int, w ...uint32) []byte {
		b := make([]byte, width)
		copy(b, magic)
		for _, v := range w {
			b = order.AppendUint32(b, v)
		}
		return b
	}
	little, big := binary.LittleEndian, binary.BigEndian
	power := words(big, "minidump FreeBSD/powerpc64", 32)
	power = append(power, words(big, "mmu_phyp", 32, 2, 10, 16, 30, 0xc0000000, 1, 0xc0000000, 2, 0xd, 3, 0xd, 4, 1, 0, 5, 6, 7, 8, 4096, 0)...)
	tests := []struct {
		name string
		data []byte
		want Header
	}{
		{"i386", words(little, "minidump FreeBSD/i386", 24, 2, 0x17fc8, 0x1000, 0xec000, 0x800000, 1, 0x1000),
			Header{Architecture: I386, Version: 2, PageSize: 4096, MessageBufferSize: 0x17fc8, BitmapSize: 0x1000, PageTableSize: 0xec000,
				KernelBase: 0x800000, PAEMode: 1, DumpAvailSize: 0x1000}},
		{"arm", words(little, "minidump FreeBSD/arm", 24, 2, 1, 8, 3, 0xc0000000, 5, 2, 0x1000),
			Header{Architecture: ARM, Version: 2, PageSize: 4096, MessageBufferSize: 1, BitmapSize: 8, PageTableSize: 3,
				KernelBase: 0xc0000000, ARMArchitecture: 5, MMUFormat: 2, DumpAvailSize: 0x1000}},
		{"arm, big-endian", words(big, "minidump FreeBSD/arm", 24, 1, 1, 8, 3, 0xc0000000, 5, 2, 0x1000),
			Header{Architecture: ARM, Version: 1, PageSize: 4096, MessageBufferSize: 1, BitmapSize: 8, PageTableSize: 3,
				KernelBase: 0xc0000000, ARMArchitecture: 5, MMUFormat: 2, BigEndian: true}},
		{"riscv", words(little, "minidump FreeBSD/riscv", 24, 2, 1, 8, 3, 4, 5, 6, 7, 8, 9, 10, 11, 4096, 0),
			Header{Architecture: RISCV, Version: 2, PageSize: 4096, MessageBufferSize: 1, BitmapSize: 8, PageTableSize: 3,
				KernelBase: 5<<32 | 4, DirectMapPhysical: 7<<32 | 6, DirectMapBase: 9<<32 | 8, DirectMapEnd: 11<<32 | 10, DumpAvailSize: 4096}},
		{"mips", words(big, "minidump FreeBSD/mips", 24, 2, 1, 8, 3, 4, 5, 6, 7, 8, 9, 4096, 0),
			Header{Architecture: MIPS, Version: 2, PageSize: 4096, MessageBufferSize: 1, BitmapSize: 8, PageTableSize: 3,
				KernelBase: 4<<32 | 5, DirectMapBase: 6<<32 | 7, DirectMapEnd: 8<<32 | 9, DumpAvailSize: 4096, BigEndian: true}},
		{"powerpc64", power,
			Header{Architecture: PowerPC64, Version: 2, PageSize: 4096, MessageBufferSize: 10, BitmapSize: 16, PageTableSize: 30, BigEndian: true,
				MMUName: "mmu_phyp", KernelBase: 0xc0000000<<32 | 1, KernelEnd: 0xc0000000<<32 | 2, DirectMapBase: 0xd<<32 | 3, DirectMapEnd: 0xd<<32 | 4,
				HardwareDirectMap: 1, StartKernel: 5<<32 | 6, EndKernel: 7<<32 | 8, DumpAvailSize: 4096}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h, err := ParseHeader(append(test.data, make([]byte, 100)...))
			require.NoError(t, err)
			require.Equal(t, &test.want, h)
			_, err = h.AppendBinary(nil)
			require.ErrorIs(t, err, ErrUnsupported)
			require.False(t, h.Architecture.CanTranslate())
		})
	}
}

func TestHeaderRefused(t *testing.T) {
	t.Parallel()
	good, err := hex.DecodeString(goldenHeaders[2].hex)
	require.NoError(t, err)
	change := func(at int, b ...byte) []byte {
		data := append([]byte(nil), good...)
		copy(data[at:], b)
		return data
	}
	tests := []struct {
		name string
		data []byte
		want error
	}{
		{"empty", nil, ErrTruncated},
		{"part of the magic", good[:9], ErrTruncated},
		{"magic only", good[:24], ErrTruncated},
		{"one byte short", good[:71], ErrTruncated},
		{"another file", []byte("MDMP\x93\xa7"), ErrNotDump},
		{"ELF", []byte("\x7fELF"), ErrNotDump},
		{"version 0", change(24, 0), ErrUnsupported},
		{"version 4", change(24, 4), ErrUnsupported},
		{"unknown architecture", change(17, 'v', 'a', 'x', 0, 0), ErrUnsupported},
		{"junk behind the magic", change(23, 1), ErrUnsupported},
		{"arm64 with 64K pages", func() []byte {
			data, _ := hex.DecodeString(goldenHeaders[5].hex)
			data[76] = 2
			return data
		}(), ErrUnsupported},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseHeader(test.data)
			require.ErrorIs(t, err, test.want)
		})
	}
}

func TestHeaderNotWritable(t *testing.T) {
	t.Parallel()
	good := goldenHeaders[2].header
	tests := map[string]func(*Header){
		"architecture":               func(h *Header) { h.Architecture = RISCV },
		"version":                    func(h *Header) { h.Version = 4 },
		"page size":                  func(h *Header) { h.PageSize = 16384 },
		"flags":                      func(h *Header) { h.Flags = 1 },
		"big-endian":                 func(h *Header) { h.BigEndian = true },
		"dmapphys":                   func(h *Header) { h.DirectMapPhysical = 1 },
		"dump_avail in an old dump":  func(h *Header) { h.Version = 2 },
		"bitmap size no word's size": func(h *Header) { h.BitmapSize = 12 },
	}
	for name, spoil := range tests {
		h := good
		spoil(&h)
		_, err := h.MarshalBinary()
		require.Error(t, err, name)
	}
}

func FuzzHeader(f *testing.F) {
	for _, test := range goldenHeaders {
		data, err := hex.DecodeString(test.hex)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Add([]byte("minidump FreeBSD/powerpc64"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var h Header
		if h.UnmarshalBinary(data) != nil || h.Validate() != nil {
			return
		}
		written, err := h.MarshalBinary()
		require.NoError(t, err)
		again, err := ParseHeader(written)
		require.NoError(t, err)
		require.Equal(t, &h, again)
	})
}
