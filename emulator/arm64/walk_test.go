package arm64

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// granuleCase is a walk through tables that a test has made.
type granuleCase struct {
	name    string
	model   Model
	tcr     uint64 // T0SZ and TG0, IPS
	va      uint64
	entries []tableEntry
	want    uint64 // the address, or
	status  uint32 // the fault
}

// tableEntry is written to a table at bedTable plus offset.
type tableEntry struct{ offset, value uint64 }

const noFault = statusNone

// tg is TG0 for a granule.
const (
	tg4K           = 0 << 14
	tg64K          = 1 << 14
	tg16K          = 2 << 14
	ips44          = 4 << 32
	ips52          = 6 << 32
	ips32          = 0
	lowerOnly      = 1 << 23 // EPD1
	blockEntry     = 0x701
	pageEntry      = 0x703
	tableEntryBits = 3
	table1         = bedTable + 0x10000 // of later levels; 64 KiB each
	table2         = bedTable + 0x20000
	table3         = bedTable + 0x30000
)

var granuleCases = []granuleCase{
	{"4 KiB, 48 bits, a page", CortexA57, 16 | tg4K | ips44, 0x123456789abc & 0x7fffffffffff, []tableEntry{
		{0x123456789abc >> 39 & 511 * 8, table1 | tableEntryBits}, {0x10000 + 0x123456789abc>>30&511*8, table2 | tableEntryBits},
		{0x20000 + 0x123456789abc>>21&511*8, table3 | tableEntryBits}, {0x30000 + 0x123456789abc>>12&511*8, 0x55000 | pageEntry}}, 0x55abc, noFault},
	{"4 KiB, 48 bits, 1 GiB", CortexA57, 16 | tg4K | ips44, 0x40012345, []tableEntry{{0, table1 | tableEntryBits}, {0x10008, 0x80000000 | blockEntry}}, 0x80012345, noFault},
	{"4 KiB, 48 bits, no 512 GiB", CortexA57, 16 | tg4K | ips44, 0x40012345, []tableEntry{{0, blockEntry}}, 0, 0x04},
	{"4 KiB, 25 bits", CortexA57, 39 | tg4K | ips44, 0x1234567, []tableEntry{{0x1234567 >> 21 * 8, 0xa00000 | blockEntry}}, 0xa34567, noFault},
	{"4 KiB, 25 bits, beyond", CortexA57, 39 | tg4K | ips44, 0x2000000, []tableEntry{{0, 0xa00000 | blockEntry}}, 0, 0x04},
	{"4 KiB, 24 bits", CortexA57, 40 | tg4K | ips44, 0x1000, []tableEntry{{0, 0xa00000 | blockEntry}}, 0, 0x04},
	{"4 KiB, 49 bits", CortexA57, 15 | tg4K | ips44, 0x1000, []tableEntry{{0, table1 | tableEntryBits}}, 0, 0x04},
	{"4 KiB, level 3 is not a block", CortexA57, 34 | tg4K | ips44, 0x1000, []tableEntry{{0, table1 | tableEntryBits}, {0x10008, 0x55000 | blockEntry}}, 0, 0x07},
	{"16 KiB is not there", CortexA57, 17 | tg16K | ips44, 0, []tableEntry{{0, table1 | tableEntryBits}}, 0, 0x04},
	{"16 KiB, 47 bits, a page", Max, 17 | tg16K | ips44, 0x2345_6789_abcd, []tableEntry{
		{0x2345_6789_abcd >> 36 * 8, table1 | tableEntryBits}, {0x10000 + 0x2345_6789_abcd>>25&2047*8, table2 | tableEntryBits},
		{0x20000 + 0x2345_6789_abcd>>14&2047*8, 0x7654_4000 | pageEntry}}, 0x7654_4000 | 0x2345_6789_abcd&0x3fff, noFault},
	{"16 KiB, 32 MiB", Max, 17 | tg16K | ips44, 0x3234567, []tableEntry{{0, table1 | tableEntryBits}, {0x10008, 0x4000000 | blockEntry}}, 0x5234567, noFault},
	{"16 KiB, 48 bits begin at level 0", Max, 16 | tg16K | ips44, 1<<47 | 0x3234567, []tableEntry{{8, table1 | tableEntryBits}, {0x10000, table2 | tableEntryBits},
		{0x20008, 0x4000000 | blockEntry}}, 0x5234567, noFault},
	{"64 KiB, 48 bits, a page", CortexA57, 16 | tg64K | ips44, 0x8765_4321_0fed, []tableEntry{
		{0x8765_4321_0fed >> 42 * 8, table1 | tableEntryBits}, {0x10000 + 0x8765_4321_0fed>>29&8191*8, table2 | tableEntryBits},
		{0x20000 + 0x8765_4321_0fed>>16&8191*8, 0x1230_0000 | pageEntry}}, 0x1230_0fed, noFault},
	{"64 KiB, 512 MiB", CortexA57, 22 | tg64K | ips44, 0x2345_6789, []tableEntry{{0x2345_6789 >> 29 * 8, 0x6000_0000 | blockEntry}}, 0x6345_6789, noFault},
	{"64 KiB, 4 TiB are not there", CortexA57, 16 | tg64K | ips44, 0x2345_6789, []tableEntry{{0, blockEntry}}, 0, 0x05},
	{"64 KiB, 52 bits", Max, 12 | tg64K | ips52, 0xf_2345_6789_abcd, []tableEntry{
		{0xf_2345_6789_abcd >> 42 & 1023 * 8, table1 | tableEntryBits}, {0x10000 + 0xf_2345_6789_abcd>>29&8191*8, table2 | tableEntryBits},
		{0x20000 + 0xf_2345_6789_abcd>>16&8191*8, 0x4444_4444_0000 | 0xa<<12 | pageEntry}}, 0xa_4444_4444_abcd, noFault},
	{"64 KiB, 4 TiB with 52 bits", Max, 12 | tg64K | ips52, 0x2345_6789, []tableEntry{{0, 3<<12 | blockEntry}}, 3<<48 | 0x2345_6789, noFault},
	{"an address beyond IPS, level 3", CortexA57, 34 | tg4K | ips32, 0x1000, []tableEntry{{0, table1 | tableEntryBits}, {0x10008, 1<<32 | pageEntry}}, 0, 0x03},
	{"a table beyond IPS, level 2", CortexA57, 34 | tg4K | ips32, 0x1000, []tableEntry{{0, 1<<32 | tableEntryBits}}, 0, 0x02},
	{"a table where there is no RAM", CortexA57, 34 | tg4K | ips44, 0x1000, []tableEntry{{0, 0x1000_0000 | tableEntryBits}}, 0, 0x17},
	{"access flag, level 2", CortexA57, 34 | tg4K | ips44, 0x1000, []tableEntry{{0, blockEntry &^ 0x400}}, 0, 0x0a},
	{"contiguous pages", CortexA57, 34 | tg4K | ips44, 0x5123, []tableEntry{{0, table1 | tableEntryBits}, {0x10028, 0x75000 | pageEntry | 1<<52}}, 0x75123, noFault},
	{"a tag, without TBI", CortexA57, 34 | tg4K | ips44, 1<<60 | 0x5123, []tableEntry{{0, table1 | tableEntryBits}, {0x10028, 0x75000 | pageEntry}}, 0, 0x04},
	{"a tag, with TBI", CortexA57, 34 | tg4K | ips44 | 1<<37, 1<<60 | 0x5123, []tableEntry{{0, table1 | tableEntryBits}, {0x10028, 0x75000 | pageEntry}}, 0x75123, noFault},
	{"EPD0", CortexA57, 34 | tg4K | ips44 | 1<<7, 0x5123, []tableEntry{{0, table1 | tableEntryBits}, {0x10028, 0x75000 | pageEntry}}, 0, 0x04},
	{"reserved granule", CortexA57, 34 | 3<<14 | ips44, 0x5123, []tableEntry{{0, table1 | tableEntryBits}}, 0, 0x04},
}

func TestWalk(t *testing.T) {
	t.Parallel()
	for _, test := range granuleCases {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newBed(t, Config{Model: test.model})
			for _, e := range test.entries {
				r.put(bedTable+e.offset, e.value)
			}
			r.system(levelEL1, map[string]uint64{"SCTLR_EL1": sctlrPaged, "TCR_EL1": test.tcr | lowerOnly, "TTBR0_EL1": bedTable, "MAIR_EL1": mairPaged})
			pa, status := r.status(test.va, accessRead, false)
			require.Equal(t, test.status, status, "fault status %#x", status)
			require.Equal(t, test.want, pa, "%#x", pa)
			if status == noFault {
				again, _ := r.c.look(test.va)
				require.Equal(t, pa, again)
			}
		})
	}
}

// TestUpperHalf: TTBR1 with a granule and size of its own.
func TestUpperHalf(t *testing.T) {
	t.Parallel()
	r := newBed(t, Config{Model: Max})
	r.put(bedTable, 0x4000_0000|blockEntry)
	r.put(table1, 0x6000_0000|blockEntry)
	r.system(levelEL1, map[string]uint64{"SCTLR_EL1": sctlrPaged, "TTBR0_EL1": bedTable, "TTBR1_EL1": table1, "MAIR_EL1": mairPaged,
		"TCR_EL1": 34 | tg4K | 22<<16 | 3<<30 | ips44}) // 64 KiB above
	for va, want := range map[uint64]uint64{0x1234: 0x4000_1234, 0xffff_fc00_0000_1234: 0x6000_1234} {
		pa, status := r.status(va, accessRead, false)
		require.EqualValues(t, noFault, status)
		require.Equal(t, want, pa)
	}
	_, status := r.status(0xffff_fb00_0000_1234, accessRead, false)
	require.EqualValues(t, 4, status)
}

// permissionCase is an access to a page with rights.
type permissionCase struct {
	name    string
	entry   uint64 // bits of the entry beside page
	table   uint64 // bits of the table above it
	allowed string // of r w x by EL1, R W X by EL0
	wxn     bool
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	for _, test := range []permissionCase{
		{"read and write at EL1", 0, 0, "rwxX", false},
		{"for all", 1 << 6, 0, "rwRWX", false},
		{"read-only at EL1", 2 << 6, 0, "rxX", false},
		{"read-only for all", 3 << 6, 0, "rxRX", false},
		{"no execution at EL0", 3<<6 | 1<<54, 0, "rxR", false},
		{"no execution at EL1", 3<<6 | 1<<53, 0, "rRX", false},
		{"a table that makes read-only", 1 << 6, 1 << 62, "rxRX", false},
		{"a table that is not for EL0", 1 << 6, 1 << 61, "rwxX", false},
		{"a table without execution at EL1", 3 << 6, 1 << 59, "rRX", false},
		{"a table without execution at EL0", 3 << 6, 1 << 60, "rxR", false},
		{"what can be written is not executed", 0, 0, "rwX", true},
		{"what EL0 can write is not executed", 1 << 6, 0, "rwRW", true},
		{"what is read-only is", 3 << 6, 0, "rxRX", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newPagedBed(t, Config{})
			r.put(bedTable+0x1000, pagedLeaf|3|test.table)
			r.put(pagedLeaf, bedData|pageNormal|test.entry)
			if test.wxn {
				r.system(levelEL1, map[string]uint64{"SCTLR_EL1": sctlrPaged | 1<<19})
			}
			allowed := ""
			for i, letter := range "rwxRWX" {
				_, status := r.status(pagedBase, []accessKind{accessRead, accessWrite, accessExecute}[i%3], i >= 3)
				if status == statusNone {
					allowed += string(letter)
				} else {
					require.EqualValues(t, 0x0f, status)
				}
			}
			require.Equal(t, test.allowed, allowed)
		})
	}
}
