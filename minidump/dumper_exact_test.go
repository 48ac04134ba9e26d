package minidump

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/stretchr/testify/require"
)

// exactImage is bytes written at offsets, little-endian.
type exactImage []byte

func (b exactImage) put32(offset int, values ...uint32) {
	for i, v := range values {
		binary.LittleEndian.PutUint32(b[offset+4*i:], v)
	}
}

func (b exactImage) put64(offset int, values ...uint64) {
	for i, v := range values {
		binary.LittleEndian.PutUint64(b[offset+8*i:], v)
	}
}

// requireSame compares page by page, to say where.
func requireSame(t *testing.T, want, got []byte) {
	t.Helper()
	for at := 0; at < min(len(want), len(got)); at += 4096 {
		end := min(len(want), len(got), at+4096)
		require.Equal(t, want[at:end], got[at:end], "page at offset %#x", at)
	}
	require.Len(t, got, len(want))
}

// exactAMD64 is a machine written by hand.
//
// Memory: [0x1000, 0x9000) and [0x100000, 0x104000), 12 bits. PML4 at 0x1000,
// PDPT at 0x2000, PD at 0x3000, PT at 0x4000. The kernel's first GiB has a page
// table and a 2 MiB page, its second is one 1 GiB page, its third is empty.
func exactAMD64(t *testing.T) Source {
	t.Helper()
	low, high := make(exactImage, 0x8000), make(exactImage, 0x4000)
	low.put64(0x0000+508*8, 0x2063)
	low.put64(0x1000, 0x3063, 0x80000000400011e3)
	low.put64(0x2000, 0x4063, 0x80000000002001e3)
	low.put64(0x3000, 0x8000000000005163)
	copy(low[0x4000:], "page 5")
	copy(high[0x1000:], "page 101")
	memory, err := physmem.NewBanks(physmem.NewBytes(0x1000, low), physmem.NewBytes(0x100000, high))
	require.NoError(t, err)

	available := make(exactImage, 48)
	available.put64(0, 0x1000, 0x9000, 0x100000, 0x104000)
	bitmap := make(exactImage, 8)
	bitmap.put64(0, 1<<4|1<<9|1<<12) // the last is beyond the end
	return Source{
		Architecture: AMD64, Memory: memory, Readable: memory.Ranges(),
		DumpAvail: bytes.NewReader(available), Bitmap: bytes.NewReader(bitmap),
		AMD64:      amd64.Paging{Root: 0x1000},
		KernelBase: 0xfffffe0000000000, KernelEnd: 0xfffffe00bffff000,
		DirectMapBase: 0xfffff80000000000, DirectMapEnd: 0xfffffc0000000000,
		MessageBuffer: MessageBuffer{Content: strings.NewReader("rld\nhello, wo"), Positioned: true, Position: 13 + 4, Address: 0xfffff80000100000},
	}
}

// TestExactAMD64 compares the machine's dump with a file written by hand.
func TestExactAMD64(t *testing.T) {
	t.Parallel()
	d := requireDumper(t, exactAMD64(t))
	want := make(exactImage, 0xa000)
	copy(want, "minidump FreeBSD/amd64")
	want.put32(24, 3, 13, 4096, 3*4096) // version, msgbufsize, bitmapsize, pmapsize
	want.put64(40, 0xfffffe0000000000, 0xfffff80000000000, 0xfffffc0000000000)
	want.put32(64, 4096) // dumpavailsize
	copy(want[0x1000:], "rld\nhello, wo")
	want.put64(0x1000+13, 0xfffff80000100000)
	var sum uint32
	for _, c := range []byte("rld\nhello, wo") {
		sum += uint32(c)
	}
	want.put32(0x1000+21, 0x063062, 13, 17, 4, sum, 13*16, 0xffffffff)
	want.put64(0x2000, 0x1000, 0x9000, 0x100000, 0x104000)
	want.put64(0x3000, 1<<3|1<<4|1<<9) // and the page table
	want.put64(0x4000, 0x4063, 0x80000000002001e3)
	for i := range 512 {
		want.put64(0x5000+8*i, 0x80000000400011e3+uint64(i)<<21)
	}
	want.put64(0x7000, 0x8000000000005163)
	copy(want[0x8000:], "page 5")
	copy(want[0x9000:], "page 101")
	requireSame(t, want, readAll(t, d))
	require.Equal(t, []Mark{{Part: "page bitmap", Detail: "1 bits beyond dump_avail are set"}}, d.Marks())
}

// TestExactARM64 does the same with 4 KiB pages: level 0 at 0x40001000, level 1
// at 0x40002000, level 2 at 0x40003000, level 3 at 0x40004000; a table, a 2 MiB
// block, nothing. Memory begins and ends inside of pages.
func TestExactARM64(t *testing.T) {
	t.Parallel()
	ram := make(exactImage, 0x8000)
	ram.put64(0x0c00, 0x40002003)
	ram.put64(0x1c00, 0x40003003)
	ram.put64(0x2c00, 0x40004003, 0x60000040200701)
	ram.put64(0x3c00, 0x60000040005703, 0x40006703)
	copy(ram[0x0000:], "begin")
	copy(ram[0x7ffd:], "end")
	memory := physmem.NewBytes(0x40000400, ram)

	available := make(exactImage, 32)
	available.put64(0, 0x40000400, 0x40008400)
	bitmap := make(exactImage, 8)
	bitmap.put64(0, 1<<0|1<<8)
	d, err := NewDumper(Source{
		Architecture: ARM64, Memory: memory, Readable: physmem.NewRanges(memory.Range()),
		DumpAvail: bytes.NewReader(available), Bitmap: bytes.NewReader(bitmap),
		ARM64:      arm64.Paging{Root: 0x40001000},
		KernelBase: 0xffff000000000000, KernelEnd: 0xffff000000600000,
		DirectMapBase: 0xffffa00000000000, DirectMapEnd: 0xffffff0000000000, DirectMapPhysical: 0x40000000,
		MessageBuffer: MessageBuffer{Content: strings.NewReader("raw")},
	})
	require.NoError(t, err)

	want := make(exactImage, 0x9000)
	copy(want, "minidump FreeBSD/arm64")
	want.put32(24, 2, 3, 4096, 3*4096)
	want.put64(40, 0xffff000000000000, 0x40000000, 0xffffa00000000000, 0xffffff0000000000)
	want.put32(72, 4096)
	copy(want[0x1000:], "raw")
	want.put64(0x2000, 0x40000400, 0x40008400)
	want.put64(0x3000, 1<<0|1<<8)
	want.put64(0x4000, 0x60000040005703, 0x40006703)
	for i := range 512 {
		want.put64(0x5000+8*i, 0x40200703+uint64(i)<<12)
	}
	copy(want[0x7400:], "begin")
	copy(want[0x83fd:], "end")
	requireSame(t, want, readAll(t, d))
	holes, _ := d.Holes()
	require.Equal(t, []Hole{
		{Range: physmem.Range{Start: 0x40000000, End: 0x40000400}, Reason: HoleOutside},
		{Range: physmem.Range{Start: 0x40008400, End: 0x40009000}, Reason: HoleOutside},
	}, holes)
	require.Empty(t, d.Marks())
}
