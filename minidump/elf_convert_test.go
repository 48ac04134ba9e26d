package minidump

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestConvertStops ends a conversion by its context and by its writer.
func TestConvertStops(t *testing.T) {
	t.Parallel()
	m := generate(t, machineConfigs()[1])
	_, data, r := openDump(t, m.source())
	c, core, _ := convert(t, r)
	require.Greater(t, c.Size(), int64(2*conversionBlock))

	ctx, cancel := context.WithCancel(context.Background())
	var calls int
	var w bytes.Buffer
	report, err := c.Convert(ctx, &w, func(done, total int64) {
		calls++
		require.Equal(t, c.Size(), total)
		require.EqualValues(t, w.Len(), done)
		cancel()
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 1, calls)
	require.EqualValues(t, w.Len(), report.Written)
	require.Equal(t, core[:w.Len()], w.Bytes())

	full := &failing{left: 3*conversionBlock/2 + 1}
	report, err = r.CopyMinidump(context.Background(), full, nil)
	require.ErrorIs(t, err, errFull)
	require.EqualValues(t, full.Len(), report.Written)
	checkStart(t, full.Bytes(), data)
}

// TestConvertCorrectsItsHeaders ends a conversion early whose output can be
// written at any offset: the core says itself what it lacks.
func TestConvertCorrectsItsHeaders(t *testing.T) {
	t.Parallel()
	m := generate(t, machineConfigs()[1])
	_, _, r := openDump(t, m.withNotes(m.source(), 1))
	c, core, whole := convert(t, r)
	require.Contains(t, string(elfNotes(t, whole)[ELFNoteFacts][0]), "\ninterrupted=0\n")
	path := filepath.Join(t.TempDir(), "core")
	out, err := os.Create(path)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	report, err := c.Convert(ctx, out, func(_, _ int64) { cancel() })
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, out.Close())
	require.Less(t, report.Written, c.Size())

	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.EqualValues(t, len(got), report.Written)
	require.Equal(t, core[c.data:len(got)], got[c.data:])
	cut, err := elf.NewFile(bytes.NewReader(got))
	require.NoError(t, err)
	require.Contains(t, string(elfNotes(t, cut)[ELFNoteFacts][0]), "\ninterrupted=1\n")
	require.Len(t, cut.Progs, len(whole.Progs))
	lacking := 0
	for i, p := range cut.Progs {
		want := whole.Progs[i].ProgHeader
		if p.Off+want.Filesz > uint64(len(got)) {
			want.Filesz = max(p.Off, uint64(len(got))) - p.Off
			lacking++
		}
		require.Equal(t, want, p.ProgHeader)
	}
	require.NotZero(t, lacking)
}

// damagedFile fails to read some bytes.
type damagedFile struct {
	*bytes.Reader
	from, to int64
}

var errDamage = errors.New("bad sector")

func (f damagedFile) ReadAt(p []byte, at int64) (int, error) {
	if at < f.to && at+int64(len(p)) > f.from {
		n, _ := f.Reader.ReadAt(p[:max(0, f.from-at)], at)
		return n, errDamage
	}
	return f.Reader.ReadAt(p, at)
}

// TestConvertDamaged converts a dump of which some pages cannot be read.
func TestConvertDamaged(t *testing.T) {
	t.Parallel()
	m := smallMachine(t)
	_, data, whole := openDump(t, m.withNotes(m.source(), 1))
	from, to := whole.layout.PageOffset(7)+10, whole.layout.PageOffset(9)+1
	want := bytes.Clone(data)
	clear(want[whole.layout.PageOffset(7):whole.layout.PageOffset(10)])
	r, err := Open(damagedFile{bytes.NewReader(data), from, to}, int64(len(data)))
	require.NoError(t, err)

	var w bytes.Buffer
	report, err := r.CopyMinidump(context.Background(), &w, nil)
	require.NoError(t, err)
	require.Equal(t, want, w.Bytes())
	require.NotEmpty(t, report.Holes)
	require.False(t, report.Marked)
	var bytesLost uint64
	for _, h := range report.Holes {
		bytesLost += h.Range.Size()
	}
	require.EqualValues(t, 3*4096, bytesLost)

	// A file can be marked.
	file, err := os.Create(filepath.Join(t.TempDir(), "copy"))
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	report, err = r.CopyMinidump(context.Background(), file, nil)
	require.NoError(t, err)
	require.True(t, report.Marked)
	copied, err := Open(file, report.Written)
	require.NoError(t, err)
	_, err = copied.ReadPhysical(make([]byte, 1), report.Holes[0].Range.Start)
	require.ErrorIs(t, err, ErrRecordedHole)

	// The same in an ELF core.
	c, err := NewELFCore(context.Background(), r)
	require.NoError(t, err)
	w.Reset()
	converted, err := c.Convert(context.Background(), &w, nil)
	require.NoError(t, err)
	require.Equal(t, report.Holes, converted.Holes)
	require.Equal(t, want[whole.layout.PageOffset(0):], w.Bytes()[c.data:])

	// Ahead of the pages it is an error.
	r, err = Open(damagedFile{bytes.NewReader(data), 4096, 4097}, int64(len(data)))
	require.NoError(t, err)
	_, err = r.CopyMinidump(context.Background(), io.Discard, nil)
	require.ErrorIs(t, err, errDamage)
}

func TestCopyMinidump(t *testing.T) {
	t.Parallel()
	m := smallMachine(t)
	_, data, r := openDump(t, m.source())
	var w bytes.Buffer
	report, err := r.CopyMinidump(context.Background(), &w, nil)
	require.NoError(t, err)
	require.Equal(t, data, w.Bytes())
	require.Equal(t, Conversion{Written: int64(len(data))}, report)

	// What is cut stays cut, at a page.
	cut := r.layout.PageOffset(5) + 100
	r, err = Open(bytes.NewReader(data[:cut]), cut)
	require.NoError(t, err)
	w.Reset()
	report, err = r.CopyMinidump(context.Background(), &w, nil)
	require.NoError(t, err)
	require.Equal(t, data[:cut-100], w.Bytes())
	require.Empty(t, report.Holes)
}
