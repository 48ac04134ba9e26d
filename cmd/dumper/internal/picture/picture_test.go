package picture

import (
	"bytes"
	"compress/bzip2"
	"context"
	"encoding/binary"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// testDump is an amd64 dump, written out by hand, of a machine with RAM in
// [0, 0x4000) and [0x100000, 0x108000). Dumped are the pages 0 (zero), 0x2000
// (a page table), and 0x100000 to 0x103000, the last of which is cut off.
func testDump(t *testing.T) *minidump.Reader {
	t.Helper()
	header := minidump.Header{Architecture: minidump.AMD64, Version: 3, PageSize: 4096, MessageBufferSize: 4096,
		BitmapSize: 4096, PageTableSize: 4096, DumpAvailSize: 4096,
		KernelBase: 0xfffffe0000000000, DirectMapBase: 0xfffff80000000000, DirectMapEnd: 0xfffffc0000000000}
	page := func(numbers ...uint64) []byte {
		b := make([]byte, 0, 4096)
		for _, n := range numbers {
			b = binary.LittleEndian.AppendUint64(b, n)
		}
		return b[:4096]
	}
	file, err := header.AppendBinary(nil)
	require.NoError(t, err)
	file = append(file, make([]byte, 4096-len(file))...)
	file = append(file, page()...)                                 // message buffer
	file = append(file, page(0, 0x4000, 0x100000, 0x108000, 0)...) // dump_avail
	file = append(file, page(1|4|0xf0)...)                         // bits 0, 2, 4 to 7
	file = append(file, page(0, 0x2003, 0)...)                     // PDE 1: a table at 0x2000
	for i := range uint64(6) {
		file = append(file, page(i)...) // the first one is zero
	}
	file = file[:len(file)-4096]
	r, err := minidump.Open(bytes.NewReader(file), int64(len(file)))
	require.NoError(t, err)
	return r
}

func TestClassesOfPages(t *testing.T) {
	t.Parallel()
	for _, scan := range []bool{false, true} {
		var last int64
		p, err := New(context.Background(), testDump(t), Options{Columns: 4, Rows: 8, Scan: scan, Progress: func(done, total int64) { last = done }})
		require.NoError(t, err)
		require.Equal(t, uint64(1), p.PagesPerCell)
		want := []Class{Dumped, Left, PageTable, Left, Dumped, Dumped, Dumped, Missing, Left, Left, Left, Left}
		total := Cell{Dumped: 4, PageTable: 1, Missing: 1, Left: 6}
		if scan {
			want[0] = Zero
			total[Dumped], total[Zero] = 3, 1
			require.Equal(t, int64(6*4096), last)
		}
		require.Equal(t, total, p.Total)
		for i, cell := range append(p.Bands[0].Cells, p.Bands[1].Cells...) {
			require.Equal(t, uint64(1), cell.pages())
			require.Equal(t, uint64(1), cell[want[i]], "page %d is not %v", i, want[i])
		}
	}
}

func TestCellsGrowToFit(t *testing.T) {
	t.Parallel()
	p, err := New(context.Background(), testDump(t), Options{Columns: 2, Rows: 2})
	require.NoError(t, err)
	require.Equal(t, uint64(4), p.PagesPerCell)
	require.Equal(t, []Cell{{Dumped: 1, PageTable: 1, Left: 2}}, p.Bands[0].Cells)
	require.Equal(t, []Cell{{Dumped: 3, Missing: 1}, {Left: 4}}, p.Bands[1].Cells)
	require.Equal(t, byte('T'), p.Bands[0].Cells[0].letter())
	require.Equal(t, byte('!'), p.Bands[1].Cells[0].letter())

	big := []physmem.Range{{Start: 0, End: 8 << 40}}
	require.Equal(t, uint64(1<<18), cellSize(big, 4096, 128, 96))
	require.Equal(t, uint64(1), cellSize(nil, 4096, 128, 96))
}

func TestOneMissingPageIsSeen(t *testing.T) {
	t.Parallel()
	good, bad := Cell{Dumped: 1 << 20}, Cell{Dumped: 1<<20 - 1, Missing: 1}
	require.Equal(t, styles[Dumped].colour, good.colour())
	require.Greater(t, int(bad.colour().R), int(good.colour().R)+50)
}

func TestDrawings(t *testing.T) {
	t.Parallel()
	p, err := New(context.Background(), testDump(t), Options{Columns: 4, Scan: true})
	require.NoError(t, err)

	var text strings.Builder
	require.NoError(t, p.Text(&text, false))
	require.Equal(t, `FreeBSD/amd64 minidump: 6 of 12 pages of 4 KiB; a cell is 4 KiB
[0x0, 0x4000) 16 KiB
o.T.
[0x100000, 0x108000) 32 KiB
###!
....
# dumped: 3 pages, 12 KiB
o dumped, zero: 1 pages, 4 KiB
T page tables: 1 pages, 4 KiB
! missing: 1 pages, 4 KiB
. RAM, not in the dump: 6 pages, 24 KiB
`, text.String())

	var coloured strings.Builder
	require.NoError(t, p.Text(&coloured, true))
	require.Contains(t, coloured.String(), foreground(styles[Missing].colour))
	require.Equal(t, 4+4, strings.Count(coloured.String(), "▀"))

	var drawing bytes.Buffer
	require.NoError(t, p.SVG(&drawing))
	require.Contains(t, drawing.String(), `fill="#cc2244"`)
	require.Contains(t, drawing.String(), "missing: 1 pages, 4 KiB</text>")

	drawing.Reset()
	require.NoError(t, p.PNG(&drawing))
	image, err := png.Decode(&drawing)
	require.NoError(t, err)
	width, height := p.extent()
	require.Equal(t, width, image.Bounds().Dx())
	require.Equal(t, height, image.Bounds().Dy())
}

func TestPictureOfARealDump(t *testing.T) {
	t.Parallel()
	corpus := os.Getenv("RESCUE_CORPUS")
	if corpus == "" {
		corpus = filepath.Join("..", "..", "..", "..", "..", "shared", "data")
	}
	file, err := os.Open(filepath.Join(corpus, "freebsd", "vmcore-amd64-minidump.bz2"))
	if err != nil {
		t.Skipf("the corpus of real dumps is not here: %v", err)
	}
	defer file.Close()
	data, err := io.ReadAll(bzip2.NewReader(file))
	require.NoError(t, err)
	r, err := minidump.Open(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	p, err := New(context.Background(), r, Options{Scan: true})
	require.NoError(t, err)
	require.Equal(t, uint64(32634), p.Total.pages())
	require.Equal(t, uint64(24144), p.Total.pages()-p.Total[Left])
	require.Equal(t, uint64((107388928-101685248)/4096+1), p.Total[Missing])
	if folder := os.Getenv("RESCUE_PICTURES"); folder != "" {
		out, err := os.Create(filepath.Join(folder, "map.png"))
		require.NoError(t, err)
		defer out.Close()
		require.NoError(t, p.PNG(out))
	}
}
