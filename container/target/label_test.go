package target_test

import (
	"encoding/hex"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/container/kerneldump"
	"github.com/seed64aab995/rescuekernel/container/target"
)

func goodLabel() *target.Label {
	return &target.Label{ID: testID, SectorSize: 512, Start: 1 << 20, Length: 2 << 20, DeviceSize: 4 << 20,
		EarlyOffset: target.LabelOffset + 4096, EarlySize: target.EarlySize, Prepared: testTime}
}

func TestLabelBytes(t *testing.T) {
	t.Parallel()
	b, err := goodLabel().AppendBinary(nil)
	require.NoError(t, err)
	require.Len(t, b, 512)
	require.Equal(t, "5265736375654475"+"6d70546172676574"+ // magic
		"0100000000020000"+ // version, sector size
		"01020300000000000000000000000010"+
		"00001000000000000000200000000000"+"0000400000000000"+
		"0010010000000000"+"00f0070000000000"+
		"05002a36fe9c9717", hex.EncodeToString(b[:88]))
	l, err := target.ParseLabel(b)
	require.NoError(t, err)
	require.Equal(t, goodLabel(), l)
	for i := range b {
		b[i] ^= 0x10
		_, err := target.ParseLabel(b)
		require.Error(t, err, "byte %d", i)
		b[i] ^= 0x10
	}
	_, err = target.ParseLabel(b[:511])
	require.ErrorIs(t, err, target.ErrNoLabel)
}

func TestLabelRefusesNonsense(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*target.Label){
		"sector":            func(l *target.Label) { l.SectorSize = 700 },
		"large sector":      func(l *target.Label) { l.SectorSize = 8192 },
		"no sector":         func(l *target.Label) { l.SectorSize = 0 },
		"start":             func(l *target.Label) { l.Start = 3 << 20 },
		"unaligned":         func(l *target.Label) { l.Start += 5 },
		"negative":          func(l *target.Label) { l.Start = -512 },
		"wraps":             func(l *target.Label) { l.Length = 1<<63 - 1 },
		"early record":      func(l *target.Label) { l.EarlyOffset = 0 },
		"no early record":   func(l *target.Label) { l.EarlySize = 0 },
		"huge early record": func(l *target.Label) { l.EarlySize = 1 << 40 },
		"no room":           func(l *target.Label) { l.Length = 512 << 10 },
	} {
		l := goodLabel()
		change(l)
		_, err := l.AppendBinary(nil)
		require.ErrorIs(t, err, target.ErrDamaged, name)
	}
}

func TestPrepareAndRead(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name                       string
		size, start, length        int64
		sector                     int
		wantStart, wantLength, end int64
	}{
		{"whole", 2 << 20, 0, 0, 512, 0, 2 << 20, 2 << 20},
		{"whole, odd end", 2<<20 + 100, 0, 0, 512, 0, 2 << 20, 2 << 20},
		{"extent", 4 << 20, 1 << 20, 2 << 20, 4096, 1 << 20, 2 << 20, 3 << 20},
		{"to the end", 4 << 20, 1<<20 + 1, 0, 512, 1<<20 + 512, 3<<20 - 512, 4 << 20},
	} {
		d := newDisk(test.size, test.sector)
		l := prepare(t, d, test.start, test.length)
		require.Equal(t, test.wantStart, l.Start, test.name)
		require.Equal(t, test.wantLength, l.Length, test.name)
		got, err := target.Read(d, d.Size(), l.Start)
		require.NoError(t, err, test.name)
		require.Equal(t, l, got, test.name)
		for i, c := range d.b {
			if c != 0 {
				require.True(t, int64(i) >= l.Start+target.LabelOffset && int64(i) < l.Start+target.LabelOffset+512, "%s: wrote at %#x", test.name, i)
			}
		}

		// The dump has the room that the label promises, and no more.
		w := newWriter(t, d, l, header("h", 1))
		require.Equal(t, l.Capacity(), w.Room(), test.name)
		require.NoError(t, w.Begin(nil))
		dump, err := kerneldump.Find(io.NewSectionReader(d, l.Start, l.Length), l.Length, kerneldump.FindOptions{})
		require.NoError(t, err)
		require.Equal(t, l.Leading(), l.Start+dump.Layout.Leading, test.name)
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	d := newDisk(2<<20, 512)
	_, err := target.Read(d, d.Size(), 0)
	require.ErrorIs(t, err, target.ErrNoLabel)
	prepare(t, d, 0, 0)
	_, err = target.Read(d, d.Size(), 4096)
	require.ErrorIs(t, err, target.ErrNoLabel)
	_, err = target.Read(d, d.Size(), 2<<20)
	require.ErrorIs(t, err, target.ErrNoLabel)
	_, err = target.Read(d, d.Size(), -1)
	require.ErrorIs(t, err, target.ErrNoLabel)

	larger := newDisk(3<<20, 512) // the disk was copied to another
	copy(larger.b, d.b)
	_, err = target.Read(larger, larger.Size(), 0)
	require.ErrorIs(t, err, target.ErrMismatch)

	d.b[target.LabelOffset+40] ^= 1
	_, err = target.Read(d, d.Size(), 0)
	require.ErrorIs(t, err, target.ErrDamaged)
}

func FuzzLabel(f *testing.F) {
	b, err := goodLabel().AppendBinary(nil)
	require.NoError(f, err)
	f.Add(b)
	f.Add([]byte("RescueDumpTarget"))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := target.ParseLabel(b)
		if err != nil {
			return
		}
		again, err := l.AppendBinary(nil)
		require.NoError(t, err)
		require.Equal(t, b[:88], again[:88])
	})
}
