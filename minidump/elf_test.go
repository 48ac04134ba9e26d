package minidump

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/stretchr/testify/require"
)

// convert makes an ELF core of a dump and opens it with debug/elf.
func convert(t testing.TB, r *Reader) (*ELFCore, []byte, *elf.File) {
	t.Helper()
	c, err := NewELFCore(context.Background(), r)
	require.NoError(t, err)
	var w bytes.Buffer
	n, err := c.WriteTo(&w)
	require.NoError(t, err)
	require.Equal(t, c.Size(), n)
	f, err := elf.NewFile(bytes.NewReader(w.Bytes()))
	require.NoError(t, err)
	require.Equal(t, elf.ET_CORE, f.Type)
	return c, w.Bytes(), f
}

// readVirtual reads memory as a debugger does.
func readVirtual(f *elf.File, p []byte, va uint64) bool {
	for _, s := range f.Progs {
		if s.Type == elf.PT_LOAD && va >= s.Vaddr && va-s.Vaddr < s.Filesz {
			n, _ := s.ReadAt(p, int64(va-s.Vaddr))
			return n == len(p)
		}
	}
	return false
}

func TestELFCore(t *testing.T) {
	t.Parallel()
	for _, c := range machineConfigs() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := generate(t, c)
			s := m.withNotes(m.source(), 1)
			_, _, r := openDump(t, s)
			core, _, f := convert(t, r)
			require.Zero(t, core.Omitted())
			m.checkSegments(t, f)
			m.checkVirtual(t, f, r)
		})
	}
}

// checkSegments checks what the specification says of PT_LOADs: ascending, not
// overlapping, offsets congruent to addresses.
func (m *machine) checkSegments(t testing.TB, f *elf.File) {
	t.Helper()
	var last uint64
	for i, s := range f.Progs {
		if i == 0 {
			require.Equal(t, elf.PT_NOTE, s.Type)
			continue
		}
		require.Equal(t, elf.PT_LOAD, s.Type)
		require.GreaterOrEqual(t, s.Vaddr, last)
		require.Equal(t, s.Filesz, s.Memsz)
		require.Equal(t, s.Vaddr%s.Align, s.Off%s.Align)
		require.Equal(t, s.Vaddr%s.Align, s.Paddr%s.Align)
		last = s.Vaddr + s.Memsz
	}
}

// checkVirtual compares memory in the core with the machine's.
func (m *machine) checkVirtual(t testing.TB, f *elf.File, r *Reader) {
	t.Helper()
	piece := make([]byte, 512)
	inDump := func(pa physmem.Address) bool {
		_, err := r.ReadPhysical(piece, pa)
		return err == nil && wholePage(r, pa.AlignDown(uint64(m.config.pageSize)))
	}
	want := make([]byte, 512)
	for _, l := range m.mappings {
		for range 8 {
			offset := m.random.Uint64N(l.size) &^ 511
			pa := l.physical + physmem.Address(offset)
			got := readVirtual(f, piece, l.virtual+offset)
			_, err := r.Translate(l.virtual + offset) // its table may be cut away
			require.Equal(t, err == nil && inDump(pa), got, "%#x at %v", l.virtual+offset, pa)
			if got {
				_, err := r.ReadPhysical(want, pa)
				require.NoError(t, err)
				require.True(t, readVirtual(f, piece, l.virtual+offset))
				require.Equal(t, want, piece, "%#x at %v", l.virtual+offset, pa)
			}
		}
	}
	for at := range r.Pages() {
		va := uint64(at) // where nothing else maps it
		if m.directEnd > m.directBase {
			if at < m.directOffset {
				continue
			}
			va = uint64(at-m.directOffset) + m.directBase
		} else if m.mapped(at) {
			continue
		}
		for i := range uint64(m.config.pageSize / 512) {
			if _, err := r.ReadPhysical(want, at+physmem.Address(i*512)); err != nil || !wholePage(r, at) {
				continue
			}
			require.True(t, readVirtual(f, piece, va+i*512), "%v", at)
			require.True(t, bytes.Equal(want, piece), "%v", at)
		}
	}
}

// wholePage reports whether the file has all of a page: what it has of a last
// one that is cut is not converted.
func wholePage(r *Reader, at physmem.Address) bool {
	offset, err := r.Locate(at)
	return err != nil || offset+int64(r.PageSize()) <= r.Size()
}

func (m *machine) mapped(at physmem.Address) bool {
	return slices.ContainsFunc(m.mappings, func(l generatedMapping) bool {
		return at >= l.physical && at < l.physical+physmem.Address(l.size)
	})
}

// elfNotes reads the notes of a core by type.
func elfNotes(t testing.TB, f *elf.File) map[uint32][][]byte {
	t.Helper()
	data, err := io.ReadAll(f.Progs[0].Open())
	require.NoError(t, err)
	notes := map[uint32][][]byte{}
	for len(data) > 0 {
		name, size := binary.LittleEndian.Uint32(data), binary.LittleEndian.Uint32(data[4:])
		kind := binary.LittleEndian.Uint32(data[8:])
		at := 12 + (name+3)&^3
		notes[kind] = append(notes[kind], data[at:at+size])
		data = data[at+(size+3)&^3:]
	}
	return notes
}

func TestELFNotes(t *testing.T) {
	t.Parallel()
	m := smallMachine(t)
	_, _, r := openDump(t, m.withNotes(m.source(), 1))
	_, _, f := convert(t, r)
	notes := elfNotes(t, f)
	require.Contains(t, string(notes[ELFNoteFacts][0]), "kernel_base=0xfffffe0000000000\n")
	require.Contains(t, string(notes[ELFNoteFacts][0]), "missing_pages=0\n")
	n, err := DecodeNotes(notes[ELFNoteNotes][0])
	require.NoError(t, err)
	require.Equal(t, "it broke", n.Panic)
	messages, err := r.MessageBuffer()
	require.NoError(t, err)
	require.Equal(t, messages.Text, notes[ELFNoteMessages][0])
}

// TestELFReadAt reads at every offset of the headers and around.
func TestELFReadAt(t *testing.T) {
	t.Parallel()
	m := smallMachine(t)
	_, _, r := openDump(t, m.source())
	c, whole, _ := convert(t, r)
	p := make([]byte, 100)
	for at := int64(0); at < c.data+200; at += 7 {
		n, err := c.ReadAt(p, at)
		require.NoError(t, err)
		require.Equal(t, whole[at:at+int64(n)], p[:n])
	}
	n, err := c.ReadAt(p, c.Size()-10)
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, 10, n)
	_, err = c.ReadAt(p, -1)
	require.Error(t, err)
}

// alternating is a machine whose dump has every other page, so that no two can
// be joined.
func alternating(t testing.TB, pages int) Source {
	t.Helper()
	size := uint64(pages) * 2 * 4096
	ram := physmem.NewRanges(physmem.Range{Start: 0, End: physmem.Address(size)})
	return Source{
		Architecture: AMD64, Memory: physmem.NewSparse(ram), Readable: ram,
		Bitmap:        bytes.NewReader(bytes.Repeat([]byte{0x55}, pages/4)),
		DirectMapBase: amd64Direct, DirectMapEnd: amd64Direct + 1<<42,
	}
}

// TestELFManySegments has so many program headers that their number is in a
// section header. (Go's debug/elf, and so Delve, reads the first 65535.)
func TestELFManySegments(t *testing.T) {
	t.Parallel()
	for _, segments := range []int{65533, 65534, 65540} {
		_, _, r := openDump(t, alternating(t, (segments+3)&^3))
		c, err := NewELFCore(context.Background(), r)
		require.NoError(t, err)
		c.segments = c.segments[:segments]
		c.layOut()
		data := make([]byte, c.Size())
		_, err = c.ReadAt(data, 0)
		require.NoError(t, err)
		number := int(binary.LittleEndian.Uint16(data[56:]))
		if segments+1 >= 0xffff {
			require.Equal(t, 0xffff, number)
			require.EqualValues(t, 1, binary.LittleEndian.Uint16(data[60:]))
			number = int(binary.LittleEndian.Uint32(data[binary.LittleEndian.Uint64(data[40:])+44:]))
		}
		require.Equal(t, segments+1, number)
		last := data[64+56*segments:]
		require.EqualValues(t, elf.PT_LOAD, binary.LittleEndian.Uint32(last))
		require.EqualValues(t, amd64Direct+uint64(segments-1)*8192, binary.LittleEndian.Uint64(last[16:]))
		if segments == 65540 {
			// What readelf 2.40 says of Linux's cores of this kind too.
			checkReadelf(t, data, "[ 0]: Unexpected value (65541) in info field")
		}
	}
}

// checkReadelf runs readelf, if there is one, and wants no complaint but those
// that are named.
func checkReadelf(t testing.TB, data []byte, but ...string) {
	t.Helper()
	readelf, err := exec.LookPath("readelf")
	if err != nil {
		t.Skip("readelf is not installed")
	}
	out, err := exec.Command(readelf, "-a", "-W", writeFile(t, "core", data)).CombinedOutput()
	require.NoError(t, err)
	for line := range strings.Lines(string(out)) {
		lower := strings.ToLower(line)
		if slices.ContainsFunc(but, func(known string) bool { return strings.Contains(line, known) }) {
			continue
		}
		require.False(t, strings.HasPrefix(lower, "readelf:") || strings.Contains(lower, "warning"), "%s", line)
	}
}

func writeFile(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}

func TestReadelf(t *testing.T) {
	t.Parallel()
	for _, i := range []int{0, 6} {
		m := generate(t, machineConfigs()[i])
		_, _, r := openDump(t, m.withNotes(m.source(), 1))
		_, data, _ := convert(t, r)
		checkReadelf(t, data)
	}
}

// TestELFOfCut converts the start of a dump: segments have the pages that are
// there.
func TestELFOfCut(t *testing.T) {
	t.Parallel()
	m := smallMachine(t)
	s := m.source()
	_, data, whole := openDump(t, s)
	first := whole.layout.PageOffset(0)
	for _, size := range []int64{100, first - 5, first, first + 4096*3 + 100, int64(len(data)) - 1} {
		r, err := Open(bytes.NewReader(data[:size]), size)
		require.NoError(t, err)
		_, _, f := convert(t, r)
		m.checkSegments(t, f)
		if size > first {
			m.checkVirtual(t, f, r)
		}
		pages := max(0, size-first) / 4096
		require.Contains(t, string(elfNotes(t, f)[ELFNoteFacts][0]), "missing_pages=")
		var last uint64
		for _, p := range f.Progs {
			last = max(last, p.Off+p.Filesz)
		}
		if pages > 0 {
			require.LessOrEqual(t, last, uint64(f.Progs[1].Off)+uint64(pages+1)*4096)
		}
	}
}

func TestELFRefuses(t *testing.T) {
	t.Parallel()
	m := smallMachine(t)
	_, data, r := openDump(t, m.source())
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := NewELFCore(ctx, r)
	require.ErrorIs(t, err, context.Canceled)

	copy(data, "minidump FreeBSD/riscv")
	binary.LittleEndian.PutUint32(data[24:], 2)
	r, err = Open(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	_, err = NewELFCore(context.Background(), r)
	require.ErrorIs(t, err, ErrUnsupported)
}

// TestELFOmits has more mappings than there may be segments.
func TestELFOmits(t *testing.T) {
	t.Parallel()
	m := smallMachine(t)
	_, _, r := openDump(t, m.source())
	all, err := NewELFCore(context.Background(), r)
	require.NoError(t, err)
	c, err := newELFCore(context.Background(), r, 20)
	require.NoError(t, err)
	require.Equal(t, 20, c.NumSegments())
	require.NotZero(t, c.Omitted())
	require.Greater(t, all.NumSegments(), 20)
	f, err := elf.NewFile(c)
	require.NoError(t, err)
	m.checkSegments(t, f)
	require.NotContains(t, string(elfNotes(t, f)[ELFNoteFacts][0]), "omitted_mappings=0")
}
