package device

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/device/virtio"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Attachment is how a machine's disks are attached.
type Attachment int

// The ways to attach a virtio disk.
const (
	Usual           Attachment = iota // as most machines with this board have it
	PCITransitional                   // both of PCI's interfaces
	PCILegacy
	PCIModern
	MMIOLegacy // version 1
	MMIOModern // version 2
)

var attachments = map[Attachment]struct {
	name    string
	kind    Interface
	version uint32 // of MMIO; 0 is PCI
}{
	PCITransitional: {"PCI transitional", Transitional, 0},
	PCILegacy:       {"PCI legacy", Legacy, 0},
	PCIModern:       {"PCI modern", Modern, 0},
	MMIOLegacy:      {"MMIO version 1", 0, 1},
	MMIOModern:      {"MMIO version 2", 0, 2},
}

// Attachments are all that there are but for Usual, for tests that try each.
func Attachments() []Attachment {
	return []Attachment{PCITransitional, PCILegacy, PCIModern, MMIOLegacy, MMIOModern}
}

func (a Attachment) String() string {
	if known, ok := attachments[a]; ok {
		return known.name
	}
	if a == Usual {
		return "usual"
	}
	return fmt.Sprintf("Attachment(%d)", int(a))
}

// OnPCI reports whether the disks are functions of PCI devices.
func (a Attachment) OnPCI() bool { return attachments[a].version == 0 }

// Options are what a runner lets its caller choose about disks. The zero value
// is good disks as the board usually has them.
type Options struct {
	Attachment Attachment

	// Faults, where not nil, says what is wrong with each disk, by number.
	Faults func(disk int) Faults
}

// Board says where a machine has its disks, and what they reach.
type Board struct {
	Options

	Disks  []machine.Disk
	Memory physmem.Memory // for DMA

	// On PCI, disk i is function 0 of device i+1 of bus 0, and firmware has
	// given addresses to its BARs: from Resources upwards, by device and BAR.
	HostBridge HostBridgeConfig
	Resources  Resources

	// On MMIO, the registers of slot i are at MMIO + i*virtio.MMIOSize. Slots is
	// how many there are; those without a disk are empty. Disks are in the first
	// slots, or with FromTop in the last ones, disk 0 in the very last.
	MMIO    uint64
	Slots   int
	FromTop bool

	// Usual is what the board has where Options say nothing else: PCITransitional
	// unless it says otherwise.
	Usual Attachment

	// Others are functions that are on the bus, too, behind the disks.
	Others []*Function

	// Interrupt, where not nil, is told the interrupt line of each disk.
	Interrupt func(disk int, asserted bool)
}

// PC is the Board of a PC, but for what changes: configuration space at I/O
// ports 0xcf8 and 0xcfc, I/O BARs from 0xc000, memory BARs from 0xfe000000; MMIO
// devices are where QEMU's microvm has them.
func PC() Board {
	return Board{Resources: Resources{Ports: 0xc000, Memory: 0xfe00_0000}, MMIO: 0xfeb0_0000}
}

// Virt is the Board of QEMU's arm64 machine virt (hw/arm/virt.c), but for what
// changes: configuration space and I/O ports in memory, 32 MMIO devices.
func Virt() Board {
	return Board{
		HostBridge: HostBridgeConfig{ECAM: 0x40_1000_0000, Buses: 256, PortWindow: 0x3eff_0000, WithoutPorts: true},
		Resources:  Resources{Ports: 0x1000, Memory: 0x1000_0000},
		MMIO:       0x0a00_0000, Slots: 32, FromTop: true, Usual: MMIOModern,
	}
}

// Slot is where disk i is on MMIO.
func (b Board) Slot(i int) int {
	if b.FromTop {
		return b.Slots - 1 - i
	}
	return i
}

// attachment is how disks are attached here.
func (b Board) attachment() Attachment {
	switch {
	case b.Attachment != Usual:
		return b.Attachment
	case b.Usual != Usual:
		return b.Usual
	}
	return PCITransitional
}

// Window is the range of physical addresses where a Board has the registers of
// its disks.
func (b Board) Window() physmem.Range {
	start := b.MMIO
	if b.attachment().OnPCI() {
		start = b.Resources.Memory
	}
	const each = 0x8000 // more than a disk's BARs
	r, _ := physmem.NewRange(physmem.Address(start), uint64(len(b.Disks)+1)*each)
	return r
}

// Check says whether the disks can be attached in a machine with RAM at ram:
// where RAM is, registers are never asked for.
func (b Board) Check(ram physmem.Ranges) error {
	a, ok := attachments[b.attachment()]
	if !ok {
		return fmt.Errorf("%v of disks: %w", b.Attachment, machine.ErrUnsupported)
	}
	if a.version != 0 && b.Slots != 0 && len(b.Disks) > b.Slots {
		return fmt.Errorf("%d disks in %d slots: %w", len(b.Disks), b.Slots, machine.ErrUnsupported)
	}
	for i, d := range b.Disks {
		if err := checkDisk(d); err != nil {
			return fmt.Errorf("disk %d: %w", i, err)
		}
	}
	if w := b.Window(); len(b.Disks) > 0 && ram.Overlaps(w) {
		return fmt.Errorf("RAM %v is where the disks have registers, %v: %w", ram, w, machine.ErrUnsupported)
	}
	return nil
}

// Blocks gives the models of a machine's disks, in order, where its runner uses
// those of this package; nil elsewhere. After a reset they are others.
func Blocks(m machine.Machine) []*Block {
	if holder, ok := m.(interface{ Blocks() []*Block }); ok {
		return holder.Blocks()
	}
	return nil
}

// Attach makes the disks, as after power-on, and what they are attached to.
// Without anything on it there is no host bridge.
func (b Board) Attach() ([]*Block, []machine.Device, error) {
	if err := b.Check(nil); err != nil {
		return nil, nil, err
	}
	blocks := make([]*Block, len(b.Disks))
	for i := range b.Disks {
		config := BlockConfig{Disk: b.Disks[i], Memory: b.Memory}
		if b.Interrupt != nil {
			config.Interrupt = func(asserted bool) { b.Interrupt(i, asserted) }
		}
		if b.Faults != nil {
			config.Faults = b.Faults(i)
		}
		block, err := NewBlock(config)
		if err != nil {
			return nil, nil, fmt.Errorf("disk %d: %w", i, err)
		}
		blocks[i] = block
	}
	devices, err := b.place(blocks)
	return blocks, devices, err
}

func (b Board) place(blocks []*Block) ([]machine.Device, error) {
	a := attachments[b.attachment()]
	var devices []machine.Device
	var functions []*Function
	for i, block := range blocks {
		if a.version != 0 {
			devices = append(devices, block.MMIO(b.MMIO+uint64(b.Slot(i))*virtio.MMIOSize, a.version))
		} else {
			functions = append(functions, block.PCI(a.kind))
		}
	}
	if b.Slots > 0 { // behind the disks, which are asked first
		devices = append(devices, emptySlots{b.MMIO, uint64(b.Slots), max(a.version, 1)})
	}
	functions = append(functions, b.Others...)
	if len(functions) == 0 {
		return devices, nil
	}
	bridge := NewHostBridge(b.HostBridge)
	for i, f := range functions {
		if err := bridge.Add(i+1, f); err != nil {
			return nil, fmt.Errorf("of %d disks and other functions: %w", len(functions), err)
		}
	}
	if err := bridge.Assign(b.Resources); err != nil {
		return nil, err
	}
	return append(devices, bridge.Devices()...), nil
}
