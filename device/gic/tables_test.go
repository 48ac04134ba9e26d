package gic_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/device/gic"
	"github.com/seed64aab995/rescuekernel/physmem"
)

func span(start, size uint64) physmem.Range {
	return physmem.Range{Start: physmem.Address(start), End: physmem.Address(start + size)}
}

func TestLPITables(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name                string
		properties, pending uint64
		configuration, bits physmem.Range
	}{
		{"16 bits", 0x4800_0000 | 0x78f, 0x4801_0000 | 0x780, span(0x4800_0000, 0xe000), span(0x4801_0000, 0x2000)},
		{"14 bits", 0x4800_1000 | 13, 1<<62 | 0x4801_0000, span(0x4800_1000, 0x2000), span(0x4801_0000, 0x1000)},
		{"too few bits for an LPI", 0x4800_0000 | 12, 0x4801_0000, physmem.Range{Start: 0x4800_0000, End: 0x4800_0000}, span(0x4801_0000, 0x1000)},
		{"more bits than there are", 0x4800_0000 | 31, 0x8_0000_0000, span(0x4800_0000, 1<<24-8192), span(0x8_0000_0000, 1<<21)},
		{"high", 0xf_ffff_0000_0000 | 15, 0xf_fffe_0000_0000, span(0xf_ffff_0000_0000, 0xe000), span(0xf_fffe_0000_0000, 0x2000)},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			configuration, bits := gic.LPITables(test.properties, test.pending)
			require.Equal(t, test.configuration, configuration)
			require.Equal(t, test.bits, bits)
		})
	}
}

func TestITSTables(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		register uint64
		want     physmem.Range
		indirect bool
	}{
		{"not in use", 0x4800_0000, physmem.Range{}, false},
		{"4 KiB pages", gic.ITSValid | 0x4800_1000 | 3, span(0x4800_1000, 0x4000), false},
		{"16 KiB pages", gic.ITSValid | 0x4800_4000 | 1<<8 | 1, span(0x4800_4000, 0x8000), false},
		{"64 KiB pages, two levels", gic.ITSValid | gic.ITSIndirect | 0x4801_0000 | 2<<8, span(0x4801_0000, 0x1_0000), true},
		{"64 KiB pages above 2^48", gic.ITSValid | 0x4801_0000 | 3<<12 | 2<<8, span(3<<48|0x4801_0000, 0x1_0000), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			table, indirect := gic.ITSTableMemory(test.register)
			require.Equal(t, test.want, table)
			require.Equal(t, test.indirect, indirect)
		})
	}
	require.Equal(t, span(0x4802_0000, 0x1_0000), gic.ITSCommandMemory(gic.ITSValid|0x4802_0000|15))
	require.True(t, gic.ITSCommandMemory(0x4802_0000).IsEmpty())
}

func TestITSSecondLevel(t *testing.T) {
	t.Parallel()
	memory := make([]byte, 0x4000)
	put := func(i int, v uint64) { binary.LittleEndian.PutUint64(memory[8*i:], v) }
	put(0, gic.ITSValid|0x4900_0000)
	put(1, 0x4910_0000) // not in use
	put(1023, gic.ITSValid|0x4902_0000)
	reader := physmem.NewBytes(0x4800_0000, memory)
	const register = gic.ITSValid | gic.ITSIndirect | 0x4800_0000 | 1<<8
	tables, err := gic.ITSSecondLevel(reader, register, 8)
	require.NoError(t, err)
	require.Equal(t, physmem.Ranges{span(0x4900_0000, 0x4000), span(0x4902_0000, 0x4000)}, tables)
	_, err = gic.ITSSecondLevel(reader, register, 1)
	require.ErrorContains(t, err, "more than 1 entries")
	_, err = gic.ITSSecondLevel(reader, register|1, 8)
	require.Error(t, err)
	tables, err = gic.ITSSecondLevel(reader, register&^gic.ITSIndirect, 8)
	require.NoError(t, err)
	require.Empty(t, tables)
}
