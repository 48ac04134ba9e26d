package minidump

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"strings"
	"testing"
	"time"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/stretchr/testify/require"
)

// fullNotes have something in every field.
func fullNotes() *Notes {
	return &Notes{
		CPUs: []CPUNote{
			{Number: 0, Flags: CPUPanicked, Time: 7, Architecture: AMD64, State: []byte{1, 2, 3}},
			{Number: 0x100, Flags: CPUNotStopped, Architecture: AMD64, State: bytes.Repeat([]byte{5}, 400)},
		},
		FaultRecord: []byte("fault"),
		BuildID:     []byte{0xde, 0xad, 0xbe, 0xef},
		HostName:    "host.example",
		Version:     "kernel 1.2",
		Panic:       "page fault",
		Time:        time.Unix(1700000000, 42).UTC(),
		Marks:       []Mark{{Part: "environment", Detail: "seal broken"}, {Part: "metadata"}},
		Cut:         &Cut{Reason: CutSize, Pages: 12, Detail: "target of 1 GiB"},
		Holes: []Hole{
			{physmem.Range{Start: 0x1000, End: 0x3000}, HoleUnreadable},
			{physmem.Range{Start: 0x5000, End: 0x6000}, HoleRedacted},
			{physmem.Range{Start: 0x8000, End: 0x9000}, HoleOutside},
		},
		HolesOmitted: 3,
	}
}

func TestNotesRoundTrip(t *testing.T) {
	t.Parallel()
	tests := map[string]*Notes{"empty": {}, "full": fullNotes(), "omitted only": {HolesOmitted: 9}}
	for name, n := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			size := NotesSize(n)
			require.Zero(t, size%8)
			for _, size := range []int{size, size + 1, size + 4096} {
				area, err := EncodeNotes(n, size)
				require.NoError(t, err)
				require.Len(t, area, size)
				again, err := DecodeNotes(area)
				require.NoError(t, err)
				require.Equal(t, n, again)
			}
		})
	}
}

// TestNotesGolden fixes the format byte by byte.
func TestNotesGolden(t *testing.T) {
	t.Parallel()
	n := &Notes{
		Panic: "oops",
		CPUs:  []CPUNote{{Number: 3, Flags: CPUPanicked, Time: 9, Architecture: ARM64, State: []byte{0xaa, 0xbb}}},
		Holes: []Hole{{physmem.Range{Start: 0x1000, End: 0x2000}, HoleRedacted}},
	}
	area, err := EncodeNotes(n, 160)
	require.NoError(t, err)
	want := strings.Join([]string{
		"524b444e4f544553", "01000000", "20000000", "9800000000000000", "03000000", "a3200f06", // header
		"06000000", "04000000", "cf0d8f89", "00000000", "6f6f707300000000", // panic
		"01000000", "1a000000", "acbdb47c", "00000000", // CPU
		"03000000", "01000000", "0900000000000000", "02000000", "02000000", "aabb000000000000",
		"08000000", "20000000", "701c07d1", "00000000", // holes
		"0000000000000000", "0010000000000000", "0020000000000000", "02000000", "00000000",
	}, "")
	got := hex.EncodeToString(area)
	require.Equal(t, want, got[:len(want)])
	require.Equal(t, strings.Repeat("00", 8), got[len(want):])
}

// TestNotesHolesOverflow has too many holes for the area: the list ends, and
// the rest is counted.
func TestNotesHolesOverflow(t *testing.T) {
	t.Parallel()
	n := fullNotes()
	for i := range physmem.Address(1000) {
		n.Holes = append(n.Holes, Hole{physmem.Range{Start: 0x10000 + i*0x2000, End: 0x11000 + i*0x2000}, HoleUnreadable})
	}
	without := NotesSize(n) - len(n.Holes)*holeSize
	for _, size := range []int{without, without + 1, without + holeSize - 1, without + holeSize, without + 10*holeSize + 5, NotesSize(n) - 1} {
		area, err := EncodeNotes(n, size)
		require.NoError(t, err)
		again, err := DecodeNotes(area)
		require.NoError(t, err)
		room := (size - without) / holeSize
		require.Len(t, again.Holes, room)
		require.EqualValues(t, 3+len(n.Holes)-room, again.HolesOmitted)
		require.Equal(t, n.Panic, again.Panic)
	}
	_, err := EncodeNotes(n, without-1)
	require.ErrorIs(t, err, ErrTooLarge)
	_, err = EncodeNotes(n, 0)
	require.ErrorIs(t, err, ErrTooLarge)
	_, err = EncodeNotes(n, MaxNotesSize+1)
	require.ErrorIs(t, err, ErrTooLarge)
}

// TestNotesUnknownRecord: records of later programs are skipped.
func TestNotesUnknownRecord(t *testing.T) {
	t.Parallel()
	area, err := EncodeNotes(fullNotes(), NotesSize(fullNotes()))
	require.NoError(t, err)
	later := appendRecord(append([]byte(nil), area...), 99, []byte("what?"))
	later = appendRecord(later, recordHostName, []byte("changed"))
	seal(later, countRecords(area)+2)
	n, err := DecodeNotes(later)
	require.NoError(t, err)
	want := fullNotes()
	want.Unknown, want.HostName = 1, "changed"
	require.Equal(t, want, n)
}

// seal writes length, number of records and checksum into a header.
func seal(area []byte, records uint32) {
	binary.LittleEndian.PutUint64(area[16:], uint64(len(area)))
	binary.LittleEndian.PutUint32(area[24:], records)
	binary.LittleEndian.PutUint32(area[28:], crc32.Checksum(area[:28], castagnoli))
}

// TestNotesFlips flips every bit: an error, or in padding nothing changes.
func TestNotesFlips(t *testing.T) {
	t.Parallel()
	want := fullNotes()
	area, err := EncodeNotes(want, NotesSize(want))
	require.NoError(t, err)
	for bit := range len(area) * 8 {
		area[bit/8] ^= 1 << (bit % 8)
		n, err := DecodeNotes(area)
		if err == nil {
			require.Equal(t, want, n, "bit %d", bit)
		} else if n != nil && bit > 8*notesHeaderSize {
			require.ErrorIs(t, err, ErrDamaged)
		}
		area[bit/8] ^= 1 << (bit % 8)
	}
}

// TestNotesCut cuts the notes everywhere: what is whole is decoded.
func TestNotesCut(t *testing.T) {
	t.Parallel()
	want := fullNotes()
	area, err := EncodeNotes(want, NotesSize(want))
	require.NoError(t, err)
	for size := range area {
		n, err := DecodeNotes(area[:size])
		require.Error(t, err)
		if size < notesHeaderSize {
			require.Nil(t, n)
			continue
		}
		require.ErrorIs(t, err, ErrTruncated)
	}
	n, err := DecodeNotes(area[:len(area)-1])
	require.ErrorIs(t, err, ErrTruncated)
	require.Equal(t, want.CPUs, n.CPUs)
	require.Empty(t, n.Holes)
}

func TestNotesRefused(t *testing.T) {
	t.Parallel()
	good, err := EncodeNotes(fullNotes(), NotesSize(fullNotes()))
	require.NoError(t, err)
	tests := []struct {
		name  string
		spoil func(b []byte)
		want  error
	}{
		{"magic", func(b []byte) { b[0]++ }, ErrDamaged},
		{"checksum", func(b []byte) { b[28]++ }, ErrDamaged},
		{"version", func(b []byte) { b[8]++; resum(b) }, ErrUnsupported},
		{"header's size", func(b []byte) { b[12] = 8; resum(b) }, ErrDamaged},
		{"header's alignment", func(b []byte) { b[12] = 33; resum(b) }, ErrDamaged},
		{"huge header", func(b []byte) { b[15] = 0xff; resum(b) }, ErrDamaged},
		{"length", func(b []byte) { b[20] = 1; resum(b) }, ErrDamaged},
		{"too many records", func(b []byte) { b[24]++; resum(b) }, ErrDamaged},
	}
	for _, test := range tests {
		area := append([]byte(nil), good...)
		test.spoil(area)
		_, err := DecodeNotes(area)
		require.ErrorIs(t, err, test.want, test.name)
	}
}

// resum makes the header's checksum right again.
func resum(b []byte) { binary.LittleEndian.PutUint32(b[28:], crc32.Checksum(b[:28], castagnoli)) }

func TestNotesPointer(t *testing.T) {
	t.Parallel()
	p := NotesPointer{Address: 0x12345000, Size: 0x4000}
	data, err := p.AppendBinary(nil)
	require.NoError(t, err)
	require.Len(t, data, NotesPointerSize)
	require.Equal(t, "524b444e4f544550"+"01000000"+"28000000"+"0050341200000000"+"0040000000000000"+"00000000"+
		hex.EncodeToString(binary.LittleEndian.AppendUint32(nil, crc32.Checksum(data[:36], castagnoli))), hex.EncodeToString(data))
	again, err := ParseNotesPointer(data)
	require.NoError(t, err)
	require.Equal(t, p, again)
	require.Equal(t, physmem.Range{Start: 0x12345000, End: 0x12349000}, p.Range())

	_, err = ParseNotesPointer(make([]byte, 64))
	require.ErrorIs(t, err, ErrNoNotes)
	_, err = ParseNotesPointer(data[:39])
	require.ErrorIs(t, err, ErrNoNotes)
	for bit := 64; bit < len(data)*8; bit++ {
		data[bit/8] ^= 1 << (bit % 8)
		_, err := ParseNotesPointer(data)
		require.ErrorIs(t, err, ErrDamaged)
		data[bit/8] ^= 1 << (bit % 8)
	}
	for _, bad := range []NotesPointer{{}, {Size: MaxNotesSize + 1}, {Address: physmem.MaxAddress, Size: 4096}} {
		_, err := bad.AppendBinary(nil)
		require.ErrorIs(t, err, ErrTooLarge)
	}
}

func FuzzNotes(f *testing.F) {
	for _, n := range []*Notes{{}, fullNotes()} {
		area, err := EncodeNotes(n, NotesSize(n))
		require.NoError(f, err)
		f.Add(area)
	}
	f.Add([]byte(notesMagic))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) >= notesHeaderSize { // let it past the checksums
			resum(data)
			for at := notesHeaderSize; at+recordHeaderSize <= len(data); {
				size := uint64(binary.LittleEndian.Uint32(data[at+4:]))
				if size > uint64(len(data)-at-recordHeaderSize) {
					break
				}
				body := data[at+recordHeaderSize:][:size]
				binary.LittleEndian.PutUint32(data[at+8:], crc32.Update(crc32.Checksum(data[at:at+8], castagnoli), castagnoli, body))
				at += recordHeaderSize + int(roundUp(int64(size), 8))
			}
		}
		n, err := DecodeNotes(data)
		if err != nil {
			return
		}
		n.Unknown = 0
		size := NotesSize(n)
		if size > MaxNotesSize {
			return
		}
		area, err := EncodeNotes(n, size)
		require.NoError(t, err)
		again, err := DecodeNotes(area)
		require.NoError(t, err)
		require.Equal(t, len(n.Holes), len(again.Holes))
		require.Equal(t, len(n.CPUs), len(again.CPUs))
		require.Equal(t, n.Panic, again.Panic)
		second, err := EncodeNotes(again, size)
		require.NoError(t, err)
		require.Equal(t, area, second)
	})
}

// TestNotesRegisters decodes registers, whose bytes are at fixed places of the
// record.
func TestNotesRegisters(t *testing.T) {
	t.Parallel()
	state := &amd64.CPUState{Valid: amd64.StateGeneral, RAX: 0x1111, RSP: 0x2222, RIP: 0x3333}
	wire, err := state.AppendBinary(nil)
	require.NoError(t, err)
	n := &Notes{CPUs: []CPUNote{{Number: 1, Architecture: AMD64, State: wire}, {Number: 2, Architecture: AMD64, State: wire[:8]}, {Number: 3, Architecture: MIPS}}}
	area, err := EncodeNotes(n, NotesSize(n))
	require.NoError(t, err)
	body := area[notesHeaderSize+recordHeaderSize:]
	require.EqualValues(t, len(wire), binary.LittleEndian.Uint32(body[20:]))
	require.EqualValues(t, 0x1111, binary.LittleEndian.Uint64(body[24+8:]))
	require.EqualValues(t, 0x2222, binary.LittleEndian.Uint64(body[24+8+4*8:]))
	require.EqualValues(t, 0x3333, binary.LittleEndian.Uint64(body[24+0x88:]))
	again, err := DecodeNotes(area)
	require.NoError(t, err)
	got, err := again.CPUs[0].AMD64()
	require.NoError(t, err)
	require.Equal(t, state, got)
	_, err = again.CPUs[1].AMD64()
	require.ErrorContains(t, err, "CPU 2")
	_, err = again.CPUs[2].AMD64()
	require.ErrorIs(t, err, ErrUnsupported)
	_, err = again.CPUs[0].ARM64()
	require.ErrorIs(t, err, ErrUnsupported)

	arm := &arm64.CPUState{Valid: arm64.StateGeneral, PC: 0x4444, SP: 0x5555}
	arm.X[3] = 0x6666
	wire, err = arm.AppendBinary(nil)
	require.NoError(t, err)
	c := CPUNote{Architecture: ARM64, State: wire}
	decoded, err := c.ARM64()
	require.NoError(t, err)
	require.Equal(t, arm, decoded)
	c.State = nil
	_, err = c.ARM64()
	require.Error(t, err)
}
