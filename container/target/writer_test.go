package target_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/container/kerneldump"
	"github.com/seed64aab995/rescuekernel/container/target"
)

func find(t testing.TB, d *disk, l *target.Label) (*kerneldump.Dump, []byte) {
	t.Helper()
	extent := io.NewSectionReader(d, l.Start, l.Length)
	dump, err := kerneldump.Find(extent, l.Length, kerneldump.FindOptions{})
	if err != nil {
		require.ErrorIs(t, err, kerneldump.ErrNoDump)
		return nil, nil
	}
	b, err := io.ReadAll(dump.Data(extent))
	require.NoError(t, err)
	return dump, b
}

func sections(text string) []target.Section {
	return []target.Section{
		{Kind: target.KindNotes, Data: []byte("notes of " + text)},
		{Kind: target.KindStack, Address: 0x1234_5678_9000, Data: bytes.Repeat([]byte(text), 2000)},
	}
}

func TestWriter(t *testing.T) {
	t.Parallel()
	for _, sector := range []int{512, 4096} {
		d := newDisk(4<<20, sector)
		copy(d.b[3<<20:], content(1<<20)) // somebody else's
		others := bytes.Clone(d.b[3<<20:])
		l := prepare(t, d, 1<<20, 2<<20)
		w := newWriter(t, d, l, header("h", 7))
		d.writes = nil
		require.NoError(t, w.Begin(sections("it")))
		_, err := w.Write(content(100_001))
		require.NoError(t, err)
		require.Equal(t, int64(100_001), w.Written())
		require.NoError(t, w.Close())

		dump, got := find(t, d, l)
		require.NoError(t, dump.Problem)
		require.False(t, dump.Header.Incomplete)
		require.Equal(t, content(100_001), got)
		require.Equal(t, w.Stream(), dump.Header.Identity())
		early, err := target.ReadEarly(d, l)
		require.NoError(t, err)
		require.Equal(t, &target.Early{Stream: w.Stream(), Time: testTime, Label: testID, Sections: sections("it")}, early)
		require.Equal(t, sections("it")[1], *early.Section(target.KindStack))
		require.Nil(t, early.Section(target.KindRecord))
		require.Equal(t, others, d.b[3<<20:])
		require.Equal(t, make([]byte, 1<<20), d.b[:1<<20])
		require.Equal(t, 3, d.flush)

		// The order: the trailing header's place first and last, the leading
		// header and the early record before the data.
		trailing := l.Start + dump.Layout.Trailing
		require.Equal(t, trailing, d.writes[0])
		require.Equal(t, trailing, d.writes[len(d.writes)-1])
		require.Equal(t, l.Leading(), d.writes[2])
		require.Equal(t, l.Leading(), d.writes[len(d.writes)-2])
		for _, at := range d.writes[3:6] {
			require.Less(t, at, l.Leading(), "the early record comes before the data")
		}
	}
}

func TestWriterCut(t *testing.T) {
	t.Parallel()
	d := newDisk(1<<20, 512)
	l := prepare(t, d, 0, 0)
	w := newWriter(t, d, l, header("h", 7))
	require.NoError(t, w.Begin(sections("it")))
	for {
		if _, err := w.Write(content(10_000)); err != nil {
			require.ErrorIs(t, err, kerneldump.ErrTooBig)
			break
		}
	}
	notes := []target.Section{{Kind: target.KindNotes, Data: []byte("it was cut")}}
	require.NoError(t, w.CloseIncomplete(notes))
	dump, got := find(t, d, l)
	require.ErrorIs(t, dump.Problem, kerneldump.ErrNoTrailingHeader)
	require.True(t, dump.Header.Incomplete)
	require.Equal(t, int(w.Written()), len(got))
	require.Zero(t, len(got)%10_000)
	early, err := target.ReadEarly(d, l)
	require.NoError(t, err)
	require.Equal(t, "it was cut", string(early.Section(target.KindNotes).Data))
	require.Equal(t, sections("it")[1], *early.Section(target.KindStack))
}

func TestEarlyRecordFull(t *testing.T) {
	t.Parallel()
	d := newDisk(2<<20, 512)
	l := prepare(t, d, 0, 0)
	w := newWriter(t, d, l, header("h", 7))
	large := target.Section{Kind: target.KindStack, Data: content(target.EarlySize - 4096)}
	require.NoError(t, w.Begin([]target.Section{large}))
	require.ErrorIs(t, w.WriteEarly([]target.Section{{Kind: target.KindNotes, Data: []byte{1}}}), target.ErrEarlyFull)
	early, err := target.ReadEarly(d, l)
	require.NoError(t, err)
	require.Equal(t, []target.Section{large}, early.Sections)

	d.b[l.Start+l.EarlyOffset+4096+77] ^= 1
	early, err = target.ReadEarly(d, l)
	require.NoError(t, err)
	require.True(t, early.Sections[0].Damaged)
	for i := range int64(512) {
		d.b[l.EarlyOffset+i] ^= 1
		_, err = target.ReadEarly(d, l)
		require.Error(t, err, "byte %d of the header", i)
		d.b[l.EarlyOffset+i] ^= 1
	}
}

func TestWriterChecksTheLabel(t *testing.T) {
	t.Parallel()
	base := newDisk(2<<20, 512)
	l := prepare(t, base, 0, 0)
	for name, test := range map[string]struct {
		change func(*disk)
		want   error
	}{
		"gone":    {func(d *disk) { clear(d.b[target.LabelOffset:][:512]) }, target.ErrNoLabel},
		"damaged": {func(d *disk) { d.b[target.LabelOffset+80] ^= 1 }, target.ErrDamaged},
		"another": {func(d *disk) {
			_, err := target.Prepare(d, target.PrepareOptions{ID: target.ID{7}, Size: d.Size(), Force: true})
			require.NoError(t, err)
		}, target.ErrMismatch},
		"shorter": {func(d *disk) {
			_, err := target.Prepare(d, target.PrepareOptions{ID: testID, Size: d.Size(), Length: 1 << 20, Force: true})
			require.NoError(t, err)
		}, target.ErrMismatch},
	} {
		d := base.clone()
		test.change(d)
		before := bytes.Clone(d.b)
		w := newWriter(t, d, l, header("h", 7))
		require.ErrorIs(t, w.Begin(nil), test.want, name)
		require.Equal(t, before, d.b, "%s: the device was written", name)
	}

	_, err := target.NewWriter(target.WriterOptions{Device: newDisk(3<<20, 512), Label: l})
	require.ErrorIs(t, err, target.ErrMismatch)
	_, err = target.NewWriter(target.WriterOptions{Device: newDisk(2<<20, 4096), Label: l})
	require.ErrorIs(t, err, target.ErrMismatch)
	_, err = target.NewWriter(target.WriterOptions{Device: newDisk(2<<20, 512), Label: &target.Label{}})
	require.ErrorIs(t, err, target.ErrDamaged)
}

// The device stops at every write in turn. What is found is the older dump,
// whole, before the first write, and after it never any more; the new one is
// never whole before the last.
func TestStopAtEveryWrite(t *testing.T) {
	t.Parallel()
	base := newDisk(1<<20, 512)
	l := prepare(t, base, 0, 0)
	older := newWriter(t, base, l, header("older", 2000)) // a clock that went back
	require.NoError(t, older.Begin(sections("older")))
	_, err := older.Write(content(20_000))
	require.NoError(t, err)
	require.NoError(t, older.Close())

	want := content(30_000)
	for stop := 0; ; stop++ {
		d := base.clone()
		d.left = stop
		w := newWriter(t, d, l, header("newer", 1000))
		err := w.Begin(sections("newer"))
		for rest := want; err == nil && len(rest) > 0; rest = rest[1000:] {
			_, err = w.Write(rest[:1000])
		}
		if err == nil {
			err = w.Close()
		}
		dump, got := find(t, d, l)
		early, earlyErr := target.ReadEarly(d, l)
		if err == nil {
			require.NoError(t, dump.Problem)
			require.Equal(t, want, got)
			require.Greater(t, stop, 20)
			return
		}
		require.ErrorIs(t, err, errDisk)
		if earlyErr == nil && early.Stream == w.Stream() {
			for _, s := range early.Sections {
				require.False(t, s.Damaged, "stop %d: %v", stop, s.Kind)
			}
		}
		switch {
		case stop == 0:
			require.NoError(t, dump.Problem)
			require.Equal(t, "older", dump.Header.HostName)
		case dump != nil:
			require.ErrorIs(t, dump.Problem, kerneldump.ErrNoTrailingHeader)
			if stop > 2 {
				require.Equal(t, "newer", dump.Header.HostName, "stop %d", stop)
				require.NoError(t, earlyErr)
			}
			if stop > 8 {
				require.Equal(t, w.Stream(), early.Stream)
				n := max(int(w.Written())-2048, 0) // the rest may be staged
				require.True(t, bytes.Equal(want[:n], got[:n]), "stop %d", stop)
			}
		}
	}
}

func FuzzReadEarly(f *testing.F) {
	d := newDisk(1<<20, 512)
	l := prepare(f, d, 0, 0)
	w := newWriter(f, d, l, header("h", 1))
	require.NoError(f, w.Begin(sections("it")))
	f.Add(bytes.Clone(d.b[l.EarlyOffset:][:512]))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := d.clone()
		copy(c.b[l.EarlyOffset:][:4096], b)
		early, err := target.ReadEarly(c, l)
		if err == nil {
			require.LessOrEqual(t, len(early.Sections), target.MaxSections)
		}
	})
}
