package minidump

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/stretchr/testify/require"
)

func TestSourceRefused(t *testing.T) {
	t.Parallel()
	memory := physmem.NewBytes(0, make([]byte, 1<<16))
	area := func(start, end physmem.Address) physmem.Range { return physmem.Range{Start: start, End: end} }
	for _, test := range []struct {
		name   string
		source Source
	}{
		{"no memory", Source{Architecture: AMD64}},
		{"no architecture", Source{Memory: memory}},
		{"riscv", Source{Architecture: RISCV, Memory: memory}},
		{"amd64 version 4", Source{Architecture: AMD64, Memory: memory, Version: 4}},
		{"arm64 version 4", Source{Architecture: ARM64, Memory: memory, Version: 4}},
		{"amd64 16 KiB", Source{Architecture: AMD64, Memory: memory, PageSize: 16384}},
		{"arm64 version 2 with 16 KiB", Source{Architecture: ARM64, Memory: memory, PageSize: 16384, Version: 2}},
		{"arm64 64 KiB", Source{Architecture: ARM64, Memory: memory, PageSize: 65536}},
		{"arm64 odd page", Source{Architecture: ARM64, Memory: memory, PageSize: 5000}},
		{"notes not aligned", Source{Architecture: AMD64, Memory: memory, NotesArea: area(0x800, 0x1800)}},
		{"notes empty", Source{Architecture: AMD64, Memory: memory, NotesArea: area(0x2000, 0x1000)}},
		{"notes huge", Source{Architecture: AMD64, Memory: memory, NotesArea: area(0, MaxNotesSize+4096)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := NewDumper(test.source)
			require.ErrorIs(t, err, ErrSource)
		})
	}
}

// failingAt is bytes of which some cannot be read.
type failingAt struct {
	*bytes.Reader
	from, to int64
}

func (f failingAt) ReadAt(p []byte, at int64) (int, error) {
	return damagedFile(f).ReadAt(p, at)
}

// degradation is a broken host: what is done to it, a mark that says so, and
// what its dump is like.
type degradation struct {
	name   string
	damage func(m *machine, s *Source)
	mark   string
	check  func(t *testing.T, m *machine, s *Source, r *Reader)
}

// brokenMetadata are hosts whose bitmap and the like are broken.
func brokenMetadata() []degradation {
	return []degradation{
		{"no dump_avail", func(_ *machine, s *Source) { s.DumpAvail = strings.NewReader("") }, "no range in it can be used",
			func(t *testing.T, m *machine, s *Source, r *Reader) {
				require.Equal(t, m.config.ram, r.DumpAvail().Ranges())
			}},
		{"dump_avail without end", func(m *machine, s *Source) { s.DumpAvail = bytes.NewReader(m.dumpAvailable()[:32]) }, "no terminator", nil},
		{"dump_avail descends", func(m *machine, s *Source) {
			b := m.dumpAvailable()
			copy(b[16:], b[:16])
			s.DumpAvail = bytes.NewReader(b)
		}, "range 1", func(t *testing.T, m *machine, _ *Source, r *Reader) {
			require.Equal(t, m.config.ram[:1], r.DumpAvail().Ranges())
		}},
		{"bitmap cannot be read", func(m *machine, s *Source) { s.Bitmap = failingAt{bytes.NewReader(m.bitmap), 0, 1} }, "cannot be read at offset 0x0",
			func(t *testing.T, m *machine, s *Source, r *Reader) {
				require.Equal(t, r.DumpAvail().Pages(), r.NumPages()) // all of it: it is shorter than a piece
			}},
		{"bitmap too short", func(m *machine, s *Source) { s.Bitmap = bytes.NewReader(m.bitmap[:8]) }, "64 bits for 286 pages",
			func(t *testing.T, m *machine, s *Source, r *Reader) {
				for bit := uint64(64); bit < r.DumpAvail().Pages(); bit++ {
					require.True(t, r.Bitmap().Test(bit))
				}
			}},
		{"storage too small", func(_ *machine, s *Source) { s.Storage = make([]uint64, 3) }, "room for 192 pages of 286", nil},
		{"message buffer cannot be read", func(m *machine, s *Source) {
			s.MessageBuffer.Content = failingAt{bytes.NewReader(m.ring), 100, 200}
		}, "2900 bytes cannot be read", nil},
		{"notes outside of dump_avail", func(m *machine, s *Source) {
			s.NotesArea = physmem.Range{Start: 0xa0000, End: 0xa1000}
		}, "no notes", func(t *testing.T, m *machine, s *Source, r *Reader) {
			_, err := r.Notes()
			require.ErrorIs(t, err, ErrNoNotes)
		}},
	}
}

// brokenTables are hosts whose page tables, or what is said of them, are
// broken.
func brokenTables() []degradation {
	return []degradation{
		{"root outside", func(_ *machine, s *Source) { s.AMD64.Root = 0x10000000 }, "tables of 0xfffffe0000000000", noTranslation},
		{"root in no processor", func(_ *machine, s *Source) { s.AMD64.Levels = 3 }, "cannot be walked", noTranslation},
		{"window reversed", func(_ *machine, s *Source) { s.KernelEnd = s.KernelBase - 1 }, "no kernel addresses", noTranslation},
		{"window odd", func(_ *machine, s *Source) { s.KernelBase += 0x200000 }, "rounded down", nil},
		{"window huge", func(_ *machine, s *Source) { s.KernelBase, s.KernelEnd = 1<<30, 1<<63 }, "cut to 262144", noTranslation},
		{"cycle", func(m *machine, s *Source) {
			m.putEntry(m.root+508*8, m.table(m.root))
		}, "cycle", noTranslation},
		{"directory outside", func(m *machine, s *Source) {
			m.putEntry(physmem.Address(m.entry(m.root+508*8)&^0xfff), m.table(0xffff0000))
		}, "outside of physical memory", noTranslation},
		{"page table outside", func(m *machine, s *Source) {
			directory := physmem.Address(m.entry(physmem.Address(m.entry(m.root+508*8)&^0xfff)) &^ 0xfff)
			m.putEntry(directory+8*100, m.table(0xfee00000))
		}, "page table of 0xfffffe000c800000 is at 0xfee00000, outside of memory", nil},
		{"directory cannot be read", func(m *machine, s *Source) {
			directory := physmem.Address(m.entry(physmem.Address(m.entry(m.root+508*8)&^0xfff)) &^ 0xfff)
			m.memory.refuse = []physmem.Range{{Start: directory + 8, End: directory + 16}}
		}, "tables of 0xfffffe0000000000", noTranslation},
	}
}

// TestDegrades checks what NewDumper says of broken hosts, one by one.
func TestDegrades(t *testing.T) {
	t.Parallel()
	for _, test := range slices.Concat(brokenMetadata(), brokenTables()) {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := smallMachine(t)
			s := m.withNotes(m.source(), 1)
			test.damage(m, &s)
			d, err := NewDumper(s)
			require.NoError(t, err)
			var marks []string
			for _, mark := range d.Marks()[1:] {
				marks = append(marks, mark.Part+": "+mark.Detail)
			}
			require.Contains(t, strings.Join(marks, "\n"), test.mark)
			if d.Size() > 64<<20 {
				return // a page-table section of 1 GiB
			}
			data := readAll(t, d)
			r, err := Open(bytes.NewReader(data), int64(len(data)))
			require.NoError(t, err)
			if test.check != nil {
				test.check(t, m, &s, r)
			}
			if notes, err := r.Notes(); err == nil {
				require.Equal(t, d.Marks(), notes.Marks)
			}
		})
	}
}

func noTranslation(t *testing.T, m *machine, _ *Source, r *Reader) {
	for _, l := range m.mappings {
		_, err := r.Translate(l.virtual)
		require.Error(t, err)
	}
}

// forbidding fails the test when it is read where it may not.
type forbidding struct {
	t       testing.TB
	memory  physmem.Reader
	allowed physmem.Ranges
}

func (f forbidding) ReadPhysical(p []byte, at physmem.Address) (int, error) {
	if r := (physmem.Range{Start: at, End: at + physmem.Address(len(p))}); !f.allowed.ContainsRange(r) {
		f.t.Errorf("read of %v", r)
	}
	return f.memory.ReadPhysical(p, at)
}

// TestRedact takes ranges out and sees that they are never read: parts of
// pages, whole pages, a page table, pages that are not dumped.
func TestRedact(t *testing.T) {
	t.Parallel()
	for _, c := range machineConfigs() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := generate(t, c)
			s := m.withNotes(m.source(), 1)
			s.Redact = physmem.Ranges{
				{Start: m.tables[0] + 8, End: m.tables[0] + 24},
				{Start: 0xfff00000, End: 0xfff01000},
			}
			for _, page := range []int{0, 5, 6, 20, len(m.dumped) - 1} {
				start := m.dumped[page]
				s.Redact = append(s.Redact, physmem.Range{Start: start + 100, End: start + 4096})
			}
			redact := physmem.NewRanges(s.Redact...)
			s.Memory = forbidding{t, m.memory, s.Readable.Minus(redact)}
			_, _, r := openDump(t, s)
			piece := make([]byte, 4)
			for at := range r.Pages() {
				for i := physmem.Address(0); i < physmem.Address(m.config.pageSize); i += 4 {
					if s.NotesArea.Contains(at) || m.memory.limit(at+i) <= at+i {
						continue
					}
					_, err := r.ReadPhysical(piece, at+i)
					if !redact.Contains(at + i) {
						require.NoError(t, err, "%v", at+i)
						continue
					}
					var missing *MissingError
					require.ErrorAs(t, err, &missing, "%v", at+i)
					require.Equal(t, HoleRedacted, missing.Reason)
				}
			}
		})
	}
}

// TestFailuresOverflow has more failures than are remembered: the notes are the
// same in whatever order they came.
func TestFailuresOverflow(t *testing.T) {
	t.Parallel()
	const pages = 5000
	ram := physmem.NewRanges(physmem.Range{Start: 0, End: pages * 4096})
	memory := &patternMemory{ram: ram, written: map[physmem.Address][]byte{}}
	for i := range physmem.Address(pages / 2) {
		memory.refuse = append(memory.refuse, physmem.Range{Start: i * 8192, End: i*8192 + 1})
	}
	s := Source{
		Architecture: AMD64, Memory: memory, Readable: ram,
		NotesArea: physmem.Range{Start: 0x7000, End: 0x9000}, Notes: Notes{HostName: "x"},
	}
	serial := readAll(t, requireDumper(t, s))
	d := requireDumper(t, s)
	backwards := make([]byte, d.Size())
	for at := (d.Size() - 1) &^ 4095; at >= 0; at -= 4096 {
		_, err := d.ReadAt(backwards[at:at+4096], at)
		require.NoError(t, err)
	}
	require.True(t, bytes.Equal(serial, backwards))
	holes, omitted := d.Holes()
	require.Len(t, holes, maximumFailures)
	require.EqualValues(t, pages/2-maximumFailures-1, omitted) // one is in the notes area
	r, err := Open(bytes.NewReader(serial), int64(len(serial)))
	require.NoError(t, err)
	n, err := r.Notes()
	require.NoError(t, err)
	require.Less(t, len(n.Holes), maximumFailures)
	require.Equal(t, holes[:len(n.Holes)], n.Holes)
	require.EqualValues(t, pages/2-1, uint64(len(n.Holes))+n.HolesOmitted)
}

// TestNotesTooLarge leaves out what matters least.
func TestNotesTooLarge(t *testing.T) {
	t.Parallel()
	m := smallMachine(t)
	state := bytes.Repeat([]byte{7}, 600)
	for _, test := range []struct {
		name  string
		add   func(n *Notes)
		check func(n *Notes)
	}{
		{"fault record", func(n *Notes) { n.FaultRecord = make([]byte, 5000) }, func(n *Notes) {
			require.Empty(t, n.FaultRecord)
			require.Equal(t, "it broke", n.Panic)
		}},
		{"CPUs", func(n *Notes) {
			for i := range uint32(100) {
				n.CPUs = append(n.CPUs, CPUNote{Number: i, Flags: CPUFlags(i / 99), Architecture: AMD64, State: state})
			}
		}, func(n *Notes) {
			require.Len(t, n.CPUs, 1)
			require.EqualValues(t, 99, n.CPUs[0].Number)
		}},
		{"panic", func(n *Notes) { n.Panic = strings.Repeat("!", 10000) }, func(n *Notes) { require.Len(t, n.Panic, 256) }},
		{"host name", func(n *Notes) { n.HostName = strings.Repeat("!", 10000) }, func(n *Notes) { require.Empty(t, n.HostName) }},
	} {
		s := m.withNotes(m.source(), 1)
		test.add(&s.Notes)
		_, _, r := openDump(t, s)
		n, err := r.Notes()
		require.NoError(t, err, test.name)
		require.Contains(t, n.Marks[len(n.Marks)-1].Detail, "no room for", test.name)
		test.check(n)
	}
}

// shortMemory gives less than it is asked for, and too much, and errors with
// everything.
type shortMemory struct{ calls int }

func (m *shortMemory) ReadPhysical(p []byte, _ physmem.Address) (int, error) {
	m.calls++
	switch m.calls % 5 {
	case 0:
		return len(p) + 100, nil
	case 1:
		return -3, errors.New("negative")
	case 2:
		return len(p), io.ErrUnexpectedEOF
	case 3:
		return len(p) / 2, nil
	}
	return len(p), nil
}

// TestMemoryLies reads from memory that keeps no rule: nothing breaks.
func TestMemoryLies(t *testing.T) {
	t.Parallel()
	m := smallMachine(t)
	s := m.withNotes(m.source(), 1)
	s.Memory = &shortMemory{}
	d := requireDumper(t, s)
	readAll(t, d)
	holes, _ := d.Holes()
	require.NotEmpty(t, holes)
}

// FuzzSource gives a Dumper hosts that are made of anything: memory, bitmap,
// dump_avail, tables, sizes. It must end soon, read nothing that it may not,
// and give a dump that opens.
func FuzzSource(f *testing.F) {
	m := smallMachine(f)
	memory := make([]byte, 24<<10)
	for i := range 4 { // tables: PML4 0x1000, PDPT 0x2000, PD 0x3000, PT 0x4000
		for _, entry := range []int{0, 508, 511, 256} {
			binary.LittleEndian.PutUint64(memory[0x1000*(i+1)+8*entry:], uint64(0x1000*(i+2)|3))
		}
	}
	f.Add(uint8(AMD64), uint32(0), false, memory, m.bitmap, m.dumpAvailable(), uint64(0x1000), uint8(4), uint64(amd64Kernel), uint64(amd64Kernel+1<<32), uint64(0x5000), int16(100))
	f.Add(uint8(ARM64), uint32(3), true, memory, m.bitmap, m.dumpAvailable(), uint64(0x4000), uint8(48), uint64(arm64Kernel), uint64(arm64Kernel+1<<28), uint64(0x8000), int16(3))
	f.Add(uint8(AMD64), uint32(1), false, memory, []byte{0xff}, []byte{}, uint64(0xffffff), uint8(5), uint64(0), uint64(1<<32), uint64(1), int16(-1))
	f.Add(uint8(ARM64), uint32(1), false, memory, bytes.Repeat([]byte{0xff}, 100), m.dumpAvailable(), uint64(0x1000), uint8(39), uint64(1<<63), uint64(0), uint64(0x3000), int16(0))
	f.Fuzz(func(t *testing.T, architecture uint8, version uint32, large bool, memory, bitmap, available []byte,
		root uint64, bits uint8, kernelBase, kernelEnd, notes uint64, extra int16) {
		ram := physmem.NewBytes(0, memory)
		window := uint64(1) << 27
		if Architecture(architecture) == AMD64 && version != 1 {
			window <<= 7
		}
		s := Source{
			Architecture: Architecture(architecture), Version: version,
			Readable: physmem.Ranges{ram.Range()},
			Redact:   physmem.Ranges{{Start: physmem.Address(root) + 0x800, End: physmem.Address(root) + 0x900}},
			Bitmap:   bytes.NewReader(bitmap), DumpAvail: bytes.NewReader(available),
			AMD64:      amd64.Paging{Root: physmem.Address(root), Levels: int(bits)},
			ARM64:      arm64.Paging{Root: physmem.Address(root), VirtualBits: int(bits)},
			KernelBase: kernelBase, KernelEnd: min(kernelEnd, kernelBase+window),
			NotesArea:     physmem.Range{Start: physmem.Address(notes &^ 4095), End: physmem.Address(notes&^4095) + 4096},
			MessageBuffer: MessageBuffer{Content: bytes.NewReader(available), Positioned: true, Position: root, RingSize: uint32(extra)},
			Storage:       make([]uint64, 1024),
		}
		if large {
			s.PageSize, s.NotesArea = 16384, physmem.Range{}
		}
		s.Memory = forbidding{t, ram, s.Readable.Minus(physmem.NewRanges(s.Redact...))}
		d, err := NewDumper(s)
		if err != nil {
			require.ErrorIs(t, err, ErrSource)
			return
		}
		require.LessOrEqual(t, d.Size(), int64(1024*64*16384+64<<20))
		if d.Size() > 4<<20 {
			return
		}
		data := readAll(t, d)
		offset := int64(uint16(extra)) * 37 % d.Size()
		p := make([]byte, 5000)
		n, _ := d.ReadAt(p, offset)
		require.True(t, bytes.Equal(data[offset:offset+int64(n)], p[:n]))
		_, err = Open(bytes.NewReader(data), int64(len(data)))
		require.NoError(t, err)
	})
}
