package qemu

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Options choose QEMU's board. The zero value is what New takes.
type Options struct {
	Architecture machine.Architecture // empty: AMD64
	Binary       string               // empty: qemu-system-x86_64 or -aarch64
	Board        string               // -machine without its RAM; empty: q35 or virt
	CPU          string               // -cpu; empty: max or cortex-a57
	Accelerator  string               // -accel; empty: tcg
	Arguments    []string             // more arguments

	// UEFI boots by UEFI firmware. The boot image is an EFI application
	// (bootimage.WrapEFI), which has command line and modules in it; it is started
	// from a disk, the first on PCI, with a system partition. Without the firmware's
	// files New gives machine.ErrUnavailable.
	UEFI bool
	// Variables is the file of the firmware's variables, made from the firmware's own
	// if it is not there; empty: one that lasts as long as the machine. Boards whose
	// firmware keeps none (arm64) give machine.ErrUnsupported.
	Variables string
}

// New makes an amd64 machine with QEMU's emulation.
func New(config machine.Config) (machine.Machine, error) { return Options{}.New(config) }

// NewARM64 makes an arm64 machine with QEMU's emulation.
func NewARM64(config machine.Config) (machine.Machine, error) {
	return Options{Architecture: machine.ARM64}.New(config)
}

// board is what differs between architectures.
type board struct {
	binary, board, cpu string
	layout             func(size uint64) (file, usable physmem.Ranges)
	devices            []string
	disk               string // the device of a disk
	breakpointKind     int    // GDB's length of a breakpoint
}

var boards = map[machine.Architecture]board{
	machine.AMD64: {
		binary: "qemu-system-x86_64", board: "q35", cpu: "max", layout: layoutQ35, breakpointKind: 1, disk: "virtio-blk-pci",
		devices: []string{
			"-device", fmt.Sprintf("isa-debug-exit,iobase=%#x,iosize=4", machine.DebugExitPort),
			"-device", "pvpanic",
		},
	},
	machine.ARM64: {
		binary: "qemu-system-aarch64", board: "virt", cpu: "cortex-a57", layout: layoutVirt, breakpointKind: 4, disk: "virtio-blk-device",
	},
}

// layoutQ35 is where the board has RAM (QEMU hw/i386/pc_q35.c), in the order of
// the file, and what of it the guest sees as RAM.
func layoutQ35(size uint64) (file, usable physmem.Ranges) {
	const (
		most  = 0xb0000000 // so much lies below 4 GiB, without a hole for PCI to be left
		split = 0x80000000 // with more, only so much
		high  = 4 << 30
	)
	low := size
	if size >= most {
		low = split
	}
	file = physmem.NewRanges(
		physmem.Range{End: physmem.Address(low)},
		physmem.Range{Start: high, End: high + physmem.Address(size-low)})
	return file, file.Minus(physmem.Ranges{{Start: 0xa0000, End: 0x100000}})
}

// layoutVirt is where the board has RAM (QEMU hw/arm/virt.c, VIRT_MEM).
func layoutVirt(size uint64) (file, usable physmem.Ranges) {
	const base = 1 << 30
	file = physmem.Ranges{{Start: base, End: base + physmem.Address(size)}}
	return file, file
}

// complete fills in what is left open.
func (o Options) complete() (Options, board, error) {
	if o.Architecture == "" {
		o.Architecture = machine.AMD64
	}
	b, ok := boards[o.Architecture]
	if !ok {
		return o, b, fmt.Errorf("architecture %q: %w", o.Architecture, machine.ErrUnsupported)
	}
	for _, d := range []struct{ field, standard *string }{{&o.Binary, &b.binary}, {&o.Board, &b.board}, {&o.CPU, &b.cpu}} {
		if *d.field == "" {
			*d.field = *d.standard
		}
	}
	if o.Accelerator == "" {
		o.Accelerator = "tcg"
	}
	return o, b, nil
}

// check refuses what of a Config this runner cannot do, and completes it.
func check(config *machine.Config) error {
	if config.CPUs == 0 {
		config.CPUs = 1
	}
	if config.MemorySize == 0 {
		config.MemorySize = machine.DefaultMemorySize
	}
	refuse := ""
	switch {
	case config.RAM != nil:
		refuse = "a layout of RAM: the board has its own"
	case config.MemorySize%machine.PageSize != 0:
		refuse = "memory of less than whole pages"
	case len(config.Devices) > 0:
		refuse = "device models of the caller"
	case len(config.Boot.Modules) > 1:
		refuse = "more than one module"
	case len(config.Boot.Modules) == 1 && config.Boot.Modules[0].CommandLine != "":
		refuse = "a module's command line"
	case config.Boot.RSDP != 0:
		refuse = "ACPI tables of the caller: firmware makes them"
	case config.Boot.Protocol == machine.Linux64:
		refuse = "the Linux 64-bit protocol: QEMU enters ELF files by PVH"
	default:
		return nil
	}
	return fmt.Errorf("%s: %w", refuse, machine.ErrUnsupported)
}
