//go:build linux && (amd64 || arm64)

package kernel

import (
	"fmt"
	"syscall"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// Running reports whether this kernel runs the program. Started by Linux, the
// same file is an ordinary program.
func Running() bool { return k.block != 0 }

// call makes one of the kernel's own system calls.
func call(number, a0, a1, a2, a3 uintptr) (uintptr, error) {
	if !Running() {
		return 0, ErrNotRunning
	}
	r, _, errno := syscall.RawSyscall6(number, a0, a1, a2, a3, 0, 0)
	switch errno {
	case 0:
		return r, nil
	case syscall.ENOMEM:
		return 0, ErrNoMemory
	case syscall.EEXIST:
		return 0, ErrInUse
	}
	return 0, errno
}

// rangeCall makes a call about a physical range.
func rangeCall(what string, number uintptr, r physmem.Range, a2 uintptr) error {
	if _, err := call(number, uintptr(r.Start), uintptr(r.End), a2, 0); err != nil {
		return fmt.Errorf("%s %v: %w", what, r, err)
	}
	return nil
}

func flag(b bool) uintptr {
	if b {
		return 1
	}
	return 0
}

// Free is the memory that the frame allocator has, in ascending order.
func Free() (physmem.Ranges, error) {
	if !Running() {
		return nil, ErrNotRunning
	}
	f := &k.frames
	var free physmem.Ranges
	first := uintptr(0) // bit of the range's first page
	for i := uintptr(0); i < f.count; i++ {
		start, pages := f.ranges[2*i], (f.ranges[2*i+1]-f.ranges[2*i])/pageSize
		for page := uintptr(0); page < pages; {
			n := f.run(first+page, pages-page)
			if n > 0 {
				from := physmem.Address(start + page*pageSize)
				free = append(free, physmem.Range{Start: from, End: from + physmem.Address(n*pageSize)})
			}
			page += n + f.gapAfter(first+page+n, pages-page-n)
		}
		first += pages
	}
	return free, nil
}

// Reserve takes a range of free memory, whole pages, away from the allocator.
// It does not enter the page bitmap. ErrInUse: not all of it is free.
func Reserve(r physmem.Range) error { return rangeCall("reserve", callTake, r, 0) }

// Release gives memory of Reserve, Allocate or a whole module to the allocator.
func Release(r physmem.Range) error {
	for _, m := range k.facts.modules[:k.facts.moduleCount] {
		if uintptr(r.Start) == m.start && uintptr(r.End) == m.end {
			return rangeCall("release", callGive, r.AlignOutward(pageSize), 0)
		}
	}
	return rangeCall("release", callGive, r, 0)
}

// Allocate takes size bytes of contiguous memory, in whole pages, at a multiple
// of alignment, a power of two. It is in the page bitmap: part of a dump.
func Allocate(size, alignment uint64) (physmem.Range, error) {
	if size == 0 || size >= 1<<40 || alignment&(alignment-1) != 0 {
		return physmem.Range{}, fmt.Errorf("allocate %d bytes aligned to %d: %w", size, alignment, syscall.EINVAL)
	}
	p, err := call(callAllocate, uintptr(size), uintptr(alignment), 0, 0)
	if err != nil {
		return physmem.Range{}, fmt.Errorf("allocate %d bytes: %w", size, err)
	}
	if p == 0 {
		return physmem.Range{}, fmt.Errorf("allocate %d bytes aligned to %d: %w", size, alignment, ErrNoMemory)
	}
	return physmem.Range{Start: physmem.Address(p), End: physmem.Address(p) + physmem.Address(roundUp(uintptr(size)))}, nil
}

// Protect sets whether a physical range, whole pages, can be written through
// the direct map.
func Protect(r physmem.Range, writable bool) error {
	if !r.Start.IsAligned(pageSize) || !r.End.IsAligned(pageSize) || r.End > maxPhysical {
		return fmt.Errorf("protect %v: %w", r, syscall.EINVAL)
	}
	return rangeCall("protect", callProtect, r, flag(writable))
}

// MapIdentity maps a physical range at the same virtual addresses, for ring 0
// only: read-only and executable, or writable. It is what a trampoline's pages
// need before Enter.
func MapIdentity(r physmem.Range, executable bool) error {
	return rangeCall("map identity", callIdentity, r, flag(executable))
}

// MapDevice maps the registers of a device, uncached, and returns the address
// of the first. The mapping stays.
func MapDevice(r physmem.Range) (uintptr, error) {
	a, err := call(callMapDevice, uintptr(r.Start), uintptr(r.Size()), 0, 0)
	if err != nil {
		return 0, fmt.Errorf("map device %v: %w", r, err)
	}
	return a, nil
}

// UnmapIdentity undoes MapIdentity.
func UnmapIdentity(r physmem.Range) error { return rangeCall("unmap identity", callNoIdentity, r, 0) }

// Enter leaves for good: ring 0 jumps to a physical address that MapIdentity has
// made executable, with RDI the argument, interrupts off, on the kernel's tables.
func Enter(p physmem.Address, argument uint64) error {
	_, err := call(callEnter, uintptr(p), uintptr(argument), 0, 0)
	return err
}

// PowerOff turns the machine off.
func PowerOff() error { return end(endPowerOff) }

// Reset restarts the machine.
func Reset() error { return end(endReset) }

// Halt stops the CPU.
func Halt() error { return end(endHalt) }

func end(how uintptr) error {
	_, err := call(callEnd, how, 0, 0, 0)
	return err
}

// SetConsole turns the serial line on or off; the message buffer takes fd 1 and 2
// in any case.
func SetConsole(on bool) error {
	_, err := call(callSilent, flag(!on), 0, 0, 0)
	return err
}
