package minidump

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/stretchr/testify/require"
)

// verifyFile opens and verifies a file.
func verifyFile(t *testing.T, file []byte, options VerifyOptions) *Report {
	t.Helper()
	r, err := Open(bytes.NewReader(file), int64(len(file)))
	require.NoError(t, err)
	report, err := r.Verify(context.Background(), options)
	require.NoError(t, err)
	return report
}

// TestVerifyGood: nothing is wrong with dumps of any version. The odd ranges
// share pages, which is worth knowing.
func TestVerifyGood(t *testing.T) {
	t.Parallel()
	for name, m := range oddImages() {
		mapOne(t, m)
		file, pages := m.write()
		report := verifyFile(t, file, VerifyOptions{})
		require.True(t, report.Good(), "%s: %v", name, report.Findings)
		for _, f := range report.Findings {
			require.Equal(t, CodeDumpAvailShared, f.Code, "%s: %v", name, f)
		}
		require.EqualValues(t, len(pages), report.Pages)
		require.Positive(t, report.Entries)
	}
}

// TestVerifyFindings breaks one rule at a time.
func TestVerifyFindings(t *testing.T) {
	t.Parallel()
	put32, put64 := binary.LittleEndian.PutUint32, binary.LittleEndian.PutUint64
	const ring, avail, bitmap, tables, pages = 0x1000, 0x2000, 0x3000, 0x4000, 0x5000
	tests := []struct {
		name     string
		spoil    func(f []byte) []byte
		code     Code
		severity Severity
		offset   int64 // -1: not looked at
	}{
		{"header's page", func(f []byte) []byte { f[100] = 1; return f }, CodeHeaderPadding, SeverityWarning, 100},
		{"where notes would be", func(f []byte) []byte { f[1024] = 'R'; return f }, CodeHeaderPadding, SeverityWarning, 1024},
		{"bitmapsize", func(f []byte) []byte { put32(f[32:], 0xff8); return f }, CodeHeaderField, SeverityWarning, -1},
		{"bitmapsize no word's", func(f []byte) []byte { put32(f[32:], 0xfff); return f }, CodeHeaderField, SeverityError, -1},
		{"kernbase", func(f []byte) []byte { f[40] = 1; return f }, CodeHeaderField, SeverityWarning, -1},
		{"direct map reversed", func(f []byte) []byte { put64(f[56:], 0); return f }, CodeHeaderField, SeverityError, -1},
		{"kernbase in the direct map", func(f []byte) []byte { put64(f[40:], 0xffff_0000_4000_0000); return f }, CodeHeaderField, SeverityWarning, -1},
		{"a byte is missing", func(f []byte) []byte { return f[:len(f)-1] }, CodeFileCut, SeverityError, -1},
		{"a byte more", func(f []byte) []byte { return append(f, 0) }, CodeTrailingData, SeverityWarning, -1},
		{"behind dump_avail", func(f []byte) []byte { f[avail+4*16+1] = 1; return f }, CodeDumpAvailTail, SeverityInfo, avail + 4*16 + 1},
		{"no dump_avail", func(f []byte) []byte { clear(f[avail:bitmap]); return f }, CodeDumpAvailEmpty, SeverityError, avail},
		{"dump_avail descends", func(f []byte) []byte { put64(f[avail+16:], 0); return f }, CodeStructure, SeverityError, avail},
		{"a bit behind the last", func(f []byte) []byte { f[bitmap+1] |= 0x80; return f }, CodeStrayBits, SeverityError, bitmap},
		{"a bit far behind", func(f []byte) []byte { f[tables-1] = 0x80; return f }, CodeStrayBits, SeverityError, tables - 8},
		{"a table that is not in the dump", func(f []byte) []byte { put64(f[tables+8:], 0x1063); return f }, CodeTableMissing, SeverityError, tables + 8},
		{"a table in no memory", func(f []byte) []byte { put64(f[tables+16:], 0x7063); return f }, CodeTableOutside, SeverityError, tables + 16},
		{"a large page in no memory", func(f []byte) []byte { put64(f[tables:], 0x800000e3); return f }, CodeLeafOutside, SeverityInfo, tables},
		{"reserved bits", func(f []byte) []byte { put64(f[tables:], 0x20e3); return f }, CodeEntryReserved, SeverityWarning, tables},
		{"a leaf in a table", func(f []byte) []byte {
			put64(f[tables:], 0x2063)
			put64(f[pages+4096+24:], 0xf0000003)
			return f
		}, CodeLeafOutside, SeverityInfo, pages + 4096 + 24},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := smallImage()
			m.content = map[uint64][]byte{0x2000: make([]byte, 4096)}
			file, _ := m.write()
			require.Empty(t, verifyFile(t, slices.Clone(file), VerifyOptions{}).Findings)
			report := verifyFile(t, test.spoil(file), VerifyOptions{})
			i := slices.IndexFunc(report.Findings, func(f Finding) bool { return f.Code == test.code && f.Severity == test.severity })
			require.GreaterOrEqual(t, i, 0, "%v", report.Findings)
			if test.offset >= 0 {
				require.Equal(t, test.offset, report.Findings[i].Offset)
			}
			require.Positive(t, report.Counts[test.code])
			require.GreaterOrEqual(t, report.Worst, test.severity)
			require.NotEmpty(t, report.Findings[i].String())
		})
	}
}

// TestVerifyMany keeps some findings of a kind and counts all.
func TestVerifyMany(t *testing.T) {
	t.Parallel()
	m := smallImage()
	for i := 0; i < 4096; i += 8 {
		binary.LittleEndian.PutUint64(m.tables[i:], 0x7063)
	}
	file, _ := m.write()
	report := verifyFile(t, file, VerifyOptions{})
	require.EqualValues(t, 512, report.Counts[CodeTableOutside])
	require.Len(t, report.Findings, defaultMaxFindings)
	require.Len(t, verifyFile(t, file, VerifyOptions{MaxFindings: 3}).Findings, 3)
	require.Empty(t, verifyFile(t, file, VerifyOptions{SkipTables: true}).Findings)
}

func TestVerifyMessages(t *testing.T) {
	t.Parallel()
	m := smallImage()
	text := bytes.Repeat([]byte("text"), 100)
	sum := uint32(0)
	for _, b := range text {
		sum += uint32(b)
	}
	state := MessageBufferState{Size: 400, WriteSequence: 400, Modulus: 6400, Checksum: sum}
	m.ring, m.ringSize = state.AppendBinary(slices.Clone(text), 0), 400
	file, _ := m.write()
	require.Empty(t, verifyFile(t, slices.Clone(file), VerifyOptions{}).Findings)
	file[0x1000]++
	report := verifyFile(t, slices.Clone(file), VerifyOptions{})
	require.EqualValues(t, 1, report.Counts[CodeMessageChecksum])
	file[0x1000]--
	file[0x1000+400+28]++
	report = verifyFile(t, file, VerifyOptions{})
	require.EqualValues(t, 1, report.Counts[CodeMessageBuffer])
}

func TestVerifyNotes(t *testing.T) {
	t.Parallel()
	n := fullNotes()
	n.Holes = []Hole{
		{physmem.Range{Start: 0x14000, End: 0x15000}, HoleUnreadable},
		{physmem.Range{Start: 0x2000, End: 0x3000}, HoleRedacted}, // which is not zero
		{physmem.Range{Start: 0x1000, End: 0x2000}, HoleRedacted}, // whose bit is clear
		{physmem.Range{Start: 0x1000, End: 0x2000}, HoleLeftOut},  // as it should be
	}
	m := noteImage(t, n)
	m.content[0x14000] = make([]byte, 4096)
	file, _ := m.write()
	report := verifyFile(t, slices.Clone(file), VerifyOptions{})
	require.EqualValues(t, 3, report.Counts[CodeRecordedHole])
	require.EqualValues(t, 1, report.Counts[CodeHoleNotZero], report.Findings)
	require.EqualValues(t, 1, report.Counts[CodeHoleOutside], report.Findings)
	require.EqualValues(t, 2, report.Counts[CodeMark])
	require.EqualValues(t, 1, report.Counts[CodeLeftOut])
	require.Zero(t, report.Counts[CodeHeaderPadding])
	require.Zero(t, report.Counts[CodeStructure])
	require.Equal(t, SeverityWarning, report.Worst)

	file[bytes.Index(file, []byte("host.example"))]++
	report = verifyFile(t, file, VerifyOptions{})
	require.EqualValues(t, 1, report.Counts[CodeNotes], report.Findings)
	require.Zero(t, report.Counts[CodeStructure], report.Findings)
	require.Equal(t, SeverityError, report.Worst)
}

// TestVerifyReadErrors: a container's bad block is named by its pages.
func TestVerifyReadErrors(t *testing.T) {
	t.Parallel()
	m := smallImage()
	_, file, pages := m.open(t)
	broken := errors.New("checksum of frame 7")
	r, err := Open(failingReaderAt{broken, 0x7000, 0x7001, bytes.NewReader(file)}, int64(len(file)))
	require.NoError(t, err)
	report, err := r.Verify(context.Background(), VerifyOptions{})
	require.NoError(t, err)
	require.EqualValues(t, 1, report.Counts[CodeUnreadable])
	f := report.Findings[0]
	require.ErrorIs(t, f.Err, broken)
	require.EqualValues(t, pages[2], f.Range.Start)
	require.EqualValues(t, 0x7000, f.Offset)
	require.EqualValues(t, len(pages), report.Pages)
	require.Zero(t, verifyCount(t, r, VerifyOptions{SkipPages: true}, CodeUnreadable))

	s, err := r.ScanSpace(context.Background(), nil)
	require.NoError(t, err)
	require.EqualValues(t, 4096, s.Unreadable)

	for _, at := range []int64{100, 0x1000, 0x3000, 0x4000} {
		r.file = failingReaderAt{broken, at, at + 1, bytes.NewReader(file)}
		require.Positive(t, verifyCount(t, r, VerifyOptions{}, CodeUnreadable)+verifyCount(t, r, VerifyOptions{}, CodeMessageBuffer), at)
	}
}

func verifyCount(t *testing.T, r *Reader, options VerifyOptions, code Code) uint64 {
	t.Helper()
	report, err := r.Verify(context.Background(), options)
	require.NoError(t, err)
	return report.Counts[code]
}

func TestVerifyCancelled(t *testing.T) {
	t.Parallel()
	r, _, _ := oddImages()["arm64 v2"].open(t)
	ctx, cancel := context.WithCancel(context.Background())
	_, err := r.Verify(ctx, VerifyOptions{Progress: func(done, total int64) {
		require.LessOrEqual(t, done, total)
		cancel()
	}})
	require.ErrorIs(t, err, context.Canceled)
	report, err := r.Verify(ctx, VerifyOptions{})
	require.ErrorIs(t, err, context.Canceled)
	require.NotNil(t, report)
	_, err = r.ScanSpace(ctx, nil)
	require.ErrorIs(t, err, context.Canceled)
}

func TestSpace(t *testing.T) {
	t.Parallel()
	m := smallImage()
	m.content = map[uint64][]byte{0x2000: make([]byte, 4096), 0x11000: make([]byte, 4096)}
	_, file, pages := m.open(t)
	file = append(file, 1, 2, 3)
	r, err := Open(bytes.NewReader(file), int64(len(file)))
	require.NoError(t, err)
	s, err := r.ScanSpace(context.Background(), func(done, total int64) { require.LessOrEqual(t, done, total) })
	require.NoError(t, err)
	want := map[SpaceClass]int64{SpaceHeader: 4096, SpaceMessageBuffer: 4096, SpaceDumpAvail: 4096, SpaceBitmap: 4096, SpacePageTables: 4096,
		SpacePages: int64(len(pages)-2) * 4096, SpaceZeroPages: 8192, SpaceTrailing: 3}
	for _, class := range Classes() {
		require.Equal(t, want[class], s.Bytes[class], class)
	}
}
