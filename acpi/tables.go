package acpi

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// Reasons why a table is not accepted, in errors of type *TableError.
var (
	ErrSignature = errors.New("another table was expected")
	ErrChecksum  = errors.New("checksum is wrong")
	ErrSize      = errors.New("sizes do not fit each other")
	ErrValue     = errors.New("value that cannot be")

	// ErrNoTable says that there is no table of a signature.
	ErrNoTable = errors.New("there is no such table")
)

// TableError says which table is not accepted.
type TableError struct {
	Signature string
	Address   physmem.Address // 0 where it is not known
	Err       error
}

func (e *TableError) Error() string {
	return fmt.Sprintf("ACPI table %q at %v: %v", e.Signature, e.Address, e.Err)
}

// Unwrap returns the cause.
func (e *TableError) Unwrap() error { return e.Err }

// Limits and fixed sizes.
const (
	MaxTables  = 256
	MaxTable   = 1 << 20 // bytes of a table
	HeaderSize = 36      // of every table (5.2.6)

	rsdpOld = 20 // bytes of revision 0 (5.2.5.3)
	rsdpNew = 36
)

// Offsets in a table's header (5.2.6).
const (
	offsetLength   = 4  // u32
	offsetRevision = 8  // u8
	offsetOEM      = 10 // 6 bytes, then 8
	offsetOEMTable = 16
)

// RSDP is the root pointer (5.2.5.3).
type RSDP struct {
	Revision uint8
	OEM      string
	RSDT     physmem.Address // 0: there is none
	XSDT     physmem.Address // 0: there is none, as in revision 0
}

// ParseRSDP reads a root pointer of 20 bytes, or 36 from revision 2 on.
func ParseRSDP(data []byte) (RSDP, error) {
	fail := func(err error) (RSDP, error) { return RSDP{}, &TableError{Signature: "RSD PTR ", Err: err} }
	if len(data) < rsdpOld {
		return fail(fmt.Errorf("%w: %d bytes, want %d", ErrSize, len(data), rsdpOld))
	}
	if string(data[:8]) != "RSD PTR " {
		return fail(fmt.Errorf("%w: it begins with %q", ErrSignature, data[:8]))
	}
	if sum(data[:rsdpOld]) != 0 {
		return fail(ErrChecksum)
	}
	r := RSDP{Revision: data[15], OEM: text(data[9:15]), RSDT: physmem.Address(binary.LittleEndian.Uint32(data[16:]))}
	if r.Revision < 2 {
		return r, nil
	}
	if len(data) < rsdpNew || binary.LittleEndian.Uint32(data[20:]) < rsdpNew {
		return fail(fmt.Errorf("%w: %d bytes, want %d in revision %d", ErrSize, len(data), rsdpNew, r.Revision))
	}
	if sum(data[:rsdpNew]) != 0 {
		return fail(ErrChecksum)
	}
	r.XSDT = physmem.Address(binary.LittleEndian.Uint64(data[24:]))
	return r, nil
}

// Table is one table: header and body.
type Table struct {
	Signature     string
	Revision      uint8
	OEM, OEMTable string
	Address       physmem.Address
	Length        int
	Data          []byte // header and body; nil in Tables.List
}

// ParseTable reads a table that begins with data; what follows it is ignored.
func ParseTable(data []byte) (Table, error) {
	t, err := parseHeader(data)
	if err == nil && t.Length > len(data) {
		err = fmt.Errorf("%w: %d bytes of %d", ErrSize, len(data), t.Length)
	}
	if err == nil && sum(data[:t.Length]) != 0 {
		err = ErrChecksum
	}
	if err != nil {
		return Table{}, &TableError{Signature: t.Signature, Err: err}
	}
	t.Data = data[:t.Length]
	return t, nil
}

func parseHeader(data []byte) (Table, error) {
	if len(data) < HeaderSize {
		return Table{}, fmt.Errorf("%w: %d bytes, a header has %d", ErrSize, len(data), HeaderSize)
	}
	t := Table{
		Signature: text(data[:4]), Revision: data[offsetRevision],
		OEM: text(data[offsetOEM:][:6]), OEMTable: text(data[offsetOEMTable:][:8]),
	}
	length := binary.LittleEndian.Uint32(data[offsetLength:])
	if length < HeaderSize || length > MaxTable {
		return t, fmt.Errorf("%w: length %d, want %d to %d", ErrSize, length, HeaderSize, MaxTable)
	}
	t.Length = int(length)
	return t, nil
}

// want checks a table's signature, and that size bytes of it are there.
func (t *Table) want(signature string, size int) error {
	if t.Signature != signature {
		return t.failed("%w: want %q", ErrSignature, signature)
	}
	if len(t.Data) < size {
		return t.failed("%w: %d bytes, want %d", ErrSize, len(t.Data), size)
	}
	return nil
}

func (t *Table) failed(format string, args ...any) error {
	return &TableError{t.Signature, t.Address, fmt.Errorf(format, args...)}
}

func (t *Table) u16(at int) uint16 { return binary.LittleEndian.Uint16(t.Data[at:]) }
func (t *Table) u32(at int) uint32 { return binary.LittleEndian.Uint32(t.Data[at:]) }
func (t *Table) u64(at int) uint64 { return binary.LittleEndian.Uint64(t.Data[at:]) }

func (t *Table) address(at int) physmem.Address { return physmem.Address(t.u64(at)) }

// sum is the sum of all bytes, which is zero in a table that is whole.
func sum(data []byte) (s byte) {
	for _, b := range data {
		s += b
	}
	return s
}

// text is a field of characters without what it is filled up with. A byte that is
// no character becomes a question mark.
func text(field []byte) string {
	out := make([]byte, 0, len(field))
	for _, b := range field {
		if b == 0 {
			break
		}
		if b < ' ' || b > '~' {
			b = '?'
		}
		out = append(out, b)
	}
	for len(out) > 0 && out[len(out)-1] == ' ' {
		out = out[:len(out)-1]
	}
	return string(out)
}
