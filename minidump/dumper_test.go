package minidump

import (
	"bytes"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/stretchr/testify/require"
)

// source describes a generated machine to a Dumper.
func (m *machine) source() Source {
	s := Source{
		Architecture:      m.config.architecture,
		PageSize:          m.config.pageSize,
		Memory:            m.memory,
		Readable:          physmem.NewRanges(m.config.ram...),
		Bitmap:            bytes.NewReader(m.bitmap),
		DumpAvail:         bytes.NewReader(m.dumpAvailable()),
		KernelBase:        m.kernelBase,
		KernelEnd:         m.kernelEnd,
		DirectMapBase:     m.directBase,
		DirectMapEnd:      m.directEnd,
		DirectMapPhysical: m.directOffset,
		MessageBuffer:     MessageBuffer{Content: bytes.NewReader(m.ring), Positioned: true, Position: m.position},
	}
	if m.config.architecture == AMD64 {
		s.AMD64 = amd64.Paging{Root: m.root, Levels: m.config.levels}
	} else {
		s.ARM64 = arm64.Paging{Root: m.root, VirtualBits: m.config.virtualBits}
	}
	return s
}

// withNotes adds a notes area at the start of the first range of RAM.
func (m *machine) withNotes(s Source, pages int) Source {
	size := uint64(m.config.pageSize)
	start := m.config.ram[0].AlignInward(size).Start
	s.NotesArea = physmem.Range{Start: start, End: start + physmem.Address(uint64(pages)*size)}
	s.Notes = Notes{
		HostName: "host", Panic: "it broke", Version: "a kernel 1.0", BuildID: []byte{1, 2, 3},
		Time:  time.Unix(1700000000, 5).UTC(),
		Marks: []Mark{{Part: "environment", Detail: "seal broken"}},
	}
	return s
}

// open dumps s in one go and reads the dump back.
func openDump(t testing.TB, s Source, options ...Option) (*Dumper, []byte, *Reader) {
	t.Helper()
	d, err := NewDumper(s)
	require.NoError(t, err)
	data := readAll(t, d)
	r, err := Open(bytes.NewReader(data), int64(len(data)), options...)
	require.NoError(t, err)
	require.Empty(t, r.Problems())
	return d, data, r
}

// readAll reads a dump with one ReadAt.
func readAll(t testing.TB, d *Dumper) []byte {
	t.Helper()
	data := make([]byte, d.Size())
	n, err := d.ReadAt(data, 0)
	require.NoError(t, err)
	require.Len(t, data, n)
	return data
}

// expected is the set of pages that the dump must have, in order: the host's,
// on amd64 the page tables of small pages, and the notes.
func (m *machine) expected(s *Source) map[physmem.Address]bool {
	pages := map[physmem.Address]bool{}
	for _, p := range m.dumped {
		pages[p] = true
	}
	if m.config.architecture == AMD64 {
		for _, p := range m.tables {
			pages[p] = true
		}
	}
	for p := s.NotesArea.Start; p < s.NotesArea.End; p += physmem.Address(m.config.pageSize) {
		pages[p] = true
	}
	return pages
}

// checkPages compares every page that a reader gives without regard to notes.
func (m *machine) checkPages(t testing.TB, r *Reader, s *Source) {
	t.Helper()
	expected := m.expected(s)
	require.EqualValues(t, len(expected), r.NumPages())
	page := make([]byte, m.config.pageSize)
	for at := range r.Pages() {
		require.True(t, expected[at], "page %v", at)
		delete(expected, at)
		if s.NotesArea.Contains(at) {
			continue
		}
		n, err := r.ReadPhysical(page, at)
		require.NoError(t, err, "page %v", at)
		require.Len(t, page, n)
		if want := m.truePage(at); !bytes.Equal(want, page) {
			require.Equal(t, want, page, "page %v", at)
		}
	}
	require.Empty(t, expected)
}

// checkHoles compares every dumped piece of memory, with regard to notes:
// memory that is there, and what is none as recorded holes.
func (m *machine) checkHoles(t testing.TB, r *Reader) {
	t.Helper()
	piece := make([]byte, 512)
	for at := range r.Pages() {
		for i := 0; i < m.config.pageSize; i += len(piece) {
			at := at + physmem.Address(i)
			n, err := r.ReadPhysical(piece, at)
			if m.memory.limit(at) > at {
				require.NoError(t, err, "piece %v", at)
				continue
			}
			require.ErrorIs(t, err, ErrRecordedHole, "piece %v", at)
			require.Zero(t, n)
		}
	}
}

// checkTranslations compares what a reader makes of virtual addresses.
func (m *machine) checkTranslations(t testing.TB, r *Reader) {
	t.Helper()
	mapped := map[uint64]bool{}
	page := uint64(m.config.pageSize)
	for _, l := range m.mappings {
		for _, offset := range []uint64{0, 1, l.size / 2, l.size - 1, m.random.Uint64N(l.size)} {
			pa, err := r.Translate(l.virtual + offset)
			require.NoError(t, err, "%#x", l.virtual+offset)
			require.Equal(t, l.physical+physmem.Address(offset), pa, "%#x", l.virtual+offset)
		}
		if l.size == page {
			mapped[l.virtual] = true
		}
	}
	inLarge := func(va uint64) bool {
		for _, l := range m.mappings {
			if va >= l.virtual && va-l.virtual < l.size {
				return true
			}
		}
		return false
	}
	for range 300 {
		va := m.kernelBase + m.random.Uint64N(m.config.kernelSize)
		if !mapped[va&^(page-1)] && !inLarge(va) {
			_, err := r.Translate(va)
			require.Error(t, err, "%#x", va)
		}
	}
	_, err := r.Translate(m.kernelEnd + 4<<30)
	require.Error(t, err)
	if m.directEnd > m.directBase {
		pa, err := r.Translate(m.directBase + 0x12345)
		require.NoError(t, err)
		require.Equal(t, m.directOffset+0x12345, pa)
	}
}

// checkFacts compares the rest.
func (m *machine) checkFacts(t testing.TB, r *Reader) {
	t.Helper()
	h := r.Header()
	require.Equal(t, m.config.architecture, h.Architecture)
	require.Equal(t, m.kernelBase, h.KernelBase)
	require.EqualValues(t, m.config.pageSize, h.PageSize)
	require.EqualValues(t, generatedRing, h.MessageBufferSize)
	require.Equal(t, m.available, r.DumpAvail().Ranges())
	messages, err := r.MessageBuffer()
	require.NoError(t, err)
	require.Equal(t, OrderKnown, messages.Order)
	at := m.position % generatedRing
	require.Equal(t, string(m.ring[at:])+string(m.ring[:at]), string(messages.Text))
	require.Equal(t, messages.Checksum(), messages.State.Checksum)
	require.True(t, r.Complete())
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, c := range machineConfigs() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := generate(t, c)
			s := m.source()
			_, _, r := openDump(t, s)
			m.checkFacts(t, r)
			m.checkPages(t, r, &s)
			m.checkTranslations(t, r)
		})
	}
}

func TestRoundTripWithNotes(t *testing.T) {
	t.Parallel()
	for _, c := range machineConfigs() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := generate(t, c)
			s := m.withNotes(m.source(), 2)
			d, data, r := openDump(t, s)
			m.checkFacts(t, r)
			m.checkHoles(t, r)
			m.checkTranslations(t, r)
			n, err := r.Notes()
			require.NoError(t, err)
			require.Equal(t, s.Notes.Panic, n.Panic)
			require.Equal(t, s.Notes.Time, n.Time)
			require.Equal(t, d.Marks(), n.Marks)
			holes, omitted := d.Holes()
			require.Equal(t, holes, n.Holes)
			require.Zero(t, omitted)
			if c.strayBits {
				require.Len(t, n.Marks, 2)
				require.Contains(t, n.Marks[1].Detail, "beyond dump_avail")
			}

			// Other readers see the same dump, and holes as zeros.
			r, err = Open(bytes.NewReader(data), int64(len(data)), IgnoreNotes())
			require.NoError(t, err)
			m.checkPages(t, r, &s)
			clear(data[NotesPointerOffset : NotesPointerOffset+NotesPointerSize])
			r, err = Open(bytes.NewReader(data), int64(len(data)))
			require.NoError(t, err)
			_, err = r.Notes()
			require.ErrorIs(t, err, ErrNoNotes)
			m.checkPages(t, r, &s)
		})
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for _, test := range []struct {
		name    string
		version uint32
		config  machineConfig
	}{
		{"amd64 1", 1, machineConfig{architecture: AMD64, levels: 4, kernelSize: 32 * mib, huge: []uint64{2 * mib}}},
		{"amd64 1 with 1 GiB", 1, machineConfig{architecture: AMD64, levels: 4, kernelSize: 1100 * mib, huge: []uint64{1 << 30}}},
		{"amd64 2", 2, machineConfig{architecture: AMD64, levels: 4, kernelSize: 3 << 30, huge: []uint64{2 * mib, 1 << 30}}},
		{"arm64 1", 1, machineConfig{architecture: ARM64, kernelSize: 32 * mib, huge: []uint64{2 * mib}}},
		{"arm64 3", 3, machineConfig{architecture: ARM64, kernelSize: 32 * mib, huge: []uint64{2 * mib}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := test.config
			c.density, c.name = 40, test.name
			c.ram = []physmem.Range{{Start: 0, End: 16 * mib}}
			m := generate(t, c)
			s := m.source()
			s.Version = test.version
			_, _, r := openDump(t, s)
			require.Equal(t, test.version, r.Header().Version)
			require.Equal(t, !s.hasDumpAvail(), r.DumpAvail().IsFlat())
			if s.Version == 1 {
				m.tables = nil // they are in the section, and no pages
			}
			m.checkPages(t, r, &s)
			m.checkTranslations(t, r)
		})
	}
}

// TestReadAnyhow reads at random offsets and lengths, in any order.
func TestReadAnyhow(t *testing.T) {
	t.Parallel()
	for _, c := range machineConfigs() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := generate(t, c)
			s := m.withNotes(m.source(), 1)
			// Some memory fails: it must fail alike however it is read.
			for range 20 {
				page := m.randomPage() + 0x200
				m.memory.refuse = append(m.memory.refuse, physmem.Range{Start: page, End: page + 0x400})
			}
			d, err := NewDumper(s)
			require.NoError(t, err)
			whole := readAll(t, d)

			d, err = NewDumper(s)
			require.NoError(t, err)
			random := rand.New(rand.NewPCG(1, 2))
			p := make([]byte, 70000)
			for range 400 {
				offset := random.Int64N(d.Size())
				p := p[:random.IntN(len(p))]
				n, err := d.ReadAt(p, offset)
				if n < len(p) {
					require.ErrorIs(t, err, io.EOF)
					require.Equal(t, d.Size(), offset+int64(n))
				}
				require.True(t, bytes.Equal(whole[offset:offset+int64(n)], p[:n]), "offset %#x, %d bytes", offset, len(p))
			}

			// Serially, with odd lengths.
			d, err = NewDumper(s)
			require.NoError(t, err)
			var read []byte
			for {
				n, err := d.Read(p[:1+random.IntN(9999)])
				read = append(read, p[:n]...)
				if err != nil {
					require.ErrorIs(t, err, io.EOF)
					break
				}
			}
			require.True(t, bytes.Equal(whole, read))
		})
	}
}

func TestReadParallel(t *testing.T) {
	t.Parallel()
	for _, c := range machineConfigs()[1:6:6] {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := generate(t, c)
			s := m.withNotes(m.source(), 1)
			m.memory.refuse = []physmem.Range{{Start: m.dumped[3], End: m.dumped[3] + 1}}
			d, err := NewDumper(s)
			require.NoError(t, err)
			whole := readAll(t, d)

			d, err = NewDumper(s)
			require.NoError(t, err)
			got := make([]byte, d.Size())
			const block = 33333
			blocks := make(chan int, 8)
			var workers sync.WaitGroup
			for range 6 {
				workers.Go(func() {
					for at := range blocks {
						_, _ = d.ReadAt(got[at:min(len(got), at+block)], int64(at))
					}
				})
			}
			order := rand.New(rand.NewPCG(3, 4)).Perm((len(got) + block - 1) / block)
			for _, i := range order {
				blocks <- i * block
			}
			close(blocks)
			workers.Wait()
			require.True(t, bytes.Equal(whole, got))
		})
	}
}
