package minidump

import (
	"bytes"
	"compress/bzip2"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/stretchr/testify/require"
)

// corpusFiles keeps unpacked files of the corpus for one run of the tests.
var corpusFiles sync.Map

// corpusFile returns a file of FreeBSD's real dumps, unpacked.
func corpusFile(t testing.TB, name string) []byte {
	t.Helper()
	directory := os.Getenv("RESCUE_CORPUS")
	if directory == "" {
		directory = filepath.Join("..", "..", "shared", "data")
	}
	load := sync.OnceValues(func() ([]byte, error) {
		packed, err := os.ReadFile(filepath.Join(directory, "freebsd", name+".bz2"))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(bzip2.NewReader(bytes.NewReader(packed)))
	})
	entry, _ := corpusFiles.LoadOrStore(name, load)
	data, err := entry.(func() ([]byte, error))()
	if os.IsNotExist(err) {
		t.Skipf("no corpus of real dumps (RESCUE_CORPUS): %v", err)
	}
	require.NoError(t, err)
	return data
}

// openCorpus opens a real dump.
func openCorpus(t testing.TB, name string, options ...Option) *Reader {
	t.Helper()
	data := corpusFile(t, name)
	r, err := Open(bytes.NewReader(data), int64(len(data)), options...)
	require.NoError(t, err)
	return r
}

// image is a minidump that tests write byte by byte after the format's
// description, with none of the code under test.
type image struct {
	architecture Architecture
	version      uint32
	pageSize     uint64
	ranges       [][2]uint64 // dump_avail
	flatBits     uint64      // bits of the bitmap in versions without dump_avail
	dumped       func(bit uint64) bool
	content      map[uint64][]byte // pages by address that are not a pattern
	ring         []byte            // message buffer, and what follows it
	ringSize     uint32            // 0: len(ring)
	tables       []byte
	kernelBase   uint64
	directMap    [2]uint64
	directPhys   uint64
	page0        func(page []byte)
}

// hasDumpAvail is true of the versions that do.
func (m *image) hasDumpAvail() bool {
	if m.architecture == AMD64 {
		return m.version == 3
	}
	return m.version >= 2
}

// bits lists the addresses of all bits.
func (m *image) bits() (addresses []uint64) {
	if !m.hasDumpAvail() {
		for i := range m.flatBits {
			addresses = append(addresses, i*m.pageSize)
		}
		return addresses
	}
	for _, r := range m.ranges {
		for page := r[0] / m.pageSize; page < (r[1]+m.pageSize-1)/m.pageSize; page++ {
			addresses = append(addresses, page*m.pageSize)
		}
	}
	return addresses
}

// page is the content of the page at address.
func (m *image) page(address uint64) []byte {
	if p, ok := m.content[address]; ok {
		return p
	}
	p := make([]byte, m.pageSize)
	for i := 0; i < len(p); i += 8 {
		binary.LittleEndian.PutUint64(p[i:], (address+uint64(i)+1)*0x9e3779b97f4a7c15)
	}
	return p
}

// write writes the dump; pages are the addresses of those that it has.
func (m *image) write() (file []byte, pages []uint64) {
	addresses := m.bits()
	var avail []byte
	if m.hasDumpAvail() {
		avail = make([]byte, m.pageSize)
		for i, r := range m.ranges {
			binary.LittleEndian.PutUint64(avail[i*16:], r[0])
			binary.LittleEndian.PutUint64(avail[i*16+8:], r[1])
		}
	}
	bitmap := make([]byte, (uint64(len(addresses))/8+m.pageSize)/m.pageSize*m.pageSize)
	var data []byte
	for bit, address := range addresses {
		if m.dumped == nil || m.dumped(uint64(bit)) {
			bitmap[bit/8] |= 1 << (bit % 8)
			data = append(data, m.page(address)...)
			pages = append(pages, address)
		}
	}
	ringSize := m.ringSize
	if ringSize == 0 {
		ringSize = uint32(len(m.ring))
	}
	bitmapSize := len(bitmap)
	if !m.hasDumpAvail() {
		bitmapSize = len(addresses) / 8
	}
	header := m.header(ringSize, uint32(bitmapSize), uint32(len(m.tables)), uint32(len(avail)))
	for _, section := range [][]byte{header, m.ring, avail, bitmap, m.tables, data} {
		file = append(file, section...)
		file = append(file, make([]byte, (m.pageSize-uint64(len(file))%m.pageSize)%m.pageSize)...)
	}
	if m.page0 != nil {
		m.page0(file[:m.pageSize])
	}
	return file, pages
}

// header is the structure of minidump.h.
func (m *image) header(ring, bitmap, tables, avail uint32) []byte {
	h := make([]byte, 80)
	copy(h, "minidump FreeBSD/"+m.architecture.String())
	put32 := binary.LittleEndian.PutUint32
	put64 := binary.LittleEndian.PutUint64
	put32(h[24:], m.version)
	put32(h[28:], ring)
	put32(h[32:], bitmap)
	put32(h[36:], tables)
	put64(h[40:], m.kernelBase)
	if m.architecture == AMD64 {
		put64(h[48:], m.directMap[0])
		put64(h[56:], m.directMap[1])
		put32(h[64:], avail)
		return h[:72]
	}
	put64(h[48:], m.directPhys)
	put64(h[56:], m.directMap[0])
	put64(h[64:], m.directMap[1])
	put32(h[72:], avail)
	if m.version >= 3 && m.pageSize == PageSize16K {
		put32(h[76:], 1)
	}
	return h
}

// open writes the dump and opens it.
func (m *image) open(t testing.TB, options ...Option) (*Reader, []byte, []uint64) {
	t.Helper()
	file, pages := m.write()
	r, err := Open(bytes.NewReader(file), int64(len(file)), options...)
	require.NoError(t, err)
	return r, file, pages
}

// oddRanges are ranges with every oddity: from 0, unaligned, sharing pages,
// several in one page, adjacent, far away.
var oddRanges = [][2]uint64{
	{0, 0x9f000},
	{0x104000, 0x140800},
	{0x140900, 0x150123}, // shares page 0x140000
	{0x150200, 0x150300}, // and 0x150000
	{0x150400, 0x151000},
	{0x151000, 0x15a000}, // adjacent
	{0x7fdf0001, 0x7fdff001},
	{0x1_0000_0000, 0x1_0004_0000},
}

// oddImages are dumps of every architecture and version that can be
// translated, over odd ranges.
func oddImages() map[string]*image {
	images := make(map[string]*image)
	add := func(name string, a Architecture, version uint32, pageSize uint64) {
		images[name] = &image{
			architecture: a, version: version, pageSize: pageSize, ranges: oddRanges, flatBits: 0x400,
			dumped:     func(bit uint64) bool { return bit%3 != 1 && bit%64 < 50 },
			ring:       append([]byte("hello\nworld\n"), make([]byte, 5000)...),
			kernelBase: 0xffff_8000_0000_0000, directMap: [2]uint64{0xffff_0000_0000_0000, 0xffff_4000_0000_0000},
			tables: make([]byte, pageSize),
		}
	}
	add("amd64 v1", AMD64, 1, PageSize4K)
	add("amd64 v2", AMD64, 2, PageSize4K)
	add("amd64 v3", AMD64, 3, PageSize4K)
	add("arm64 v1", ARM64, 1, PageSize4K)
	add("arm64 v2", ARM64, 2, PageSize4K)
	add("arm64 v3", ARM64, 3, PageSize4K)
	add("arm64 v3 16K", ARM64, 3, PageSize16K)
	return images
}

// checkPages checks that r has exactly these pages, in this order, with the
// content that m gives them.
func checkPages(t *testing.T, r *Reader, m *image, pages []uint64) {
	t.Helper()
	require.EqualValues(t, len(pages), r.NumPages())
	count := 0
	got := make([]byte, m.pageSize)
	for address, offset := range r.Pages() {
		require.Less(t, count, len(pages))
		require.EqualValues(t, pages[count], address)
		require.Equal(t, r.layout.PageOffset(uint64(count)), offset)
		_, err := r.file.ReadAt(got, offset)
		require.NoError(t, err)
		require.Equal(t, m.page(pages[count]), got)
		count++
	}
	require.Equal(t, len(pages), count)
	joined := uint64(0)
	for run, offset := range r.Runs() {
		require.Equal(t, r.layout.PageOffset(joined), offset)
		for at := run.Start; at < run.End; at += physmem.Address(m.pageSize) {
			require.EqualValues(t, pages[joined], at)
			joined++
		}
	}
	require.EqualValues(t, len(pages), joined)
}
