package kerneldump

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Dump is a kernel dump that was found on a device.
type Dump struct {
	Header Header // the trailing header, or the leading one of a dump that was cut
	Layout Layout

	// Live says that this is a file that FreeBSD's live dump wrote: the dump
	// begins at 0 and there is one header, behind its last page
	// (kern_vnodedumper.c).
	Live bool

	// Problem is nil for a whole dump, or why it is not one:
	// ErrNoTrailingHeader (salvaged by its leading header), ErrHeadersDiffer.
	Problem error
}

// FindOptions says how to look for a dump. The zero value is right for a whole
// device or an image of one.
type FindOptions struct {
	// SectorSize of the device; 0 tries 512 and 4096.
	SectorSize int

	// NoSalvage looks at the trailing header only, as savecore does.
	NoSalvage bool

	// LeadingAt are offsets where a leading header is looked for before the
	// device is scanned, for instance the one that a dump label names.
	LeadingAt []int64

	// ScanLimit is how far from each end of the device leading headers are
	// looked for when there is no trailing one: 0 is DefaultScanLimit, and a
	// negative value the whole device.
	ScanLimit int64
}

// DefaultScanLimit bounds a scan to about a second from each end of a disk.
const DefaultScanLimit = 256 << 20

// Find locates the kernel dump on a device of size bytes.
//
// The trailing header in the last sector decides. If it is not there, leading
// headers are looked for: one counts only where its own sizes put it at the
// very place where it lies, so that copies of headers in the dumped memory are
// not taken for one. Of several, the latest dump wins. What is found so has
// Problem ErrNoTrailingHeader.
//
// The error is ErrNoDump where there is nothing.
func Find(r io.ReaderAt, size int64, o FindOptions) (*Dump, error) {
	sizes := sectorSizes[:]
	if o.SectorSize != 0 {
		if !isSectorSize(o.SectorSize) {
			return nil, fmt.Errorf("sector size %d: must be a power of two from 512 to 64 KiB", o.SectorSize)
		}
		sizes = []int{o.SectorSize}
	}
	var found *Dump
	var damage error
	for _, sector := range sizes {
		d, err := findTrailing(r, size, sector)
		switch {
		case err == nil && d.Problem == nil:
			return d, nil
		case err == nil && found == nil:
			found = d
		case err != nil && !errors.Is(err, ErrNotHeader) && damage == nil:
			damage = err
		}
	}
	if found != nil {
		return found, nil
	}
	if !o.NoSalvage {
		d, err := salvage(r, size, sizes, o)
		if d != nil || err != nil {
			return d, err
		}
	}
	if damage != nil {
		return nil, fmt.Errorf("%w: trailing header: %w", ErrNoDump, damage)
	}
	return nil, ErrNoDump
}

// findTrailing looks at the last sector, and at the leading header that it
// points to.
func findTrailing(r io.ReaderAt, size int64, sector int) (*Dump, error) {
	last := size - size%int64(sector) - int64(sector)
	if last < 0 {
		return nil, ErrNotHeader
	}
	var b, lead [HeaderSize]byte
	if err := readFull(r, b[:], last, "read trailing header"); err != nil {
		return nil, err
	}
	h, err := ParseHeader(b[:])
	if err != nil {
		return nil, err
	}
	if h.Kind == KindText && h.Extent < h.Length {
		h.Extent = h.Length // text dumps have no reserved extent of their own
	}
	if d := liveDump(r, &h, size); d != nil {
		return d, nil
	}
	l, err := layoutOf(&h, size, sector)
	if err != nil {
		return nil, err
	}
	if h.BlockSize != uint32(sector) { // the leading header of a small dump may lie where larger sectors would have the last
		return nil, fmt.Errorf("block size %d in sector of %d bytes: %w", h.BlockSize, sector, ErrNotHeader)
	}
	d := &Dump{Header: h, Layout: l}
	if err := readFull(r, lead[:], l.Leading, "read leading header"); err != nil {
		d.Problem = fmt.Errorf("%w: %w", ErrHeadersDiffer, err)
	} else if !twins(lead[:], b[:]) {
		d.Problem = ErrHeadersDiffer
	} else if h.Incomplete {
		d.Problem = ErrNoTrailingHeader
	}
	return d, nil
}

// liveDump recognises the file of a live dump: its header lies behind the
// extent, rounded up to the header's block size, which is a page.
func liveDump(r io.ReaderAt, h *Header, size int64) *Dump {
	if h.BlockSize < 4096 || h.BlockSize > 64<<10 || h.KeySize != 0 || h.Extent == 0 || h.Extent > uint64(size) {
		return nil
	}
	trailing := roundUp(int64(h.Extent), int64(h.BlockSize))
	if trailing+HeaderSize != size || h.Length > h.Extent {
		return nil
	}
	return &Dump{Header: *h, Live: true, Layout: Layout{
		SectorSize: HeaderSize, Leading: -1, Extent: trailing, Trailing: trailing,
	}}
}

// twins compares two headers. savecore clears the trailing one by its magic
// and leaves the leading one as it was, so magic and parity may differ so.
func twins(leading, trailing []byte) bool {
	h, err := ParseHeader(leading)
	if err != nil {
		return false
	}
	t, err := ParseHeader(trailing)
	if err != nil {
		return false
	}
	if h.Kind != t.Kind && t.Kind != KindCleared {
		return false
	}
	return bytes.Equal(leading[magicSize:offsetParity], trailing[magicSize:offsetParity])
}

// Size is how many bytes of dump there are to read: the dump's length, or of a
// dump that was cut before its length was known, the whole extent. Bytes
// behind a cut may be those of an older dump.
func (d *Dump) Size() int64 {
	if d.Problem != nil && d.Header.Length == 0 {
		return d.Layout.Extent
	}
	return int64(d.Header.Length)
}

// Data is the dump, as savecore would save it. The blocks of a text dump,
// which lie in reverse on the device, come in reading order.
func (d *Dump) Data(r io.ReaderAt) *io.SectionReader {
	if d.Header.Kind == KindText {
		return io.NewSectionReader(&reversed{r, d.Layout.Trailing}, 0, d.Size())
	}
	return io.NewSectionReader(r, d.Layout.Data, d.Size())
}

// maxKeySize bounds a key block: 37 bytes and an RSA key of 2048 bytes at most
// (FreeBSD sys/kerneldump.h, KERNELDUMP_ENCKEY_MAX_SIZE), rounded to a sector.
const maxKeySize = 64 << 10

// KeyBlock reads the key block of an encrypted dump with its padding, which is
// what savecore writes to key.N. It is nil where the dump is not encrypted.
func (d *Dump) KeyBlock(r io.ReaderAt) ([]byte, error) {
	if d.Layout.KeySize == 0 {
		return nil, nil
	}
	if d.Layout.KeySize > maxKeySize {
		return nil, fmt.Errorf("key block of %d bytes: %w", d.Layout.KeySize, ErrHeaderBounds)
	}
	b := make([]byte, d.Layout.KeySize)
	if err := readFull(r, b, d.Layout.Key, "read key block"); err != nil {
		return nil, err
	}
	return b, nil
}

// textBlock is the size of a text dump's blocks (FreeBSD db_textdump.c).
const textBlock = 512

// reversed reads blocks that were written from end towards the front.
type reversed struct {
	r   io.ReaderAt
	end int64
}

func (t *reversed) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		within := off % textBlock
		want := p[n:min(len(p), n+textBlock-int(within))]
		m, err := t.r.ReadAt(want, t.end-(off/textBlock+1)*textBlock+within)
		n += m
		off += int64(m)
		if m < len(want) {
			return n, err
		}
	}
	return n, nil
}

// readFull reads all of b, or says what it could not read.
func readFull(r io.ReaderAt, b []byte, off int64, operation string) error {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return &DeviceError{Operation: operation, Offset: off, Size: len(b), Err: err}
}

// String says in one line what was found.
func (d *Dump) String() string {
	if d.Problem != nil {
		return fmt.Sprintf("incomplete kernel dump of %s, %d bytes known in an extent of %d at %#x: %v",
			d.Header.HostName, d.Header.Length, d.Layout.Extent, d.Layout.Data, d.Problem)
	}
	return fmt.Sprintf("kernel dump of %s, %d bytes at %#x", d.Header.HostName, d.Header.Length, d.Layout.Data)
}
