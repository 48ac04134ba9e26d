package record

import "unsafe"

// Encoder appends CBOR items (RFC 8949) to fixed memory, each with the shortest
// head that there is for it. An item that does not fit whole is refused, and so
// is everything after it. It allocates nothing and cannot panic.
type Encoder struct {
	start      unsafe.Pointer
	size, used uintptr
	full       bool
}

// NewEncoder is an encoder into b.
//
//go:nosplit
func NewEncoder(b []byte) Encoder {
	return Encoder{start: unsafe.Pointer(unsafe.SliceData(b)), size: uintptr(len(b))}
}

// Major types (RFC 8949 section 3.1), in the upper bits of an item's first byte,
// and the simple value null.
const (
	majorUint  = 0 << 5
	majorInt   = 1 << 5
	majorBytes = 2 << 5
	majorText  = 3 << 5
	majorMap   = 5 << 5
	null       = 0xf6
)

// Len is the number of bytes written.
//
//go:nosplit
func (e *Encoder) Len() int { return int(e.used) }

// Full says that an item was refused.
//
//go:nosplit
func (e *Encoder) Full() bool { return e.full }

// room reports whether an item of n bytes fits.
//
//go:nosplit
func (e *Encoder) room(n uintptr) bool {
	if e.full || n > e.size-e.used {
		e.full = true
	}
	return !e.full
}

// headSize is the size of an item's head.
//
//go:nosplit
func headSize(v uint64) uintptr {
	switch {
	case v < 24:
		return 1
	case v < 1<<8:
		return 2
	case v < 1<<16:
		return 3
	case v < 1<<32:
		return 5
	}
	return 9
}

// head writes a major type with its argument; there is room for it.
//
//go:nosplit
func (e *Encoder) head(major byte, v uint64) {
	n := headSize(v) - 1 // bytes of argument
	switch n {
	case 0:
		major |= byte(v)
	case 1:
		major |= 24
	case 2:
		major |= 25
	case 4:
		major |= 26
	default:
		major |= 27
	}
	store8(e.start, e.used, major)
	for i := uintptr(0); i < n; i++ {
		store8(e.start, e.used+n-i, byte(v>>(8*i&63)))
	}
	e.used += 1 + n
}

// Map begins a map of so many pairs: key, value, key, value.
//
//go:nosplit
func (e *Encoder) Map(pairs int) {
	if e.room(headSize(uint64(pairs))) {
		e.head(majorMap, uint64(pairs))
	}
}

// Uint appends an unsigned integer.
//
//go:nosplit
func (e *Encoder) Uint(v uint64) {
	if e.room(headSize(v)) {
		e.head(majorUint, v)
	}
}

// Int appends a signed integer.
//
//go:nosplit
func (e *Encoder) Int(v int64) {
	if v >= 0 {
		e.Uint(uint64(v))
	} else if e.room(headSize(^uint64(v))) {
		e.head(majorInt, ^uint64(v))
	}
}

// Null appends null.
//
//go:nosplit
func (e *Encoder) Null() {
	if e.room(1) {
		store8(e.start, e.used, null)
		e.used++
	}
}

// Bytes appends a byte string.
//
//go:nosplit
func (e *Encoder) Bytes(v View) {
	if e.room(v.length) && e.room(headSize(uint64(v.length))+v.length) {
		e.head(majorBytes, uint64(v.length))
		copyMemory(e.start, e.used, v.start, v.length)
		e.used += v.length
	}
}

// Text appends a text string. A byte that is not part of valid UTF-8 becomes a
// question mark, so that the text has the length of v.
//
//go:nosplit
func (e *Encoder) Text(v View) {
	if !e.room(v.length) || !e.room(headSize(uint64(v.length))+v.length) {
		return
	}
	e.head(majorText, uint64(v.length))
	for i := uintptr(0); i < v.length; {
		n := sequence(v, i)
		if n == 0 {
			store8(e.start, e.used+i, '?')
			i++
			continue
		}
		for end := i + n; i < end; i++ {
			store8(e.start, e.used+i, load8(v.start, i))
		}
	}
	e.used += v.length
}

// sequence is the length of the UTF-8 sequence (RFC 3629) at i, 0 if there is no
// valid one.
//
//go:nosplit
func sequence(v View, i uintptr) uintptr {
	first := load8(v.start, i)
	low, high, n := byte(0x80), byte(0xbf), uintptr(2)
	switch {
	case first < 0x80:
		return 1
	case first < 0xc2 || first > 0xf4:
		return 0
	case first == 0xe0:
		low, n = 0xa0, 3 // shorter forms are not allowed
	case first == 0xed:
		high, n = 0x9f, 3 // surrogates neither
	case first >= 0xe1 && first <= 0xef:
		n = 3
	case first == 0xf0:
		low, n = 0x90, 4
	case first == 0xf4:
		high, n = 0x8f, 4 // nor what lies above U+10FFFF
	case first > 0xf0:
		n = 4
	}
	if n > v.length-i {
		return 0
	}
	for j := uintptr(1); j < n; j++ {
		if b := load8(v.start, i+j); b < low || b > high {
			return 0
		}
		low, high = 0x80, 0xbf
	}
	return n
}
