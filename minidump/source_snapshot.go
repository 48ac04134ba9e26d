package minidump

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// Parts of the host, as marks name them.
const (
	partDumpAvail     = "dump_avail"
	partBitmap        = "page bitmap"
	partPageTables    = "page tables"
	partMessageBuffer = "message buffer"
	partNotes         = "dump notes"
)

// marks are what was found wrong with the host. Each rule of NewDumper adds one
// or two, however much is wrong.
type marks []Mark

func (m *marks) add(part, format string, arguments ...any) {
	*m = append(*m, Mark{Part: part, Detail: fmt.Sprintf(format, arguments...)})
}

// Marks are the parts of the host that were found wrong: those of Source.Notes,
// and what NewDumper found.
func (d *Dumper) Marks() []Mark { return slices.Concat(d.source.Notes.Marks, d.marks) }

// openDumpAvail reads the host's dump_avail.
func (d *Dumper) openDumpAvail() error {
	pageSize := uint32(d.source.PageSize)
	var err error
	if !d.source.hasDumpAvail() {
		d.available, err = NewFlatDumpAvail(pageSize, d.flatPages())
		return err
	}
	if a := d.source.DumpAvail; a != nil {
		data := make([]byte, min(max(a.Size(), 0), maxDumpAvailRanges*16))
		n, err := a.ReadAt(data, 0)
		n = min(max(n, 0), len(data))
		if n < len(data) {
			d.marks.add(partDumpAvail, "%d bytes of %d could be read: %v", n, len(data), err)
		}
		d.available, err = ParseDumpAvail(data[:n], binary.LittleEndian, 8, pageSize)
		if err != nil {
			d.marks.add(partDumpAvail, "%v", err)
		}
		if d.available != nil && d.available.Pages() > 0 {
			return nil
		}
		d.marks.add(partDumpAvail, "no range in it can be used; the memory map stands for it")
	}
	ranges := physmem.NewRanges(d.source.Readable...).Intersect(physmem.Ranges{{Start: 0, End: physmem.MaxAddress}})
	if len(ranges) == 0 {
		d.marks.add(partDumpAvail, "no memory is known: the dump has no pages")
	}
	d.available, err = NewDumpAvail(pageSize, ranges[:min(len(ranges), maxDumpAvailRanges-1)])
	return err
}

// flatPages is the number of pages of a version without dump_avail: those that
// the bitmap has, or those of Readable.
func (d *Dumper) flatPages() uint64 {
	size := uint64(d.source.PageSize)
	most := uint64(physmem.MaxAddress) / size
	if d.source.Bitmap != nil {
		return min(most, uint64(max(d.source.Bitmap.Size(), 0))*8)
	}
	end := physmem.NewRanges(d.source.Readable...).Bounds().End
	return min(most, uint64(end.AlignUp(size))/size)
}

// readBitmap takes the snapshot of the host's bitmap and sets d.bits.
func (d *Dumper) readBitmap() []uint64 {
	total, told := d.available.Pages(), uint64(0)
	if b := d.source.Bitmap; b != nil {
		told = min(uint64(max(b.Size(), 0)), math.MaxUint64/8) * 8
	}
	d.bits = total
	if told < total && (d.source.Bitmap != nil || d.source.Readable != nil) {
		d.bits = min(total, max(told, d.readableBits()))
	}
	room := uint64(maximumBitmap) * 8
	if d.source.Storage != nil {
		room = uint64(len(d.source.Storage)) * 64
	}
	if d.bits > room {
		d.marks.add(partBitmap, "room for %d pages of %d: those from %v on are left out", room, d.bits, d.addressOf(room))
		d.bits = room
	}
	words := d.source.Storage
	if words == nil {
		words = make([]uint64, (d.bits+63)/64)
	}
	words = words[:(d.bits+63)/64]
	clear(words)
	if d.source.Bitmap == nil {
		d.setUnknown(words, 0, d.bits)
		return words
	}
	if told < total {
		d.marks.add(partBitmap, "%d bits for %d pages", told, total)
		if d.source.Readable != nil {
			d.setUnknown(words, told, d.bits)
		}
	}
	d.copyBitmap(words, total)
	return words
}

// addressOf is the address of a bit, for marks.
func (d *Dumper) addressOf(bit uint64) physmem.Address {
	address, _ := d.available.Address(bit)
	return address
}

// copyBitmap reads the host's bitmap into words, in pieces, and drops what is
// beyond dump_avail.
func (d *Dumper) copyBitmap(words []uint64, total uint64) {
	const piece = 4096
	var buffer [piece]byte
	var stray, unread int
	size := min(d.source.Bitmap.Size(), int64(d.available.BitmapSize()))
	for at := int64(0); at < size; at += piece {
		p := buffer[:min(piece, size-at)]
		n, err := d.source.Bitmap.ReadAt(p, at)
		n = min(max(n, 0), len(p))
		if n < len(p) {
			if unread == 0 {
				d.marks.add(partBitmap, "cannot be read at offset %#x: %v", at+int64(n), err)
			}
			unread += len(p) - n
			clear(p[n:])
			d.setUnknown(words, uint64(at+int64(n))*8, min(uint64(at+piece)*8, d.bits))
		}
		for i := 0; i < len(p); i += 8 {
			var word [8]byte
			copy(word[:], p[i:])
			w := binary.LittleEndian.Uint64(word[:])
			first := uint64(at+int64(i)) * 8
			keep := ^uint64(0)
			if first+64 > total {
				keep = 1<<(max(total, first)-first) - 1
			}
			stray += bits.OnesCount64(w &^ keep)
			if int(first/64) < len(words) {
				words[first/64] |= w & keep
			}
		}
	}
	if unread > piece {
		d.marks.add(partBitmap, "%d bytes in all cannot be read", unread)
	}
	if stray > 0 {
		d.marks.add(partBitmap, "%d bits beyond dump_avail are set", stray)
	}
}

// readableBits is the number of the last bit that stands for readable memory,
// plus one.
func (d *Dumper) readableBits() (count uint64) {
	readable := physmem.NewRanges(d.source.Readable...)
	for i := range d.available.ranges {
		a := &d.available.ranges[i]
		for _, r := range readable.Intersect(physmem.Ranges{a.outer(d.available.shift)}) {
			count = a.bit(uint64(r.End-1)>>d.available.shift) + 1
		}
	}
	return count
}

// setUnknown sets those bits of [from, to) that stand for readable memory.
func (d *Dumper) setUnknown(words []uint64, from, to uint64) {
	readable := physmem.Ranges{{Start: 0, End: physmem.MaxAddress}}
	if d.source.Readable != nil {
		readable = physmem.NewRanges(d.source.Readable...)
	}
	for i := range d.available.ranges {
		a := &d.available.ranges[i]
		for _, r := range readable.Intersect(physmem.Ranges{a.outer(d.available.shift)}) {
			first := a.bit(uint64(r.Start) >> d.available.shift)
			last := a.bit(uint64(r.End-1) >> d.available.shift)
			setBits(words, max(first, from), min(last+1, to))
		}
	}
}

// outer is the range's pages.
func (r *availableRange) outer(shift uint) physmem.Range {
	return physmem.Range{Start: physmem.Address(r.firstPage << shift), End: physmem.Address((r.firstPage + r.pages) << shift)}
}

// setBits sets the bits [from, to).
func setBits(words []uint64, from, to uint64) {
	for from < to {
		end := min(to, from|63+1)
		words[from/64] |= ^uint64(0) << (from % 64) & (^uint64(0) >> (63 - (end-1)%64))
		from = end
	}
}

// readWords fills p with the bytes of words from offset on; zeros beyond them.
func readWords(p []byte, words []uint64, offset uint64) {
	for len(p) > 0 {
		if offset/8 >= uint64(len(words)) {
			clear(p)
			return
		}
		w := words[offset/8]
		if offset%8 == 0 && len(p) >= 8 {
			binary.LittleEndian.PutUint64(p, w)
			p, offset = p[8:], offset+8
			continue
		}
		p[0] = byte(w >> (offset % 8 * 8))
		p, offset = p[1:], offset+1
	}
}
