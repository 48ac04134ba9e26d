package ramoops_test

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/record/ramoops"
)

func TestPut(t *testing.T) {
	t.Parallel()
	zone := memory(4096)
	data := put(t, zone, "runtime error:\nnil pointer")
	content, err := ramoops.Content(zone)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(content), "====1763768700.123456-D\nRescue host.fault.panic host: runtime error: nil pointer\nRescue-Record 1 "), "%q", content)
	text, err := ramoops.ParseDump(content)
	require.NoError(t, err)
	require.Equal(t, time.Unix(1763768700, 123456000).UTC(), text.Time)
	got, err := ramoops.Record(text.Text)
	require.NoError(t, err)
	require.Equal(t, data, got)

	// A message that is too long is cut, a record is not.
	require.True(t, tryPut(zone, strings.Repeat("x", 10000), data))
	require.False(t, tryPut(zone, "m", make([]byte, 3100)), "base64 of it is too long")
	_, err = ramoops.Content(zone)
	require.ErrorIs(t, err, ramoops.ErrEmpty)
	for n := range 64 {
		require.False(t, tryPut(make([]byte, n, 64), "m", data))
	}
	require.False(t, tryPut(zone, "m", nil))
	for n := 1; n < 40; n++ { // base64 of every length
		require.True(t, tryPut(zone, "m", data[:n]))
		content, err := ramoops.Content(zone)
		require.NoError(t, err)
		got, err := ramoops.Record(content)
		require.NoError(t, err)
		require.Equal(t, data[:n], append([]byte{}, got...))
	}
}

// TestPutPanic passes on what the panic path has recorded.
func TestPutPanic(t *testing.T) {
	t.Parallel()
	layout := record.DefaultLayout()
	area := memory(layout.Size())
	_, err := record.Format(area, layout, record.ID{1})
	require.NoError(t, err)
	at := func(b []byte) (uintptr, uintptr) {
		return uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b))
	}
	zone := memory(4096)
	z, zoneSize := at(zone)
	address, size := at(area)
	require.False(t, ramoops.PutPanic(z, zoneSize, address, size), "no panic")
	f := record.PanicFields(address, size)
	f.Message.Set(record.ViewString("boom"))
	f.Time = 5e9 + 7000
	require.NotZero(t, record.BeginPanic(address, size, f))
	require.True(t, ramoops.PutPanic(z, zoneSize, address, size))
	content, err := ramoops.Content(zone)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(content), "====5.000007-D\nRescue host.fault.panic host: boom\n"), "%q", content)
	data, err := ramoops.Record(content)
	require.NoError(t, err)
	r, err := record.Decode(data)
	require.NoError(t, err)
	require.Equal(t, "boom", r.Message)
}

func TestPutAllocatesNothing(t *testing.T) {
	zone := memory(4096)
	data := sample(t, "boom")
	require.Zero(t, testing.AllocsPerRun(5, func() { tryPut(zone, "m", data) }))
}

// TestTorn changes and cuts the text at each byte: the record is whole or not
// taken for one.
func TestTorn(t *testing.T) {
	t.Parallel()
	zone := memory(4096)
	data := put(t, zone, "boom")
	content, err := ramoops.Content(zone)
	require.NoError(t, err)
	for i := range content {
		for _, flip := range []byte{1, 0x20, 0x80} {
			content[i] ^= flip
			if got, err := ramoops.Record(content); err == nil {
				require.Equal(t, data, got, "byte %d", i)
			}
			content[i] ^= flip
		}
		_, err := ramoops.Record(content[:i])
		require.Error(t, err, "cut at %d", i)
	}
	for i := range zone[:64] { // the zone's header
		zone[i] ^= 0x11
		if content, err := ramoops.Content(zone); err == nil {
			if got, err := ramoops.Record(content); err == nil {
				require.Equal(t, data, got)
			}
		}
		zone[i] ^= 0x11
	}
}

func TestZones(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		g    ramoops.Geometry
		size int
		want []ramoops.Zone
	}{
		{"default", ramoops.DefaultGeometry(), 5 * 4096, []ramoops.Zone{
			{ramoops.Dump, 0, 0, 4096}, {ramoops.Dump, 1, 4096, 4096}, {ramoops.Console, 0, 8192, 4096}, {ramoops.Ftrace, 0, 12288, 4096}, {ramoops.Pmsg, 0, 16384, 4096},
		}},
		{"dumps share what is left", ramoops.Geometry{RecordSize: 4096}, 10000, []ramoops.Zone{{ramoops.Dump, 0, 0, 5000}, {ramoops.Dump, 1, 5000, 5000}}},
		{"rounded down", ramoops.Geometry{RecordSize: 5000, ConsoleSize: 3000}, 6144, []ramoops.Zone{{ramoops.Dump, 0, 0, 4096}, {ramoops.Console, 0, 4096, 2048}}},
		{"traces by CPU", ramoops.Geometry{FtraceSize: 4096, CPUs: 2}, 4096, []ramoops.Zone{{ramoops.Ftrace, 0, 0, 2048}, {ramoops.Ftrace, 1, 2048, 2048}}},
	} {
		got, err := tt.g.Zones(tt.size)
		require.NoError(t, err, tt.name)
		require.Equal(t, tt.want, got, tt.name)
	}
	for name, g := range map[string]ramoops.Geometry{
		"negative": {RecordSize: -1}, "no room": {ConsoleSize: 8192}, "no room for one": {RecordSize: 8192},
		"tiny": {RecordSize: 8}, "traces": {FtraceSize: 1024, CPUs: 1000}, "huge": {ConsoleSize: 1 << 62, PmsgSize: 1 << 62},
	} {
		_, err := g.Zones(4096)
		require.ErrorIs(t, err, ramoops.ErrGeometry, name)
	}
	require.Equal(t, "dmesgconsoleftracepmsgkind 9", ramoops.Dump.String()+ramoops.Console.String()+ramoops.Ftrace.String()+ramoops.Pmsg.String()+ramoops.Kind(9).String())
}

// TestContent has a ring that went round.
func TestContent(t *testing.T) {
	t.Parallel()
	zone := make([]byte, 12+8)
	le := binary.LittleEndian
	set := func(sig, start, size uint32) {
		le.PutUint32(zone, sig)
		le.PutUint32(zone[4:], start)
		le.PutUint32(zone[8:], size)
	}
	copy(zone[12:], "fghabcde")
	set(0x43474244, 3, 8)
	got, err := ramoops.Content(zone)
	require.NoError(t, err)
	require.Equal(t, "abcdefgh", string(got))
	set(0x43474244, 0, 0)
	_, err = ramoops.Content(zone)
	require.ErrorIs(t, err, ramoops.ErrEmpty)
	for _, bad := range [][3]uint32{{0, 0, 1}, {0x43474244, 9, 8}, {0x43474244, 0, 9}, {0x43474244, 5, 4}, {0x43474244, 1 << 31, 1 << 31}} {
		set(bad[0], bad[1], bad[2])
		_, err = ramoops.Content(zone)
		require.ErrorIs(t, err, ramoops.ErrZone)
	}
}

func TestParseDump(t *testing.T) {
	t.Parallel()
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, 9)
	require.NoError(t, err)
	_, err = w.Write([]byte("Panic#1 Part1\nhello\n"))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	text, err := ramoops.ParseDump(append([]byte("====5.000007-C\n"), packed.Bytes()...))
	require.NoError(t, err)
	require.Equal(t, ramoops.Text{Time: time.Unix(5, 7000).UTC(), Compressed: true, Text: []byte("Panic#1 Part1\nhello\n")}, text)
	text, err = ramoops.ParseDump([]byte("====5.7\nold"))
	require.NoError(t, err)
	require.Equal(t, "old", string(text.Text))
	_, err = ramoops.ParseDump(append([]byte("====5.000007-C\n"), packed.Bytes()[:10]...))
	require.ErrorIs(t, err, ramoops.ErrDump)
	for _, bad := range []string{"", "====", "====1-D\n", "===1.2-D\n", "====x.2-D\n", "====1.y-D\n", strings.Repeat("=", 100) + "\n"} {
		_, err := ramoops.ParseDump([]byte(bad))
		require.ErrorIs(t, err, ramoops.ErrDump, "%q", bad)
	}
}

func TestChoose(t *testing.T) {
	t.Parallel()
	g := ramoops.Geometry{RecordSize: 2048, ConsoleSize: 2048}
	region := memory(8192)
	zones, err := g.Zones(len(region))
	require.NoError(t, err)
	for _, want := range []int{0, 1, 2, 2, 2} {
		z, ok := ramoops.Choose(region, zones)
		require.True(t, ok)
		require.Equal(t, ramoops.Zone{Kind: ramoops.Dump, Index: want, Offset: want * 2048, Size: 2048}, z)
		put(t, region[z.Offset:][:z.Size], "boom")
	}
	_, ok := ramoops.Choose(region, zones[3:])
	require.False(t, ok)
	_, ok = ramoops.Choose(region[:100], zones)
	require.False(t, ok)
}

func FuzzZone(f *testing.F) {
	zone := memory(4096)
	require.True(f, tryPut(zone, "boom", sample(f, "boom")))
	f.Add(zone)
	f.Add(append([]byte("DBGC\x00\x00\x00\x00\x20\x00\x00\x00"), "====1.000002-C\nabcdefghijklmnopqrstuvw"...))
	f.Fuzz(func(t *testing.T, data []byte) {
		content, err := ramoops.Content(data)
		if err != nil {
			return
		}
		require.Less(t, len(content), len(data))
		text, err := ramoops.ParseDump(content)
		if err != nil {
			require.ErrorIs(t, err, ramoops.ErrDump)
			return
		}
		if r, err := ramoops.Record(text.Text); err == nil {
			_, _ = record.Decode(r)
		}
	})
}
