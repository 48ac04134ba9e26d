package minidump

import (
	"errors"
	"fmt"
	"io"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// minidumpPages finds pages by the rank of their bits.
type minidumpPages struct {
	layout    Layout
	size      int64
	available *DumpAvail
	bitmap    *BitmapSnapshot
	mask      uint64 // of the offset in a page
	holes     []Hole
}

func (m *minidumpPages) locate(address physmem.Address, want uint64) (int64, uint64, error) {
	bit, end, ok := m.available.indexRun(address)
	if !ok {
		return 0, 0, &MissingError{Address: address, Err: ErrNotInDumpAvail}
	}
	if bit >= m.bitmap.Len() {
		return 0, 0, &MissingError{Address: address, Err: ErrBeyondEnd, Bit: bit, Offset: m.size, Reason: HoleNoBitmap}
	}
	if !m.bitmap.Test(bit) {
		return 0, 0, &MissingError{Address: address, Err: ErrNotInBitmap, Bit: bit}
	}
	inPage := uint64(address) & m.mask
	n := m.mask + 1 - inPage
	for next := bit + 1; n < want && next < end && m.bitmap.Test(next); next++ {
		n += m.mask + 1
	}
	n = min(n, want)
	if len(m.holes) > 0 {
		var hole Hole
		if n, hole = beforeHole(m.holes, address, n); n == 0 {
			return 0, 0, &MissingError{Address: address, Err: ErrRecordedHole, Bit: bit, Reason: hole.Reason}
		}
	}
	offset := m.layout.PageOffset(m.bitmap.Rank(bit)) + int64(inPage)
	if offset >= m.size {
		return 0, 0, &MissingError{Address: address, Err: ErrBeyondEnd, Bit: bit, Offset: offset, Reason: HoleBeyondEnd}
	}
	return offset, min(n, uint64(m.size-offset)), nil
}

// beforeHole shortens the n bytes at address to those before the first hole
// that they touch, and returns it.
func beforeHole(holes []Hole, address physmem.Address, n uint64) (uint64, Hole) {
	low, high := 0, len(holes)
	for low < high { // the first that ends after address
		middle := int(uint(low+high) / 2)
		if holes[middle].Range.End > address {
			high = middle
		} else {
			low = middle + 1
		}
	}
	if low == len(holes) || holes[low].Range.Start >= address+physmem.Address(n) {
		return n, Hole{}
	}
	if holes[low].Range.Start <= address {
		return 0, holes[low]
	}
	return uint64(holes[low].Range.Start - address), holes[low]
}

// indexRun is Index, and the bit after the last of the range that it is in.
func (d *DumpAvail) indexRun(address physmem.Address) (bit, end uint64, ok bool) {
	i, ok := d.find(address)
	if !ok {
		return 0, 0, false
	}
	r := &d.ranges[i]
	return r.bit(uint64(address) >> d.shift), r.firstBit + r.pages, true
}

// Locate returns where the byte at address is in the file. The error is a
// *MissingError.
func (r *Reader) Locate(address physmem.Address) (offset int64, err error) {
	offset, _, err = r.store.locate(address, 1)
	return offset, err
}

// HasPage reports whether the dump, had it not been cut, has the page that
// holds address.
func (r *Reader) HasPage(address physmem.Address) bool {
	_, _, err := r.store.locate(address, 1)
	return err == nil || isBeyondEnd(err) || errors.Is(err, ErrRecordedHole)
}

// ReadPhysical reads the machine's physical memory, across pages and ranges.
//
// The error is a *physmem.AccessError that holds a *MissingError where the
// dump does not have the memory. Without an error nothing is allocated.
func (r *Reader) ReadPhysical(p []byte, address physmem.Address) (n int, err error) {
	for n < len(p) {
		at := address + physmem.Address(n)
		offset, piece, err := r.store.locate(at, uint64(len(p)-n))
		if err != nil {
			if r.options.zeroBeyondEnd && isBeyondEnd(err) {
				left := uint64(r.header.PageSize) - uint64(at)&uint64(r.header.PageSize-1)
				piece = min(left, uint64(len(p)-n))
				clear(p[n : n+int(piece)])
				n += int(piece)
				continue
			}
			return n, accessError(at, len(p)-n, err)
		}
		m, err := r.file.ReadAt(p[n:n+int(piece)], offset)
		n += m
		if m < int(piece) {
			at += physmem.Address(m)
			if err == nil || errors.Is(err, io.EOF) { // the file is shorter than Open was told
				err = &MissingError{Address: at, Err: ErrBeyondEnd, Offset: offset + int64(m), Reason: HoleBeyondEnd}
			} else {
				err = fmt.Errorf("file offset %#x: %w", offset+int64(m), err)
			}
			return n, accessError(at, len(p)-n, err)
		}
	}
	return n, nil
}

// isBeyondEnd reports whether err is a page that the file is too short for,
// not one whose bit is unknown.
func isBeyondEnd(err error) bool {
	var missing *MissingError
	return errors.As(err, &missing) && missing.Reason == HoleBeyondEnd
}

// accessError is what ReadPhysical fails with.
func accessError(at physmem.Address, length int, err error) error {
	end := at + physmem.Address(length)
	if end < at {
		end = ^physmem.Address(0)
	}
	return &physmem.AccessError{Operation: "read", Range: physmem.Range{Start: at, End: end}, Err: err}
}
