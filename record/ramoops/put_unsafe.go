package ramoops

import (
	"sync/atomic"
	"unsafe"

	"github.com/seed64aab995/rescuekernel/record"
)

const (
	signature = 0x43474244 // PERSISTENT_RAM_SIG, "DBGC"

	offsetSignature = 0 // u32
	offsetStart     = 4 // u32
	offsetSize      = 8 // u32
	headerSize      = 12
)

// Entry is what Put writes. Views may lie outside of Go's memory.
type Entry struct {
	Seconds      int64 // since 1970 UTC
	Microseconds uint32
	// Class, Source and Message are for people.
	Class, Source, Message record.View
	// Record is the CBOR.
	Record record.View
}

// Put writes an entry into a zone for dumps, size bytes at an address, in place
// of what is there. The message is cut to what the record leaves room for. It
// reports false, and leaves the zone empty, if the record does not fit. A zone at
// an address that is no multiple of 4 is refused: choose sizes that divide without a remainder.
//
//go:nosplit
func Put(zone, size uintptr, e *Entry) bool {
	if zone == 0 || zone&3 != 0 || size <= headerSize || e == nil || e.Seconds < 0 {
		return false
	}
	w := writer{start: *(*unsafe.Pointer)(unsafe.Pointer(&zone)), used: headerSize, size: size}
	atomic.StoreUint32((*uint32)(unsafe.Add(w.start, offsetSize)), 0)
	*(*uint32)(unsafe.Add(w.start, offsetStart)) = 0
	*(*uint32)(unsafe.Add(w.start, offsetSignature)) = signature
	w.string("====")
	w.number(uint64(e.Seconds), 10, 1)
	w.string(".")
	w.number(uint64(e.Microseconds%1e6), 10, 6)
	w.string("-D\n" + textMark)
	w.view(e.Class)
	w.string(" ")
	w.view(e.Source)
	w.string(": ")
	length := e.Record.Len()
	// What comes behind the message: the mark, two numbers, a checksum, base64.
	rest := uintptr(len(recordMark)) + 20 + 8 + 4 + (length+2)/3*4
	if length == 0 || length > size || w.size-w.used < rest {
		return false
	}
	w.size -= rest
	w.view(e.Message)
	w.full = false
	w.size = size
	w.string("\n" + recordMark)
	w.number(uint64(length), 10, 1)
	w.string(" ")
	w.number(uint64(e.Record.CRC32C()), 16, 8)
	w.string(" ")
	w.base64(e.Record)
	w.string("\n")
	if w.full {
		return false
	}
	atomic.StoreUint32((*uint32)(unsafe.Add(w.start, offsetSize)), uint32(w.used-headerSize))
	return true
}

// PutPanic writes the record of the panic that is going on, out of the area of
// records at an address, into a zone: all that a notifier on the panic path needs
// to do. It reports false if there is no such record or it does not fit.
//
//go:nosplit
func PutPanic(zone, size, area, areaSize uintptr) bool {
	f := record.CurrentFields(area, areaSize)
	address, length := record.LatestPanic(area, areaSize)
	if f == nil || length == 0 {
		return false
	}
	var e Entry
	if f.Time > 0 {
		e.Seconds, e.Microseconds = f.Time/1e9, uint32(f.Time%1e9/1e3)
	}
	e.Class.Set(f.Class)
	e.Source.Set(f.Source)
	e.Message.Set(f.Message)
	e.Record.Set(record.ViewAt(address, length))
	return Put(zone, size, &e)
}

// writer appends text to a zone.
type writer struct {
	start      unsafe.Pointer
	used, size uintptr
	full       bool
}

//go:nosplit
func (w *writer) byte(b byte) {
	if w.used >= w.size {
		w.full = true
		return
	}
	*(*byte)(unsafe.Add(w.start, w.used)) = b
	w.used++
}

//go:nosplit
func (w *writer) string(s string) {
	v := record.ViewString(s)
	for i := uintptr(0); i < v.Len(); i++ {
		w.byte(v.At(i))
	}
}

// view appends text of others. What would end the line becomes a space.
//
//go:nosplit
func (w *writer) view(v record.View) {
	for i := uintptr(0); i < v.Len(); i++ {
		b := v.At(i)
		if b < ' ' {
			b = ' '
		}
		w.byte(b)
	}
}

const digits = "0123456789abcdef"

// number appends v with no fewer than width digits.
//
//go:nosplit
func (w *writer) number(v, base uint64, width int) {
	divisor := uint64(1)
	for n := 1; v/divisor >= base || n < width; n++ {
		divisor *= base
	}
	for ; divisor > 0; divisor /= base {
		w.byte(record.ViewString(digits).At(uintptr(v / divisor % base)))
	}
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

// base64 appends v as RFC 4648 section 4 says.
//
//go:nosplit
func (w *writer) base64(v record.View) {
	for i := uintptr(0); i < v.Len(); i += 3 {
		group := uint32(0)
		for j := range uintptr(3) {
			group <<= 8
			if i+j < v.Len() {
				group |= uint32(v.At(i + j))
			}
		}
		for j := range uintptr(4) {
			if i+j > v.Len() {
				w.byte('=')
			} else {
				w.byte(record.ViewString(alphabet).At(uintptr(group >> (18 - 6*j) & 63)))
			}
		}
	}
}
