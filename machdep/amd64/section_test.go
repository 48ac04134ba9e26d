package amd64_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/stretchr/testify/require"
)

const kernelBase = 0xffff_fe00_0000_0000

func section(entries map[int]amd64.Entry, count int) *bytes.Reader {
	b := make([]byte, count*8)
	for i, e := range entries {
		binary.LittleEndian.PutUint64(b[i*8:], uint64(e))
	}
	return bytes.NewReader(b)
}

func TestSectionOfPDEs(t *testing.T) {
	t.Parallel()
	s := newTables(t, 4)
	s.put(0x7000, 5, 0x9000|open&^amd64.EntryWritable)
	s.put(0x7000, 511, 0xa000|amd64.EntryPresent|amd64.EntryNoExecute)
	pdes := section(map[int]amd64.Entry{
		0:    0x7000 | open,
		1:    0x4000_0000 | amd64.EntryLarge | amd64.EntryLargePAT | open,
		2:    0x4010_0000 | amd64.EntryLarge | open, // not aligned
		3:    0x99_0000_0000_0000 | open,            // the address of no memory
		1023: 0x4020_0000 | amd64.EntryLarge | open,
	}, 1024)
	memory := failing{s.memory, 0x9_0000_0000_0000, errors.New("not in the dump")}
	w, err := amd64.NewSectionWalker(pdes, pdes.Size(), kernelBase, 3, memory)
	require.NoError(t, err)
	for _, tt := range []struct {
		name     string
		offset   uint64
		physical physmem.Address
		rights   string
		steps    int
		err      error
	}{
		{"page", 0x5123, 0x9123, "-ux", 2, nil},
		{"last page of a table", 0x1f_ffff, 0xafff, "---", 2, nil},
		{"no PTE", 0x4000, 0, "", 2, amd64.ErrNotMapped},
		{"2 MiB", 0x20_1234, 0x4000_1234, "wux", 1, nil},
		{"2 MiB not aligned", 0x40_0000, 0, "", 1, amd64.ErrReservedBits},
		{"table not in the dump", 0x60_0000, 0, "", 1, amd64.ErrUnreadable},
		{"no PDE", 0x80_0000, 0, "", 1, amd64.ErrNotMapped},
		{"last PDE", 1023 << 21, 0x4020_0000, "wux", 1, nil},
		{"behind the section", 1024 << 21, 0, "", 0, amd64.ErrNotMapped},
		{"below", math.MaxUint64, 0, "", 0, amd64.ErrNotMapped},
	} {
		va := kernelBase + tt.offset
		physical, m, err := w.Translate(va)
		steps, traced, traceErr := w.Trace(va, nil)
		require.Len(t, steps, tt.steps, tt.name)
		require.Equal(t, m, traced, tt.name)
		require.Equal(t, err, traceErr, tt.name)
		if tt.err != nil {
			require.ErrorIs(t, err, tt.err, tt.name)
			continue
		}
		require.NoError(t, err, tt.name)
		require.Equal(t, tt.physical, physical, tt.name)
		require.Equal(t, tt.rights, rightsOf(m), tt.name)
		require.Equal(t, va&^(m.Size-1), m.Virtual, tt.name)
	}

	checkSectionWalk(t, w)
}

// checkSectionWalk walks the section of TestSectionOfPDEs.
func checkSectionWalk(t *testing.T, w *amd64.SectionWalker) {
	t.Helper()
	var reported []error
	w.OnError = func(e *amd64.WalkError) { reported = append(reported, e.Err) }
	require.Equal(t, []uint64{0x5000, 0x1f_f000, 0x20_0000, 1023 << 21}, sectionWalk(t, w, 0, math.MaxUint64))
	require.Len(t, reported, 2)
	require.ErrorIs(t, reported[0], amd64.ErrReservedBits)
	require.ErrorIs(t, reported[1], amd64.ErrUnreadable)
	require.Equal(t, []uint64{0x1f_f000, 0x20_0000}, sectionWalk(t, w, kernelBase+0x6000, kernelBase+0x20_0000))
	require.Empty(t, sectionWalk(t, w, 0, kernelBase-1))
	w.OnError = nil
	require.ErrorIs(t, w.Walk(0, math.MaxUint64, func(amd64.Mapping) error { return nil }), amd64.ErrReservedBits)
}

func sectionWalk(t *testing.T, w *amd64.SectionWalker, start, last uint64) (visited []uint64) {
	t.Helper()
	require.NoError(t, w.Walk(start, last, func(m amd64.Mapping) error {
		visited = append(visited, m.Virtual-kernelBase)
		_, translated, err := w.Translate(m.Virtual)
		require.Equal(t, m, translated)
		return err
	}))
	return visited
}

func TestSectionOfPTEs(t *testing.T) {
	ptes := section(map[int]amd64.Entry{0: 0x5000 | open, 700: 0x6000 | open | amd64.EntryPAT}, 1024)
	w, err := amd64.NewSectionWalker(ptes, ptes.Size(), kernelBase, 1, nil)
	require.NoError(t, err)
	physical, m, err := w.Translate(kernelBase + 700<<12 + 5)
	require.NoError(t, err)
	require.Equal(t, physmem.Address(0x6005), physical)
	require.Equal(t, 1, m.Level)
	_, _, err = w.Translate(kernelBase + 1<<12)
	require.ErrorIs(t, err, amd64.ErrNotMapped)
	require.Equal(t, []uint64{0, 700 << 12}, sectionWalk(t, w, 0, math.MaxUint64))
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if _, _, err := w.Translate(kernelBase); err != nil {
			panic(err)
		}
	}))

	// A section that is shorter than its header says.
	w, err = amd64.NewSectionWalker(ptes, 1<<20, kernelBase, 1, nil)
	require.NoError(t, err)
	_, _, err = w.Translate(kernelBase + 2000<<12)
	require.ErrorIs(t, err, amd64.ErrUnreadable)
	reported := 0
	w.OnError = func(*amd64.WalkError) { reported++ }
	require.Len(t, sectionWalk(t, w, 0, math.MaxUint64), 2)
	require.NotZero(t, reported)

	// One that would go on beyond the last address.
	w, err = amd64.NewSectionWalker(ptes, ptes.Size(), math.MaxUint64-0xfff, 1, nil)
	require.NoError(t, err)
	require.NoError(t, w.Walk(0, math.MaxUint64, func(m amd64.Mapping) error {
		require.Equal(t, uint64(math.MaxUint64-0xfff), m.Virtual)
		return nil
	}))
}

func TestNewSectionWalkerRefusals(t *testing.T) {
	t.Parallel()
	empty := bytes.NewReader(nil)
	memory := physmem.NewBytes(0, nil)
	for _, tt := range []struct {
		name string
		make func() (*amd64.SectionWalker, error)
		want string
	}{
		{"section", func() (*amd64.SectionWalker, error) { return amd64.NewSectionWalker(nil, 0, 0, 3, memory) }, "page-table section: no section"},
		{"memory", func() (*amd64.SectionWalker, error) { return amd64.NewSectionWalker(empty, 0, 0, 3, nil) }, "page-table section: no memory"},
		{"version", func() (*amd64.SectionWalker, error) { return amd64.NewSectionWalker(empty, 0, 0, 4, memory) },
			"page-table section: unsupported paging: minidump version 4"},
		{"base", func() (*amd64.SectionWalker, error) { return amd64.NewSectionWalker(empty, 0, 0x1000, 2, memory) },
			"page-table section: unsupported paging: kernel base 0x1000 is not aligned to 0x200000"},
		{"base of PTEs", func() (*amd64.SectionWalker, error) { return amd64.NewSectionWalker(empty, 0, 8, 1, memory) },
			"page-table section: unsupported paging: kernel base 0x8 is not aligned to 0x1000"},
	} {
		_, err := tt.make()
		require.EqualError(t, err, tt.want, tt.name)
	}
}

// FuzzSection translates and walks through arbitrary sections and tables.
func FuzzSection(f *testing.F) {
	f.Add([]byte{}, []byte{}, uint64(0), uint8(3))
	f.Add([]byte{7, 2, 0, 0, 0, 0, 0, 0}, []byte{7, 2, 0, 0, 0, 0, 0, 0}, uint64(0x1234), uint8(2))
	f.Add([]byte{0x87, 2, 0, 0, 0, 0, 0, 0, 7}, []byte{7}, uint64(0x20_1234), uint8(1))
	f.Fuzz(func(t *testing.T, data, tables []byte, offset uint64, version uint8) {
		memory := fuzzMemory(tables)
		w, err := amd64.NewSectionWalker(bytes.NewReader(data), int64(len(data))+int64(version/4), kernelBase, 1+int(version%3), physmem.NewBytes(0, memory))
		require.NoError(t, err)
		_, m, err := w.Translate(kernelBase + offset)
		if err == nil && (m.Virtual > kernelBase+offset || kernelBase+offset-m.Virtual >= m.Size) {
			require.Failf(t, "wrong page", "%#x: %+v", offset, m)
		}
		w.OnError = func(*amd64.WalkError) {}
		require.NoError(t, w.Walk(0, math.MaxUint64, func(m amd64.Mapping) error {
			_, got, err := w.Translate(m.Virtual)
			if got != m {
				require.Failf(t, "wrong mapping", "%+v: translated %+v %v", m, got, err)
			}
			return err
		}))
	})
}
