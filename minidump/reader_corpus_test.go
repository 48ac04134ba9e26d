package minidump

import (
	"context"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/stretchr/testify/require"
)

// The values in this file are those that other tools found in the dumps
// (LLDB's tests and an independent parser).

var corpusLayouts = []struct {
	name      string
	header    Header
	offsets   [sectionCount]int64
	ranges    [][2]uint64
	setBits   uint64
	totalBits uint64
	fullSize  int64
	fileSize  int64
	dataPages int // pages with any data
	entries   int // words of the page-table section that are not zero
}{
	{
		name: "vmcore-amd64-minidump",
		header: Header{Architecture: AMD64, Version: 3, PageSize: 4096, MessageBufferSize: 0x17fb8, BitmapSize: 0x1000, PageTableSize: 0x7ff000,
			KernelBase: 0xfffffe0000000000, DirectMapBase: 0xfffff80000000000, DirectMapEnd: 0xfffffc0000000000, DumpAvailSize: 0x1000},
		offsets: [sectionCount]int64{0, 0x1000, 0x19000, 0x1a000, 0x1b000, 0x81a000},
		ranges:  [][2]uint64{{0, 0x9f000}, {0x104000, 0x7fdf000}},
		setBits: 24144, totalBits: 32634, fullSize: 107388928, fileSize: 101685248, dataPages: 46, entries: 12,
	}, {
		name: "vmcore-arm64-minidump",
		header: Header{Architecture: ARM64, Version: 2, PageSize: 4096, MessageBufferSize: 0x17fb8, BitmapSize: 0x2000, PageTableSize: 0x6ae000,
			KernelBase: 0xffff000000000000, DirectMapPhysical: 0x40000000, DirectMapBase: 0xffffa00000000000, DirectMapEnd: 0xffffff0000000000, DumpAvailSize: 0x1000},
		offsets: [sectionCount]int64{0, 0x1000, 0x19000, 0x1a000, 0x1c000, 0x6ca000},
		ranges: [][2]uint64{{0x40000000, 0x4bca0000}, {0x4bd00000, 0x4bdc0000}, {0x4be40000, 0x4bfb0000}, {0x4c000000, 0x4c020000},
			{0x4c040000, 0x4c0f0000}, {0x4c1e0000, 0x4f4c0000}, {0x4f550000, 0x50000000}},
		setBits: 19296, totalBits: 64816, fullSize: 86155264, fileSize: 76643328, dataPages: 22, entries: 13,
	},
}

func TestCorpusLayout(t *testing.T) {
	t.Parallel()
	for _, test := range corpusLayouts {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := openCorpus(t, test.name)
			require.Equal(t, FormatMinidump, r.Format())
			require.Equal(t, test.header, r.Header())
			layout := r.Layout()
			for s, offset := range test.offsets {
				require.Equal(t, offset, layout.Sections[s].Offset, Section(s))
			}
			require.Equal(t, rangesOf(test.ranges...), r.DumpAvail().Ranges())
			require.Equal(t, test.totalBits, r.DumpAvail().Pages())
			require.Equal(t, test.setBits, r.Bitmap().Count())
			require.Equal(t, test.setBits, r.NumPages())
			require.Equal(t, test.fullSize, r.ExpectedSize())
			require.Equal(t, test.fileSize, r.Size())
			require.False(t, r.Complete(), "the sample is cut")
			require.Len(t, r.Problems(), 1)
			require.ErrorIs(t, r.Problems()[0], ErrTruncated)
			_, err := r.Notes()
			require.ErrorIs(t, err, ErrNoNotes)
		})
	}
}

func TestCorpusVerify(t *testing.T) {
	t.Parallel()
	for _, test := range corpusLayouts {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := openCorpus(t, test.name)
			report, err := r.Verify(context.Background(), VerifyOptions{})
			require.NoError(t, err)
			for _, f := range report.Findings { // nothing is wrong but the end; no stray bit, all padding zero
				require.Equal(t, CodeFileCut, f.Code, f)
			}
			require.EqualValues(t, 1, report.Counts[CodeFileCut])
			require.EqualValues(t, test.dataPages, report.Pages-report.ZeroPages)
			require.GreaterOrEqual(t, report.Entries, uint64(test.header.PageTableSize/8))

			section := make([]byte, test.header.PageTableSize)
			_, err = r.Section(SectionPageTables).ReadAt(section, 0)
			require.NoError(t, err)
			entries := 0
			for i := 0; i < len(section); i += 8 {
				if binary.LittleEndian.Uint64(section[i:]) != 0 {
					entries++
				}
			}
			require.Equal(t, test.entries, entries)
		})
	}
}

// corpusReads are reads of symbols, one of each path that an address can take.
var corpusReads = []struct {
	name     string
	what     string
	virtual  uint64
	size     int
	value    uint64 // if size is not 0
	path     Path
	entries  []uint64 // on the way
	index    int      // of the first entry; -1 if not known
	physical physmem.Address
	bit      uint64
	offset   int64
}{
	{"vmcore-amd64-minidump", "hz", 0xffffffff81cd4c0c, 4, 100, PathSection, []uint64{0x8000000001c001e3}, 1047566, 0x1cd4c0c, 7279, 0x2433c0c},
	{"vmcore-amd64-minidump", "dumptid", 0xffffffff81ca69a8, 4, 100670, PathSection, []uint64{0x8000000001c001e3}, 1047566, 0x1ca69a8, 7233, 0x24059a8},
	{"vmcore-amd64-minidump", "dumppcb", 0xffffffff81ca6868, 0, 0, PathSection, []uint64{0x8000000001c001e3}, 1047566, 0x1ca6868, 7233, 0x2405868},
	{"vmcore-amd64-minidump", "allproc", 0xffffffff81c9a2f0, 0, 0, PathSection, []uint64{0x8000000001c001e3}, 1047566, 0x1c9a2f0, 7221, 0x23f92f0},
	{"vmcore-amd64-minidump", "PCB", 0xfffffe0045b13610, 8, 0xfffffe00009f5e00, PathSection, []uint64{0x80400000042009e3}, 557, 0x4313610, 17070, 0x46fc610},
	{"vmcore-amd64-minidump", "stack", 0xfffffe00798c4748, 8, 0xffffffff80c09b18, PathSection, []uint64{0x3c15063, 0}, 972, 0x54c4748, 21599, 0x5305748},
	{"vmcore-arm64-minidump", "hz", 0xffff000000e2651c, 4, 1000, PathSection, []uint64{0x44a26703}, 0xe26, 0x44a2651c, 18982, 0x289551c},
	{"vmcore-arm64-minidump", "dumptid", 0xffff000000df3cf0, 4, 100137, PathSection, []uint64{0x449f3703}, 0xdf3, 0x449f3cf0, 18931, 0x2862cf0},
	{"vmcore-arm64-minidump", "dumppcb", 0xffff000000df3790, 0, 0, PathSection, []uint64{0x449f3703}, 0xdf3, 0x449f3790, 18931, 0x2862790},
	{"vmcore-arm64-minidump", "allproc", 0xffff000000de7230, 0, 0, PathSection, []uint64{0x449e7703}, 0xde7, 0x449e7230, 18919, 0x2856230},
	{"vmcore-arm64-minidump", "PCB", 0xffff000082797aa0, 0, 0, PathSection, []uint64{0x6000004c39770b}, 0x82797, 0x4c397aa0, 49495, 0x4917aa0},
	{"vmcore-arm64-minidump", "direct map", 0xffffa00001548700, 0, 0, PathDirectMap, nil, -1, 0x41548700, 5448, 0x147d700},
}

func TestCorpusReads(t *testing.T) {
	t.Parallel()
	for _, test := range corpusReads {
		t.Run(test.name+"/"+test.what, func(t *testing.T) {
			t.Parallel()
			r := openCorpus(t, test.name)
			trace, err := r.Trace(test.virtual)
			require.NoError(t, err)
			require.NoError(t, trace.Missing)
			require.Equal(t, test.path, trace.Path)
			require.Equal(t, test.physical, trace.Physical)
			require.True(t, trace.InDumpAvail)
			require.Equal(t, test.bit, trace.Bit)
			require.Equal(t, test.offset, trace.FileOffset)
			require.Len(t, trace.Steps, len(test.entries))
			for i, step := range trace.Steps {
				require.Equal(t, i == 0, step.InSection)
				if test.entries[i] != 0 {
					require.Equal(t, test.entries[i], step.Entry)
				}
				var word [8]byte
				_, err := r.file.ReadAt(word[:], step.FileOffset)
				require.NoError(t, err)
				require.Equal(t, step.Entry, binary.LittleEndian.Uint64(word[:]), "at the offset that the step says")
			}
			if test.index >= 0 {
				require.Equal(t, test.index, trace.Steps[0].Index)
			}
			physical, err := r.Translate(test.virtual)
			require.NoError(t, err)
			require.Equal(t, test.physical, physical)
			offset, err := r.Locate(physical)
			require.NoError(t, err)
			require.Equal(t, test.offset, offset)

			var virtually, physically [8]byte
			_, err = r.ReadVirtual(virtually[:], test.virtual)
			require.NoError(t, err)
			_, err = r.ReadPhysical(physically[:], physical)
			require.NoError(t, err)
			require.Equal(t, physically, virtually)
			value := binary.LittleEndian.Uint64(virtually[:])
			switch test.size {
			case 4:
				require.Equal(t, test.value, value&0xffffffff)
			case 8:
				require.Equal(t, test.value, value)
			}
		})
	}
}

// TestCorpusTablePage follows an entry to its page table, which is a page of
// the dump.
func TestCorpusTablePage(t *testing.T) {
	t.Parallel()
	r := openCorpus(t, "vmcore-amd64-minidump")
	trace, err := r.Trace(0xfffffe00798c4748)
	require.NoError(t, err)
	table := trace.Steps[1].Table
	require.EqualValues(t, 0x3c15000, table)
	bit, ok := r.DumpAvail().Index(table)
	require.True(t, ok)
	require.EqualValues(t, 15280, bit)
	offset, err := r.Locate(table)
	require.NoError(t, err)
	require.EqualValues(t, 0x408e000, offset)
	require.EqualValues(t, 4096, trace.PageSize)

	bit, ok = r.DumpAvail().Index(0x3013000)
	require.True(t, ok)
	require.EqualValues(t, 12206, bit)
	offset, err = r.Locate(0x3013000)
	require.NoError(t, err)
	require.EqualValues(t, 0x3584000, offset)
}

// TestCorpusMissing asks for what the dumps do not have, and gets the reason.
func TestCorpusMissing(t *testing.T) {
	t.Parallel()
	r := openCorpus(t, "vmcore-amd64-minidump")
	var last physmem.Address
	for address, offset := range r.Pages() {
		if offset < r.Size() {
			last = address
		}
	}
	clear := r.Bitmap().NextClear(0)
	unset, _ := r.DumpAvail().Address(clear)
	tests := []struct {
		address physmem.Address
		want    error
	}{
		{0x9f000, ErrNotInDumpAvail},
		{0x9f000, physmem.ErrOutside},
		{0x103fff, ErrNotInDumpAvail},
		{0x7fdf000, ErrNotInDumpAvail},
		{physmem.MaxAddress, ErrNotInDumpAvail},
		{^physmem.Address(0), ErrNotInDumpAvail},
		{unset, ErrNotInBitmap},
		{last + 0xfff, ErrBeyondEnd}, // the file ends in the middle of this page
	}
	for _, test := range tests {
		n, err := r.ReadPhysical(make([]byte, 16), test.address)
		require.Zero(t, n)
		require.ErrorIs(t, err, test.want)
		var access *physmem.AccessError
		require.ErrorAs(t, err, &access)
		require.Equal(t, test.address, access.Range.Start)
		var missing *MissingError
		require.ErrorAs(t, err, &missing)
		require.Equal(t, test.address, missing.Address)
	}
	holes := slices.Collect(r.Holes())
	require.NotEmpty(t, holes)
	missing := uint64(0)
	for _, h := range holes {
		require.Equal(t, HoleBeyondEnd, h.Reason)
		missing += h.Range.Size()
	}
	require.EqualValues(t, r.ExpectedSize()-r.Size(), missing)
	require.Equal(t, last, holes[0].Range.Start.AlignDown(4096), "the first hole is the rest of the page that is cut")

	_, err := r.Translate(0x1000)
	require.ErrorIs(t, err, ErrNotKernelAddress)
	_, err = r.Translate(0xfffffe0000000000)
	require.ErrorIs(t, err, ErrNotMapped)
	_, err = r.Translate(0xfffffc0000000000)
	require.ErrorIs(t, err, ErrNotKernelAddress)
	physical, err := r.Translate(0xfffff80003369380)
	require.NoError(t, err)
	require.EqualValues(t, 0x3369380, physical)
}

// TestCorpusMessages: the samples' message buffers were trimmed to zeros.
func TestCorpusMessages(t *testing.T) {
	t.Parallel()
	for _, test := range corpusLayouts {
		m, err := openCorpus(t, test.name).MessageBuffer()
		require.NoError(t, err)
		require.Empty(t, m.Text)
		require.Len(t, m.Ring, 0x17fb8)
	}
}

func TestCorpusSpace(t *testing.T) {
	t.Parallel()
	for _, test := range corpusLayouts {
		r := openCorpus(t, test.name)
		s, err := r.ScanSpace(context.Background(), nil)
		require.NoError(t, err)
		sum := int64(0)
		for _, class := range Classes() {
			sum += s.Bytes[class]
		}
		require.Equal(t, r.Size(), sum)
		require.Equal(t, r.ExpectedSize()-r.Size(), s.Missing)
		require.EqualValues(t, 0x1000, s.Bytes[SpaceHeader])
		require.EqualValues(t, 0x18000, s.Bytes[SpaceMessageBuffer])
		require.EqualValues(t, test.header.PageTableSize, s.Bytes[SpacePageTables])
		require.LessOrEqual(t, s.Bytes[SpacePages], int64(test.dataPages)*4096)
		require.Greater(t, s.Bytes[SpacePages], int64(test.dataPages-1)*4096)
	}
}
