package physmem

import (
	"fmt"
	"math"
	"slices"
)

// span is the range of length bytes from address, cut at the end of the 64-bit
// address space.
func span(address Address, length int) Range {
	end := address + Address(length)
	if end < address {
		end = math.MaxUint64
	}
	return Range{address, end}
}

// accessFailure is the error for an access of length bytes at address that got
// as far as done bytes.
func accessFailure(operation string, address Address, done, length int, err error) error {
	if done > 0 && address+Address(done) >= address {
		address += Address(done)
		length -= done
	}
	return &AccessError{Operation: operation, Range: span(address, length), Err: err}
}

// Bytes is memory in one slice. It takes no locks: as with memory itself, who
// writes bytes that others read at that moment must agree with them first.
type Bytes struct {
	base Address
	data []byte
}

var (
	_ Memory = (*Bytes)(nil)
	_ Viewer = (*Bytes)(nil)
)

// NewBytes makes data the memory from base on. It keeps data, which must not
// reach beyond the end of the address space.
func NewBytes(base Address, data []byte) *Bytes { return &Bytes{base, data} }

// Range is where the memory lies.
func (b *Bytes) Range() Range { return span(b.base, len(b.data)) }

// part is the memory from address on; empty where there is none.
func (b *Bytes) part(address Address) []byte {
	if offset := uint64(address - b.base); address >= b.base && offset < uint64(len(b.data)) {
		return b.data[offset:]
	}
	return nil
}

// ReadPhysical implements Reader.
func (b *Bytes) ReadPhysical(p []byte, address Address) (int, error) {
	n := copy(p, b.part(address))
	if n < len(p) {
		return n, accessFailure("read", address, n, len(p), ErrOutside)
	}
	return n, nil
}

// WritePhysical implements Writer.
func (b *Bytes) WritePhysical(p []byte, address Address) (int, error) {
	n := copy(b.part(address), p)
	if n < len(p) {
		return n, accessFailure("write", address, n, len(p), ErrOutside)
	}
	return n, nil
}

// ViewPhysical implements Viewer. It lends any range inside of the memory.
func (b *Bytes) ViewPhysical(r Range) []byte {
	if r.IsEmpty() || !b.Range().ContainsRange(r) {
		return nil
	}
	start, end := r.Start-b.base, r.End-b.base
	return b.data[start:end:end]
}

// Banks is memory in several slices, as of a machine whose RAM has a gap for
// devices. Like Bytes it takes no locks.
type Banks struct {
	banks []*Bytes // ascending
}

var (
	_ Memory = (*Banks)(nil)
	_ Viewer = (*Banks)(nil)
)

// NewBanks joins banks, in any order. Banks that overlap are an error.
func NewBanks(banks ...*Bytes) (*Banks, error) {
	sorted := slices.Clone(banks)
	slices.SortFunc(sorted, func(a, b *Bytes) int {
		if a.base < b.base {
			return -1
		}
		return 1
	})
	for i := 1; i < len(sorted); i++ {
		if a, b := sorted[i-1].Range(), sorted[i].Range(); a.Overlaps(b) {
			return nil, fmt.Errorf("memory banks: %v overlaps %v", a, b)
		}
	}
	return &Banks{sorted}, nil
}

// Ranges is where the memory lies.
func (b *Banks) Ranges() Ranges {
	list := make([]Range, len(b.banks))
	for i, bank := range b.banks {
		list[i] = bank.Range()
	}
	return NewRanges(list...)
}

// part is the memory from address to the end of its bank.
func (b *Banks) part(address Address) []byte {
	for _, bank := range b.banks { // a machine has one to a few
		if part := bank.part(address); len(part) > 0 {
			return part
		}
	}
	return nil
}

// ReadPhysical implements Reader.
func (b *Banks) ReadPhysical(p []byte, address Address) (int, error) {
	for done := 0; done < len(p); {
		n := copy(p[done:], b.part(address+Address(done)))
		if n == 0 {
			return done, accessFailure("read", address, done, len(p), ErrOutside)
		}
		done += n
	}
	return len(p), nil
}

// WritePhysical implements Writer.
func (b *Banks) WritePhysical(p []byte, address Address) (int, error) {
	for done := 0; done < len(p); {
		n := copy(b.part(address+Address(done)), p[done:])
		if n == 0 {
			return done, accessFailure("write", address, done, len(p), ErrOutside)
		}
		done += n
	}
	return len(p), nil
}

// ViewPhysical implements Viewer. It lends any range inside of one bank.
func (b *Banks) ViewPhysical(r Range) []byte {
	for _, bank := range b.banks {
		if view := bank.ViewPhysical(r); view != nil {
			return view
		}
	}
	return nil
}
