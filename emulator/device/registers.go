package device

import "encoding/binary"

// completer answers accesses in one base address register or window, at
// offsets into it. (PCI: the one that completes a request.)
type completer interface {
	read(offset uint64, p []byte) error
	write(offset uint64, p []byte) error
}

// part is a range of a completer's offsets with a completer of its own.
type part struct {
	offset, size uint64
	completer
}

// parts is a completer made of others. Between them all reads as zeros.
type parts []part

func (l parts) find(offset uint64, n int) *part {
	for i := range l {
		if p := &l[i]; offset >= p.offset && offset-p.offset < p.size && uint64(n) <= p.size-(offset-p.offset) {
			return p
		}
	}
	return nil
}

func (l parts) read(offset uint64, p []byte) error {
	if c := l.find(offset, len(p)); c != nil {
		return c.read(offset-c.offset, p)
	}
	clear(p)
	return nil
}

func (l parts) write(offset uint64, p []byte) error {
	if c := l.find(offset, len(p)); c != nil {
		return c.write(offset-c.offset, p)
	}
	return nil
}

// plain are registers that keep what is written to them, as far as their mask
// lets it through.
type plain struct{ data, mask []byte }

func (r plain) read(offset uint64, p []byte) error {
	readImage(r.data, offset, p)
	return nil
}

func (r plain) write(offset uint64, p []byte) error {
	for i, v := range p {
		if at := offset + uint64(i); at < uint64(len(r.data)) {
			r.data[at] = r.data[at]&^r.mask[at] | v&r.mask[at]
		}
	}
	return nil
}

// readImage reads from registers that are bytes of memory; zeros beyond them.
func readImage(image []byte, offset uint64, p []byte) {
	clear(p)
	if offset < uint64(len(image)) {
		copy(p, image[offset:])
	}
}

// value is a little-endian number of 1, 2, 4 or 8 bytes.
func value(p []byte) uint64 {
	var b [8]byte
	copy(b[:], p)
	return binary.LittleEndian.Uint64(b[:])
}

// put stores a number as little-endian bytes, as many as there is room for.
func put(p []byte, v uint64) {
	for i := range p {
		p[i] = byte(v)
		v >>= 8
	}
}

// field identifies an access to a register: offset and width.
type field struct {
	offset uint64
	width  int
}
