package record

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// ErrRecord says that bytes are not a record of this package's encoding.
var ErrRecord = errors.New("not a fault record")

// maxPairs caps what a decoder takes in.
const maxPairs = 64

// Decode reads one record as the Encoder writes it: for a host that shows its own
// records and must stay small. It is strict about the encoding, and skips keys
// that it does not know as long as their values are numbers, strings or null.
// What others may have written is for package record/reader.
func Decode(data []byte) (*Record, error) {
	d := &decoder{data: data}
	r := &Record{CPU: NoCPU}
	pairs := d.head(majorMap)
	if pairs > maxPairs {
		d.fail("a map of %d pairs", pairs)
	}
	last := -1
	for i := uint64(0); i < pairs && d.err == nil; i++ {
		key := d.head(majorUint)
		if d.err == nil && (int64(key) <= int64(last) || key > 1<<16) {
			d.fail("key %d after %d", key, last)
		}
		last = int(key)
		d.pair(r, key)
	}
	switch {
	case d.err != nil:
		return nil, d.err
	case d.at != len(data):
		d.fail("%d bytes after the record", len(data)-d.at)
	case d.seen&required != required:
		d.fail("version, restart id, sequence number, class or source is missing")
	}
	if d.err != nil {
		return nil, d.err
	}
	return r, nil
}

const required = 1<<keyVersion | 1<<keyRestartID | 1<<keySequence | 1<<keyClass | 1<<keySource

// decoder reads CBOR items. After the first error it gives zeros.
type decoder struct {
	data []byte
	at   int
	seen uint64 // keys
	err  error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("at byte %d: %s: %w", d.at, fmt.Sprintf(format, args...), ErrRecord)
	}
}

// peek is the major type of the next item.
func (d *decoder) peek() byte {
	if d.err != nil || d.at >= len(d.data) {
		return 0xff
	}
	return d.data[d.at] & 0xe0
}

// head reads an item's head, which must be of a major type and as short as it
// can be.
func (d *decoder) head(major byte) uint64 {
	if got := d.peek(); got != major {
		d.fail("major type %d, want %d", got>>5, major>>5)
		return 0
	}
	extra := d.data[d.at] & 0x1f
	n := 0
	switch {
	case extra < 24:
		d.at++
		return uint64(extra)
	case extra > 27:
		d.fail("head %#x", d.data[d.at])
		return 0
	default:
		n = 1 << (extra - 24)
	}
	if len(d.data)-d.at-1 < n {
		d.fail("cut off")
		return 0
	}
	v := uint64(0)
	for _, b := range d.data[d.at+1:][:n] {
		v = v<<8 | uint64(b)
	}
	if headSize(v) != uintptr(1+n) {
		d.fail("a number that is longer than it need be")
	}
	d.at += 1 + n
	return v
}

// value reads a string of a major type.
func (d *decoder) value(major byte) []byte {
	n := d.head(major)
	if d.err != nil || n > uint64(len(d.data)-d.at) {
		d.fail("a string of %d bytes, %d are left", n, len(d.data)-d.at)
		return nil
	}
	v := d.data[d.at:][:n]
	d.at += int(n)
	if major == majorText && !utf8.Valid(v) {
		d.fail("text that is not UTF-8")
	}
	return v
}

// signed reads a signed number.
func (d *decoder) signed() int64 {
	if d.peek() == majorInt {
		return int64(^d.head(majorInt))
	}
	return int64(d.head(majorUint))
}

// count reads a number or null.
func (d *decoder) count() uint64 {
	if d.err == nil && d.at < len(d.data) && d.data[d.at] == null {
		d.at++
		return UnknownCount
	}
	return d.head(majorUint)
}

// number32 reads a number that has no more than 32 bits.
func (d *decoder) number32() uint32 {
	v := d.head(majorUint)
	if v > 1<<32-1 {
		d.fail("%d has more than 32 bits", v)
	}
	return uint32(v)
}

// pair reads a value.
func (d *decoder) pair(r *Record, key uint64) {
	if key < 64 {
		d.seen |= 1 << key
	}
	switch key {
	case keyVersion:
		if v := d.head(majorUint); v != Version {
			d.fail("version %d, want %d", v, Version)
		}
	case keyRestartID:
		if v := d.value(majorBytes); len(v) == len(r.RestartID) {
			r.RestartID = ID(v)
		} else {
			d.fail("a restart id of %d bytes", len(v))
		}
	case keySequence:
		r.Sequence = d.head(majorUint)
	case keyTime:
		r.Time = d.signed()
	case keyUptime:
		r.Uptime = d.head(majorUint)
	case keyCPU:
		r.CPU = d.number32()
	case keyClass:
		r.Class = string(d.value(majorText))
	case keySource:
		r.Source = string(d.value(majorText))
	case keyGeneration:
		r.Generation = d.number32()
	case keyFlags:
		r.Flags = Flags(d.number32())
	default:
		d.detail(r, key)
	}
}

// detail reads the value of a key from keyReason on.
func (d *decoder) detail(r *Record, key uint64) {
	switch key {
	case keyReason:
		r.Reason = d.number32()
	case keyVector:
		r.Vector = d.head(majorUint)
	case keyErrorCode:
		r.ErrorCode = d.head(majorUint)
	case keyFaultAddress:
		r.FaultAddress = d.head(majorUint)
	case keyPC:
		r.PC = d.head(majorUint)
	case keyStopped:
		r.Stopped = d.number32()
	case keyNotStopped:
		r.NotStopped = d.number32()
	case keyCount:
		r.Count = d.count()
	case keyFirst:
		r.First = d.head(majorUint)
	case keyBuildID:
		r.BuildID = string(d.value(majorText))
	case keyArchitecture:
		r.Architecture = Architecture(d.number32())
	case keyMessage:
		r.Message = string(d.value(majorText))
	case keyRegisters:
		r.Registers = append([]byte(nil), d.value(majorBytes)...)
	case keyStackAddress:
		r.StackAddress = d.head(majorUint)
	case keyStack:
		r.Stack = append([]byte(nil), d.value(majorBytes)...)
	case keyTrace:
		r.Trace = string(d.value(majorText))
	default:
		d.skip()
	}
}

// skip reads a value of a key that is not known.
func (d *decoder) skip() {
	switch d.peek() {
	case majorUint, majorInt:
		_ = d.signed()
	case majorBytes, majorText:
		_ = d.value(d.peek())
	default:
		_ = d.count()
	}
}
