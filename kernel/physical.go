//go:build linux && (amd64 || arm64)

package kernel

import (
	"fmt"
	"runtime/debug"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// PhysicalMemory is RAM through the direct map: a physmem.Memory and
// physmem.Viewer. A host sees all of its RAM; a rescue program the host's RAM
// that was handed over, read-only, and the reservation. A page that cannot be
// accessed is an error and not a panic.
type PhysicalMemory struct {
	allowed physmem.Ranges
}

// Memory is physical memory as this program may see it.
func Memory() (*PhysicalMemory, error) {
	if !Running() {
		return nil, ErrNotRunning
	}
	ranges := ramRanges()
	if handoff.Role(k.role) == handoff.RoleRescue {
		b, err := handoff.Parse(bytesAt(k.block, uintptr(load32(k.block+handoff.OffsetTotalLength))))
		if err != nil {
			return nil, fmt.Errorf("physical memory: %w", err)
		}
		ranges = ranges.Union(physmem.NewRanges(b.Memory...))
	}
	return &PhysicalMemory{ranges}, nil
}

// Ranges is where there is memory.
func (m *PhysicalMemory) Ranges() physmem.Ranges { return m.allowed }

// check returns the range of an access of n bytes.
func (m *PhysicalMemory) check(operation string, n int, address physmem.Address) error {
	r, ok := physmem.NewRange(address, uint64(n))
	if !ok || !m.allowed.ContainsRange(r) {
		return &physmem.AccessError{Operation: operation, Range: physmem.Range{Start: address, End: address + physmem.Address(n)}, Err: physmem.ErrOutside}
	}
	return nil
}

// ReadPhysical implements physmem.Reader.
func (m *PhysicalMemory) ReadPhysical(p []byte, address physmem.Address) (n int, err error) {
	if err := m.check("read", len(p), address); err != nil || len(p) == 0 {
		return 0, err
	}
	return guardedCopy(p, bytesAt(virtual(uintptr(address)), uintptr(len(p))), "read", address)
}

// WritePhysical implements physmem.Writer. Memory that is read-only is an
// error.
func (m *PhysicalMemory) WritePhysical(p []byte, address physmem.Address) (n int, err error) {
	if err := m.check("write", len(p), address); err != nil || len(p) == 0 {
		return 0, err
	}
	n, err = guardedCopy(bytesAt(virtual(uintptr(address)), uintptr(len(p))), p, "write", address)
	cleanCache(virtual(uintptr(address)), uintptr(n)) // the trampoline reads some of it without caches
	return n, err
}

// ViewPhysical implements physmem.Viewer.
func (m *PhysicalMemory) ViewPhysical(r physmem.Range) []byte {
	if m.check("view", int(r.Size()), r.Start) != nil || r.IsEmpty() {
		return nil
	}
	return bytesAt(virtual(uintptr(r.Start)), uintptr(r.Size()))
}

// guardedCopy copies page by page, so that what comes before a page that
// faults is counted.
func guardedCopy(to, from []byte, operation string, address physmem.Address) (n int, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if fault := recover(); fault != nil {
			err = &physmem.AccessError{
				Operation: operation, Err: fmt.Errorf("%v", fault),
				Range: physmem.Range{Start: address + physmem.Address(n), End: address + physmem.Address(len(to))},
			}
		}
	}()
	for n < len(to) {
		end := min(len(to), n+pageSize-int(uint64(address)+uint64(n))&(pageSize-1))
		copy(to[n:end], from[n:end])
		n = end
	}
	return n, nil
}
