package kernel

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Platform is this kernel as package rescue wants a host's: it implements
// rescue.Platform. The zero value is ready for use.
type Platform struct{}

// Facts implements rescue.Platform. It is an error that the CPU cannot run a
// rescue program.
func (Platform) Facts() (handoff.HostFacts, error) {
	f, err := Facts()
	if err != nil {
		return f, err
	}
	if err := checkProcessor(f.PagingLevels); err != nil {
		return f, fmt.Errorf("this processor: %w", err)
	}
	return f, nil
}

// Memory implements rescue.Platform.
func (Platform) Memory() (physmem.Memory, error) {
	m, err := Memory()
	if err != nil {
		return nil, err
	}
	return m, nil
}

// VirtualAddress implements rescue.Platform: an address of the direct map.
func (Platform) VirtualAddress(r physmem.Range) (uintptr, error) {
	m, err := Memory()
	if err != nil {
		return 0, err
	}
	if !m.Ranges().ContainsRange(r) {
		return 0, fmt.Errorf("virtual address of %v: %w", r, physmem.ErrOutside)
	}
	return uintptr(handoff.DirectMapBase + uint64(r.Start)), nil
}

// Reserve implements rescue.Platform.
func (Platform) Reserve(r physmem.Range) error { return Reserve(r) }

// Release implements rescue.Platform.
func (Platform) Release(r physmem.Range) error { return Release(r) }

// Protect implements rescue.Platform.
func (Platform) Protect(r physmem.Range, writable bool) error { return Protect(r, writable) }

// MapIdentity implements rescue.Platform.
func (Platform) MapIdentity(r physmem.Range, executable bool) error {
	return MapIdentity(r, executable)
}

// UnmapIdentity implements rescue.Platform.
func (Platform) UnmapIdentity(r physmem.Range) error { return UnmapIdentity(r) }

// OnPanic implements rescue.Platform.
func (Platform) OnPanic(h handoff.PanicHandler) error { return OnPanic(h) }

// Panic implements rescue.Platform.
func (Platform) Panic(message string) { Panic(message) }
