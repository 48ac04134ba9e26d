package minidump

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/stretchr/testify/require"
)

// smallImage is a dump of few pages, so that it can be cut everywhere.
func smallImage() *image {
	return &image{
		architecture: AMD64, version: 3, pageSize: PageSize4K,
		ranges:     [][2]uint64{{0, 0x3000}, {0x10000, 0x15000}, {0x20800, 0x21800}},
		dumped:     func(bit uint64) bool { return bit != 1 && bit != 6 },
		ring:       []byte("boot\npanic\n\x00\x00"),
		tables:     make([]byte, 4096),
		kernelBase: 0xffff_8000_0000_0000, directMap: [2]uint64{0xffff_0000_0000_0000, 0xffff_4000_0000_0000},
	}
}

// TestCutEverywhere cuts a dump at every byte of its metadata and at places in
// its pages. It opens or gives a clear error, reads all that is there, names
// what is not, and Verify says that it was cut.
func TestCutEverywhere(t *testing.T) {
	t.Parallel()
	for _, m := range []*image{smallImage(), oldImage()} {
		file, pages := m.write()
		whole, err := Open(bytes.NewReader(file), int64(len(file)))
		require.NoError(t, err)
		first := int(whole.Layout().Sections[SectionPages].Offset)
		headerSize := whole.header.Size()
		var cuts []int
		for size := range first + 10 {
			cuts = append(cuts, size)
		}
		random := rand.New(rand.NewPCG(3, 4))
		for i := range len(pages) {
			at := first + i*4096
			cuts = append(cuts, at-1, at, at+1, at+random.IntN(4096))
		}
		for _, size := range cuts {
			if size > len(file) {
				continue
			}
			r, err := Open(bytes.NewReader(file[:size]), int64(size))
			if size < headerSize {
				require.ErrorIs(t, err, ErrTruncated, "size %d", size)
				continue
			}
			require.NoError(t, err, "size %d", size)
			checkCut(t, r, m, pages, size, first)
		}
	}
}

// oldImage is smallImage in a version without dump_avail.
func oldImage() *image {
	m := smallImage()
	m.version, m.flatBits = 1, 128
	m.dumped = func(bit uint64) bool { return bit%16 < 3 }
	return m
}

// checkCut checks a dump that ends at size, first being where pages begin.
func checkCut(t *testing.T, r *Reader, m *image, pages []uint64, size, first int) {
	t.Helper()
	holes := slices.Collect(r.Holes())
	cut := size < first+len(pages)*4096
	require.Equal(t, !cut, r.Complete(), "size %d", size)
	if cut {
		require.NotEmpty(t, r.Problems(), "size %d", size)
		require.NotEmpty(t, holes, "size %d", size)
	}
	// A byte of a dumped page is read, or in a hole.
	for i, page := range pages {
		for _, offset := range []uint64{0, 1, 2047, 4095} {
			var b [1]byte
			address := physmem.Address(page + offset)
			_, err := r.ReadPhysical(b[:], address)
			inHole := slices.ContainsFunc(holes, func(h Hole) bool { return h.Range.Contains(address) })
			there := first+i*4096+int(offset) < size
			if good := err == nil && b[0] == m.page(page)[offset]; good != there || inHole == there {
				require.Failf(t, "cut", "size %d, %v: there %v, read %v with %v, holes %v", size, address, there, b, err, holes)
			}
			var missing *MissingError
			if !there && !errors.As(err, &missing) {
				require.NoError(t, err)
			}
		}
	}
	if size%61 != 0 && size > r.header.Size() {
		return // enough of it
	}
	report, err := r.Verify(context.Background(), VerifyOptions{})
	require.NoError(t, err)
	require.Equal(t, cut, report.Worst == SeverityError, "size %d: %v", size, report.Findings)
	_, err = r.MessageBuffer()
	layout := r.Layout()
	if int64(size) < layout.Sections[SectionMessageBuffer].Offset+int64(len(m.ring)) {
		require.ErrorIs(t, err, ErrTruncated)
	} else {
		require.NoError(t, err)
	}
	if int64(size) <= layout.Sections[SectionPageTables].Offset {
		_, err = r.Translate(m.kernelBase)
		require.ErrorIs(t, err, ErrBeyondEnd)
	}
}

// TestCutHoles says which holes a cut leaves.
func TestCutHoles(t *testing.T) {
	t.Parallel()
	m := smallImage()
	file, _ := m.write()
	const avail, bitmap, first = 0x2000, 0x3000, 0x5000
	rangeOf := func(start, end physmem.Address) physmem.Range { return physmem.Range{Start: start, End: end} }
	tests := []struct {
		name string
		size int
		want []Hole
	}{
		{"whole", len(file), nil},
		{"last byte", len(file) - 1, []Hole{{rangeOf(0x21fff, 0x22000), HoleBeyondEnd}}},
		{"pages 2 and more", first + 4096 + 100, []Hole{{rangeOf(0x2064, 0x3000), HoleBeyondEnd}, {rangeOf(0x10000, 0x13000), HoleBeyondEnd},
			{rangeOf(0x14000, 0x15000), HoleBeyondEnd}, {rangeOf(0x20000, 0x22000), HoleBeyondEnd}}},
		{"all pages", first, []Hole{{rangeOf(0, 0x1000), HoleBeyondEnd}, {rangeOf(0x2000, 0x3000), HoleBeyondEnd}, {rangeOf(0x10000, 0x13000), HoleBeyondEnd},
			{rangeOf(0x14000, 0x15000), HoleBeyondEnd}, {rangeOf(0x20000, 0x22000), HoleBeyondEnd}}},
		{"bitmap", bitmap, []Hole{{rangeOf(0, 0x3000), HoleNoBitmap}, {rangeOf(0x10000, 0x15000), HoleNoBitmap}, {rangeOf(0x20000, 0x22000), HoleNoBitmap}}},
		{"a range of dump_avail", avail + 24, []Hole{{rangeOf(0, 0x3000), HoleNoBitmap}, {rangeOf(0x3000, physmem.MaxAddress), HoleNoDumpAvail}}},
		{"dump_avail", avail, []Hole{{rangeOf(0, physmem.MaxAddress), HoleNoDumpAvail}}},
	}
	for _, test := range tests {
		r, err := Open(bytes.NewReader(file[:test.size]), int64(test.size))
		require.NoError(t, err, test.name)
		require.Equal(t, test.want, slices.Collect(r.Holes()), test.name)
		for range r.Holes() { // may be left early
			break
		}
	}
}

// TestZeroBeyondEnd reads what a copy has left away because it was zero.
func TestZeroBeyondEnd(t *testing.T) {
	t.Parallel()
	m := smallImage()
	file, pages := m.write()
	size := len(file) - 4096 - 100
	r, err := Open(bytes.NewReader(file[:size]), int64(size), ZeroBeyondEnd())
	require.NoError(t, err)
	last := pages[len(pages)-2]
	got := make([]byte, 8192)
	n, err := r.ReadPhysical(got, physmem.Address(last))
	require.NoError(t, err)
	require.Equal(t, 8192, n)
	require.Equal(t, m.page(last)[:3996], got[:3996])
	require.True(t, isZero(got[3996:]))
	require.False(t, r.Complete())
	_, err = r.ReadPhysical(got, 0x3000)
	require.ErrorIs(t, err, ErrNotInDumpAvail)
}

// listedData is a DataFinder for tests.
type listedData [][2]int64

func (d listedData) NextData(offset int64) (start, end int64, err error) {
	for _, part := range d {
		if part[1] > offset {
			return max(part[0], offset), part[1], nil
		}
	}
	return 1 << 62, 1 << 62, nil
}

// TestSparseHoles lists what a file system never stored.
func TestSparseHoles(t *testing.T) {
	t.Parallel()
	m := smallImage()
	file, _ := m.write()
	const first = 0x5000
	data := listedData{{0, first + 0x1000}, {first + 0x3000, first + 0x3800}, {first + 0x4000, int64(len(file)) - 0x1000}}
	r, err := Open(bytes.NewReader(file), int64(len(file)), WithDataFinder(data))
	require.NoError(t, err)
	require.Equal(t, []Hole{
		{physmem.Range{Start: 0x2000, End: 0x3000}, HoleSparse},
		{physmem.Range{Start: 0x10000, End: 0x11000}, HoleSparse},
		{physmem.Range{Start: 0x11800, End: 0x12000}, HoleSparse},
		{physmem.Range{Start: 0x21000, End: 0x22000}, HoleSparse},
	}, slices.Collect(r.Holes()))
	require.True(t, r.Complete())
	_, err = r.ReadPhysical(make([]byte, 8), 0x2000)
	require.NoError(t, err, "sparse pages read as zeros")
}

// TestFileData asks a real file system, which may know nothing of holes.
func TestFileData(t *testing.T) {
	t.Parallel()
	file, err := os.Create(filepath.Join(t.TempDir(), "sparse"))
	require.NoError(t, err)
	defer file.Close()
	require.NoError(t, file.Truncate(8<<20))
	_, err = file.WriteAt([]byte("data"), 4<<20)
	require.NoError(t, err)
	covered := false
	for at := int64(0); at < 8<<20; {
		start, end, err := FileData(file).NextData(at)
		require.NoError(t, err)
		require.GreaterOrEqual(t, start, at)
		covered = covered || start <= 4<<20 && end > 4<<20
		if start >= 8<<20 {
			break
		}
		require.Greater(t, end, start)
		at = end
	}
	require.True(t, covered)
}

// noteImage is smallImage with dump notes in the pages from 0x10000 on.
func noteImage(t *testing.T, n *Notes) *image {
	t.Helper()
	m := smallImage()
	area, err := EncodeNotes(n, 2*4096)
	require.NoError(t, err)
	m.content = map[uint64][]byte{0x10000: area[:4096], 0x11000: area[4096:]}
	m.page0 = func(page []byte) {
		pointer, err := NotesPointer{Address: 0x10000, Size: 2 * 4096}.AppendBinary(nil)
		require.NoError(t, err)
		copy(page[NotesPointerOffset:], pointer)
	}
	return m
}

func TestReaderNotes(t *testing.T) {
	t.Parallel()
	n := fullNotes()
	n.Holes = []Hole{
		{physmem.Range{Start: 0x14000, End: 0x15000}, HoleUnreadable},
		{physmem.Range{Start: 0x800, End: 0x900}, HoleRedacted},
		{physmem.Range{Start: 0x880, End: 0xa00}, HoleRedacted}, // overlaps
	}
	m := noteImage(t, n)
	m.content[0x14000] = make([]byte, 4096)
	clear(m.page(0))
	r, file, pages := m.open(t)
	require.True(t, r.Complete(), r.Problems())
	got, err := r.Notes()
	require.NoError(t, err)
	require.Equal(t, n, got)
	pointer, ok := r.NotesPointer()
	require.True(t, ok)
	require.EqualValues(t, 0x10000, pointer.Address)
	want := []Hole{
		{physmem.Range{Start: 0x800, End: 0x900}, HoleRedacted},
		{physmem.Range{Start: 0x900, End: 0xa00}, HoleRedacted},
		{physmem.Range{Start: 0x14000, End: 0x15000}, HoleUnreadable},
	}
	require.Equal(t, want, slices.Collect(r.Holes()))

	buffer := make([]byte, 4096)
	read, err := r.ReadPhysical(buffer, 0)
	require.Equal(t, 0x800, read)
	require.ErrorIs(t, err, ErrRecordedHole)
	require.ErrorContains(t, err, "redacted")
	_, err = r.ReadPhysical(buffer[:16], 0xa00)
	require.NoError(t, err)
	_, err = r.ReadPhysical(buffer, 0x14000)
	var missing *MissingError
	require.ErrorAs(t, err, &missing)
	require.Equal(t, HoleUnreadable, missing.Reason)
	require.True(t, r.HasPage(0x14000))

	// To others they are ordinary pages.
	plain, err := Open(bytes.NewReader(file), int64(len(file)), IgnoreNotes())
	require.NoError(t, err)
	checkPages(t, plain, m, pages)
	for _, page := range pages {
		_, err := plain.ReadPhysical(buffer, physmem.Address(page))
		require.NoError(t, err)
		require.Equal(t, m.page(page), buffer)
	}
	_, err = plain.Notes()
	require.ErrorIs(t, err, ErrNoNotes)
	require.Empty(t, slices.Collect(plain.Holes()))
}

// TestOpenReadsNotesOnly: of the pages, none but those of the notes.
func TestOpenReadsNotesOnly(t *testing.T) {
	t.Parallel()
	file, _ := noteImage(t, fullNotes()).write()
	record := &recordingReaderAt{ReaderAt: bytes.NewReader(file)}
	r, err := Open(record, int64(len(file)))
	require.NoError(t, err)
	for _, read := range record.reads {
		s, _ := r.layout.Find(read[0])
		if s == SectionPages {
			require.Equal(t, [2]int64{0x5000 + 2*4096, 0x5000 + 4*4096}, read)
		}
		require.NotContains(t, []Section{SectionMessageBuffer, SectionPageTables}, s)
	}
}

// TestReaderNotesDamaged: the dump opens whatever its notes are.
func TestReaderNotesDamaged(t *testing.T) {
	t.Parallel()
	_, file, _ := noteImage(t, fullNotes()).open(t)
	find := bytes.Index(file, []byte("host.example"))
	require.Positive(t, find)
	tests := []struct {
		name   string
		spoil  func(file []byte)
		notes  bool
		reason error
	}{
		{"a record", func(f []byte) { f[find] ^= 1 }, true, ErrDamaged},
		{"their magic", func(f []byte) { f[bytes.Index(f, []byte(notesMagic))] ^= 1 }, false, ErrDamaged},
		{"pointer's checksum", func(f []byte) { f[NotesPointerOffset+16] ^= 1 }, false, ErrDamaged},
		{"pointer to nowhere", func(f []byte) { repoint(f, 0x800000, 4096) }, false, ErrNotInDumpAvail},
		{"pointer to no notes", func(f []byte) { repoint(f, 0x2000, 4096) }, false, ErrDamaged},
		{"area is too short", func(f []byte) { repoint(f, 0x10000, 100) }, true, ErrTruncated},
	}
	for _, test := range tests {
		spoiled := slices.Clone(file)
		test.spoil(spoiled)
		r, err := Open(bytes.NewReader(spoiled), int64(len(spoiled)))
		require.NoError(t, err, test.name)
		n, err := r.Notes()
		require.ErrorIs(t, err, test.reason, test.name)
		require.Equal(t, test.notes, n != nil, test.name)
		require.NotEmpty(t, r.Problems(), test.name)
		require.True(t, r.Complete(), "the memory is all there")
		_, err = r.ReadPhysical(make([]byte, 8), 0x13000-8)
		require.NoError(t, err, test.name)
	}
}

// repoint writes another pointer to the notes.
func repoint(file []byte, address physmem.Address, size uint64) {
	b, _ := NotesPointer{address, size}.AppendBinary(nil)
	copy(file[NotesPointerOffset:], b)
}

func TestMessageBuffer(t *testing.T) {
	t.Parallel()
	const size = 4000
	ring := bytes.Repeat([]byte("0123456789abcde\n"), size/16)
	around := slices.Concat(ring[100:], ring[:100]) // oldest text at 100 from the end
	state := MessageBufferState{Size: size, WriteSequence: 3*size + size - 100, Modulus: 16 * size}
	structure := state.AppendBinary(nil, 0xdeadbeef)
	require.Len(t, structure, MessageBufferStructSize)
	require.EqualValues(t, MessageBufferMagic, binary.LittleEndian.Uint32(structure[8:]))
	gap := slices.Concat(ring[:50], make([]byte, 30), ring[:16])
	tests := []struct {
		name  string
		ring  []byte // as the section has it
		size  uint32 // as the header has it
		want  []byte
		order MessageOrder
	}{
		{"structure behind the ring", slices.Concat(around, structure), size, ring, OrderKnown},
		{"structure inside of a rounded size", slices.Concat(around, structure, make([]byte, 24)), 4096, ring, OrderKnown},
		{"no structure", gap, uint32(len(gap)), slices.Concat(ring[:16], ring[:50]), OrderFromGap},
		{"no structure, gap at the end", append(slices.Clone(ring[:50]), make([]byte, 14)...), 64, ring[:50], OrderFromGap},
		{"no gap", ring, size, ring, OrderUnknown},
		{"a magic that lies about its place", slices.Concat(around[:800], structure, make([]byte, 100)), 800, around[:800], OrderUnknown},
	}
	for _, test := range tests {
		m := smallImage()
		m.ring, m.ringSize = test.ring, test.size
		r, _, _ := m.open(t)
		messages, err := r.MessageBuffer()
		require.NoError(t, err, test.name)
		require.Equal(t, test.order, messages.Order, test.name)
		require.Equal(t, string(test.want), string(messages.Text), test.name)
		if test.order == OrderKnown {
			require.Equal(t, state, messages.State, test.name)
			require.Len(t, messages.Ring, size)
		}
	}
	m := smallImage()
	m.ring = nil
	r, _, _ := m.open(t)
	_, err := r.MessageBuffer()
	require.ErrorIs(t, err, ErrNoMessageBuffer)
}
