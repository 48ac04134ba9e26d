package rescue

import (
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Platform is the machine as a host's kernel gives it. All methods but Panic
// are called while the host is healthy.
type Platform interface {
	// Facts says what the host is and has. A host whose CPU cannot run a rescue
	// program says so here, with an error: machdep/amd64's Features.Check knows
	// what is needed. (One that runs on package kernel has it all.)
	Facts() (handoff.HostFacts, error)

	// Memory is all RAM of the host. After Protect, a write is an error.
	Memory() (physmem.Memory, error)

	// VirtualAddress is where the kernel sees a physical range as one piece,
	// also at a panic.
	VirtualAddress(r physmem.Range) (uintptr, error)

	// Reserve takes free memory, whole pages, out of use, and out of the page
	// bitmap. Release undoes it.
	Reserve(r physmem.Range) error
	Release(r physmem.Range) error

	// Protect sets whether the host can write whole pages.
	Protect(r physmem.Range, writable bool) error

	// MapIdentity maps whole pages at virtual addresses that equal their
	// physical ones, for the kernel's privilege level only: read-only and
	// executable, or writable. UnmapIdentity undoes it.
	MapIdentity(r physmem.Range, executable bool) error
	UnmapIdentity(r physmem.Range) error

	// OnPanic sets what is done at a panic from now on; the zero handler is
	// what the kernel does by itself.
	OnPanic(h handoff.PanicHandler) error

	// Panic panics.
	Panic(message string)
}
