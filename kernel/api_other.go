//go:build !(linux && (amd64 || arm64))

package kernel

import (
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// On this platform programs only ever run under an operating system: see the
// functions of linux/amd64 for what they do in the kernel.

// Running reports whether this kernel runs the program: false here.
func Running() bool { return false }

// Free returns ErrNotRunning here.
func Free() (physmem.Ranges, error) { return nil, ErrNotRunning }

// Reserve returns ErrNotRunning here.
func Reserve(physmem.Range) error { return ErrNotRunning }

// Release returns ErrNotRunning here.
func Release(physmem.Range) error { return ErrNotRunning }

// Allocate returns ErrNotRunning here.
func Allocate(size, alignment uint64) (physmem.Range, error) { return physmem.Range{}, ErrNotRunning }

// Protect returns ErrNotRunning here.
func Protect(physmem.Range, bool) error { return ErrNotRunning }

// MapIdentity returns ErrNotRunning here.
func MapIdentity(physmem.Range, bool) error { return ErrNotRunning }

// MapDevice returns ErrNotRunning here.
func MapDevice(physmem.Range) (uintptr, error) { return 0, ErrNotRunning }

// Enter returns ErrNotRunning here.
func Enter(physmem.Address, uint64) error { return ErrNotRunning }

// PowerOff returns ErrNotRunning here.
func PowerOff() error { return ErrNotRunning }

// Reset returns ErrNotRunning here.
func Reset() error { return ErrNotRunning }

// Halt returns ErrNotRunning here.
func Halt() error { return ErrNotRunning }

// SetConsole returns ErrNotRunning here.
func SetConsole(bool) error { return ErrNotRunning }

// UnmapIdentity returns ErrNotRunning here.
func UnmapIdentity(physmem.Range) error { return ErrNotRunning }

// OnPanic returns ErrNotRunning here.
func OnPanic(handoff.PanicHandler) error { return ErrNotRunning }

// Panic panics.
func Panic(message string) { panic(message) }

// Facts returns ErrNotRunning here.
func Facts() (handoff.HostFacts, error) { return handoff.HostFacts{}, ErrNotRunning }

// Boot returns ErrNotRunning here.
func Boot() (BootInfo, error) { return BootInfo{}, ErrNotRunning }

// ClockInfo returns ErrNotRunning here.
func ClockInfo() (Clock, error) { return Clock{}, ErrNotRunning }

// SinceEntry is 0 here.
func SinceEntry() uint64 { return 0 }

// Stats returns ErrNotRunning here.
func Stats() (Statistics, error) { return Statistics{}, ErrNotRunning }

// Calls is empty here.
func Calls() map[int]int { return nil }

// PhysicalMemory is physical memory through the direct map; there is none
// here.
type PhysicalMemory struct{}

// Memory returns ErrNotRunning here.
func Memory() (*PhysicalMemory, error) { return nil, ErrNotRunning }

// Ranges is empty.
func (*PhysicalMemory) Ranges() physmem.Ranges { return nil }

// ReadPhysical returns ErrNotRunning.
func (*PhysicalMemory) ReadPhysical([]byte, physmem.Address) (int, error) { return 0, ErrNotRunning }

// WritePhysical returns ErrNotRunning.
func (*PhysicalMemory) WritePhysical([]byte, physmem.Address) (int, error) { return 0, ErrNotRunning }

// ViewPhysical returns nil.
func (*PhysicalMemory) ViewPhysical(physmem.Range) []byte { return nil }

// EFIVariables are the variables of EFI's firmware; there are none here.
type EFIVariables struct{}

// NewEFIVariables returns ErrNotRunning here.
func NewEFIVariables() (*EFIVariables, error) { return nil, ErrNotRunning }

// Get returns ErrNotRunning.
func (*EFIVariables) Get(string, [16]byte) ([]byte, uint32, error) { return nil, 0, ErrNotRunning }

// Set returns ErrNotRunning.
func (*EFIVariables) Set(string, [16]byte, uint32, []byte) error { return ErrNotRunning }

// FirmwareMemory is the memory that firmware's tables are in; there is none here.
type FirmwareMemory struct{}

// Firmware returns ErrNotRunning here.
func Firmware() (*FirmwareMemory, error) { return nil, ErrNotRunning }

// ReadPhysical returns ErrNotRunning.
func (*FirmwareMemory) ReadPhysical([]byte, physmem.Address) (int, error) { return 0, ErrNotRunning }

// StartCPU returns ErrNotRunning here.
func StartCPU(uint32, func()) error { return ErrNotRunning }
