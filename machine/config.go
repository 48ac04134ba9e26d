package machine

import (
	"fmt"
	"io"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// DefaultMemorySize is the RAM of a machine whose Config names none.
const DefaultMemorySize = 64 << 20

// Config says what machine to make. The zero value is a useful one: 64 MiB of
// RAM, one CPU, nothing loaded.
type Config struct {
	// MemorySize is how much RAM there is, in whole pages, where the runner
	// chooses its layout. 0 is DefaultMemorySize.
	MemorySize uint64

	// RAM is where there is RAM, in normal form and whole pages, instead of
	// MemorySize. Memory that is never touched costs nothing, so a sparse
	// 64 GiB is fine. Runners whose board fixes the layout refuse it with
	// ErrUnsupported.
	RAM physmem.Ranges

	// CPUs is the number of CPUs; 0 is one.
	CPUs int

	// Boot is what the machine starts with.
	Boot Boot

	// Serial takes what the guest writes to its first serial port; nil
	// discards it. It is written to by one goroutine at a time, only while
	// Run, RunTo or Step run, and has everything when they return.
	Serial io.Writer

	// PanicEvent, where not nil, is called with the event bits that the guest
	// writes to the pvpanic device, under the same rules. The machine goes on.
	PanicEvent func(events byte)

	// InterruptController adds the local APICs and what belongs to them: a
	// guest needs it to start its other CPUs and to send interrupts between
	// them. Boards that always have it ignore this.
	InterruptController bool

	// Devices are models of more devices, for runners that let the test
	// process answer for a device. They come before the runner's own.
	Devices []Device

	// Disks are block devices, in the order in which the guest finds them.
	Disks []Disk
}

// Boot is what a machine starts with.
type Boot struct {
	// Image is an ELF64 file (amd64) or an arm64 Image; nil loads nothing, and
	// the caller fills memory and sets CPU 0's state.
	Image []byte

	// Protocol is how an ELF64 file is entered; Automatic is what the runner
	// does best.
	Protocol Protocol

	// CommandLine is handed to the image, without a final zero byte.
	CommandLine string

	// Modules are loaded beside the image. By the Linux protocol there is at
	// most one, the initrd.
	Modules []Module

	// RSDP is the address of the ACPI root pointer that boot parameters name,
	// where the caller puts ACPI tables into memory; 0 for none.
	RSDP physmem.Address
}

// Module is a file that is loaded beside the boot image.
type Module struct {
	Data        []byte
	CommandLine string
}

// Protocol is how an ELF64 boot image is entered.
type Protocol int

// The boot protocols.
const (
	Automatic Protocol = iota
	Linux64            // long mode at e_entry, RSI = boot_params (Linux Documentation/arch/x86/boot.rst, "64-bit Boot Protocol")
	PVH                // 32-bit protected mode at the PVH note's entry, EBX = hvm_start_info (Xen docs/misc/pvh.pandoc)
)

// Disk is a block device of the guest.
type Disk struct {
	Name string // for the guest to know it by: the virtio serial number
	Size int64  // whole sectors of 512 bytes

	// Storage holds the contents. An error that it returns becomes a failed
	// request of the guest.
	Storage interface {
		io.ReaderAt
		io.WriterAt
	}
	ReadOnly bool
}

// Device is the model of a device. Its methods are called by the CPUs'
// threads, one call at a time for all devices of a machine.
type Device interface {
	// Window is where the device answers.
	Window() Window

	// ReadDevice answers a read of len(p) bytes at an offset into the window.
	ReadDevice(offset uint64, p []byte) error

	// WriteDevice takes a write. A *StopError stops the machine with its
	// Exit, after the access; any other error with reason Failed.
	WriteDevice(offset uint64, p []byte) error
}

// Poller is a Device that has things to do without being accessed: work that
// was left when it stopped the machine. Runners call Bus.Poll when the machine
// runs on.
type Poller interface {
	Device

	// Poll goes on. Its error is as that of WriteDevice.
	Poll() error
}

// Window is the range of I/O ports or physical addresses of a device.
type Window struct {
	Port bool // an I/O port (amd64); false is memory-mapped
	Base uint64
	Size uint64
}

// Contains reports whether an access of size bytes lies in w.
func (w Window) Contains(port bool, address, size uint64) bool {
	return w.Port == port && address >= w.Base && address-w.Base < w.Size && size <= w.Size-(address-w.Base)
}

// StopError is what a Device returns to stop the machine.
type StopError struct{ Exit Exit }

func (e *StopError) Error() string { return "device stops the machine: " + e.Exit.String() }

// PageSize is the granularity of RAM ranges.
const PageSize = 4096

// CheckRAM checks that ranges are in normal form and whole pages.
func CheckRAM(ranges physmem.Ranges) error {
	if len(ranges) == 0 || !ranges.IsNormal() {
		return fmt.Errorf("RAM ranges %v are empty or not in normal form", ranges)
	}
	for _, r := range ranges {
		if r.End > physmem.MaxAddress || !r.Start.IsAligned(PageSize) || !r.End.IsAligned(PageSize) {
			return fmt.Errorf("RAM range %v is not whole pages below %v", r, physmem.MaxAddress)
		}
	}
	return nil
}
