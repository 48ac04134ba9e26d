package arm64_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/stretchr/testify/require"
)

const kernelBase = 0xffff_0000_0000_0000

func section(entries map[int]arm64.Entry, count int) *bytes.Reader {
	b := make([]byte, count*8)
	for i, e := range entries {
		binary.LittleEndian.PutUint64(b[i*8:], uint64(e))
	}
	return bytes.NewReader(b)
}

func TestSection(t *testing.T) {
	for pageSize, shift := range map[int]uint{k4: 12, k16: 14} {
		last := 3000
		pages := section(map[int]arm64.Entry{
			0:    0x4000_8000 | arm64.EntryPage,
			1:    0x4000_8000 | arm64.EntryValid,
			2:    0x3_ff00_0000_c000 | arm64.EntryPage | 0xfffc_0000_0000_0ffc,
			3:    0x4000_c000 | arm64.EntryTable,
			last: 0x4001_0000 | arm64.EntryPage | ro | pxn | uxn,
		}, last+1)
		w, err := arm64.NewSectionWalker(pages, pages.Size(), kernelBase, pageSize, nil)
		require.NoError(t, err)
		for _, c := range []struct {
			name     string
			index    uint64
			physical physmem.Address
			rights   string
			steps    int
			err      error
		}{
			{"page", 0, 0x4000_8000, "w-x", 1, nil},
			{"block", 1, 0, "", 1, arm64.ErrReservedBits},
			{"all attributes", 2, 0x3_ff00_0000_c000, "-u-", 1, nil},
			{"not valid", 3, 0, "", 1, arm64.ErrNotMapped},
			{"nothing", 4, 0, "", 1, arm64.ErrNotMapped},
			{"last", 3000, 0x4001_0000, "---", 1, nil},
			{"behind the section", 3001, 0, "", 0, arm64.ErrNotMapped},
			{"below", math.MaxUint64 >> shift, 0, "", 0, arm64.ErrNotMapped},
		} {
			va := uint64(kernelBase) + c.index<<shift + 0x123
			physical, m, err := w.Translate(va)
			steps, traced, traceErr := w.Trace(va, nil)
			require.Len(t, steps, c.steps, c.name)
			require.Equal(t, m, traced, c.name)
			require.Equal(t, err, traceErr, c.name)
			if c.err != nil {
				require.ErrorIs(t, err, c.err, c.name)
				continue
			}
			require.NoError(t, err, c.name)
			require.Equal(t, c.physical+0x123, physical, c.name)
			require.Equal(t, c.rights, rightsOf(m), c.name)
			require.Equal(t, va-0x123, m.Virtual, c.name)
			require.Equal(t, arm64.Step{Level: 3, Index: int(c.index), Entry: m.Entry}, steps[0], c.name)
		}

		checkSectionWalk(t, w, pages, pageSize, shift)
	}
}

// checkSectionWalk walks the section of TestSection.
func checkSectionWalk(t *testing.T, w *arm64.SectionWalker, pages *bytes.Reader, pageSize int, shift uint) {
	t.Helper()
	reported := 0
	w.OnError = func(*arm64.WalkError) { reported++ }
	require.Equal(t, []uint64{0, 2 << shift, 3000 << shift}, sectionWalk(t, w, 0, math.MaxUint64))
	require.Equal(t, 1, reported)
	require.Equal(t, []uint64{2 << shift}, sectionWalk(t, w, kernelBase+1<<shift, kernelBase+2<<shift))
	require.Empty(t, sectionWalk(t, w, 0, kernelBase-1))
	w.OnError = nil
	require.ErrorIs(t, w.Walk(0, math.MaxUint64, func(arm64.Mapping) error { return nil }), arm64.ErrReservedBits)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if _, _, err := w.Translate(kernelBase); err != nil {
			panic(err)
		}
	}))

	// A section that is shorter than its header says.
	w, err := arm64.NewSectionWalker(pages, 1<<20, kernelBase, pageSize, nil)
	require.NoError(t, err)
	_, _, err = w.Translate(kernelBase + 4000<<shift)
	require.ErrorIs(t, err, arm64.ErrUnreadable)
	w.OnError = func(*arm64.WalkError) { reported++ }
	require.Len(t, sectionWalk(t, w, 0, math.MaxUint64), 3)
	require.Greater(t, reported, 2)
}

func sectionWalk(t *testing.T, w *arm64.SectionWalker, start, last uint64) (visited []uint64) {
	t.Helper()
	require.NoError(t, w.Walk(start, last, func(m arm64.Mapping) error {
		visited = append(visited, m.Virtual-kernelBase)
		_, translated, err := w.Translate(m.Virtual)
		require.Equal(t, m, translated)
		return err
	}))
	return visited
}

func TestSectionAlignment(t *testing.T) {
	t.Parallel()
	pages := section(map[int]arm64.Entry{0: 0x4000_1000 | arm64.EntryPage}, 1)
	w, err := arm64.NewSectionWalker(pages, pages.Size(), kernelBase, k16, nil)
	require.NoError(t, err)
	_, _, err = w.Translate(kernelBase)
	require.ErrorIs(t, err, arm64.ErrReservedBits, "the page of 16 KiB is not aligned")
}

func TestNewSectionWalkerRefusals(t *testing.T) {
	t.Parallel()
	empty := bytes.NewReader(nil)
	_, err := arm64.NewSectionWalker(nil, 0, 0, k4, nil)
	require.EqualError(t, err, "page-table section: no section")
	_, err = arm64.NewSectionWalker(empty, 0, 0, k64, nil)
	require.EqualError(t, err, "page-table section: unsupported paging: pages of 65536 bytes")
	_, err = arm64.NewSectionWalker(empty, 0, 0x1000, k16, nil)
	require.EqualError(t, err, "page-table section: unsupported paging: kernel base 0x1000 is not aligned to 0x4000")
}

// FuzzSection translates and walks through arbitrary sections.
func FuzzSection(f *testing.F) {
	f.Add([]byte{}, uint64(0), uint8(0))
	f.Add([]byte{3, 0, 1, 0, 0, 0, 0, 0}, uint64(0x123), uint8(1))
	f.Add([]byte{3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 3}, uint64(0x4123), uint8(16))
	f.Fuzz(func(t *testing.T, data []byte, offset uint64, kind uint8) {
		pageSize := []int{k4, k16}[kind%2]
		w, err := arm64.NewSectionWalker(bytes.NewReader(data), int64(len(data))+int64(kind/2), kernelBase, pageSize, nil)
		require.NoError(t, err)
		_, m, err := w.Translate(kernelBase + offset)
		if err == nil && (m.Virtual > kernelBase+offset || kernelBase+offset-m.Virtual >= m.Size || !m.Physical.IsAligned(m.Size)) {
			require.Failf(t, "wrong page", "%#x: %+v", offset, m)
		}
		w.OnError = func(*arm64.WalkError) {}
		require.NoError(t, w.Walk(0, math.MaxUint64, func(m arm64.Mapping) error {
			_, got, err := w.Translate(m.Virtual)
			if got != m {
				require.Failf(t, "wrong mapping", "%+v: translated %+v %v", m, got, err)
			}
			return err
		}))
	})
}
