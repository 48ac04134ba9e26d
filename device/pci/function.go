package pci

import (
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/device"
)

// ErrNoFunction says that no function answers at an address.
var ErrNoFunction = errors.New("no PCI function answers")

// Function is one function of a PCI device.
type Function struct {
	Address  Address
	VendorID uint16
	DeviceID uint16

	// Configuration are its registers.
	Configuration device.Registers

	capabilities []Capability
	listed       bool
}

// Open reads who is at an address. It is ErrNoFunction where nobody answers.
func Open(space Space, a Address) (*Function, error) {
	r, err := space.Configuration(a)
	if err != nil {
		return nil, err
	}
	// All ones: nobody has claimed the read. Zero is what some bridges give.
	id := r.Read32(RegisterVendorID)
	if vendor := uint16(id); vendor == 0xffff || vendor == 0 {
		return nil, fmt.Errorf("PCI %v: %w", a, ErrNoFunction)
	}
	return &Function{Address: a, VendorID: uint16(id), DeviceID: uint16(id >> 16), Configuration: r}, nil
}

// Class is the class code in the upper byte, the subclass in the lower.
func (f *Function) Class() uint16 { return f.Configuration.Read16(RegisterClass + 1) }

// Enable sets bits of the command register.
func (f *Function) Enable(command uint16) {
	c := f.Configuration.Read16(RegisterCommand)
	if c&command != command {
		f.Configuration.Write16(RegisterCommand, c|command)
	}
}

// Disable clears bits of the command register. Without CommandBusMaster the
// function can neither reach memory nor send a message signalled interrupt.
func (f *Function) Disable(command uint16) {
	c := f.Configuration.Read16(RegisterCommand)
	if c&command != 0 {
		f.Configuration.Write16(RegisterCommand, c&^command)
	}
}

// maxCapabilities is how many capabilities of 4 bytes there is room for behind
// the header: a longer list loops.
const maxCapabilities = (ConfigurationSize - 0x40) / 4

// Capability is where a capability begins, and what it is.
type Capability struct {
	Offset uint64
	ID     uint8
	Word   uint16 // the two bytes behind ID and link, as when the list was read
}

// Capabilities are the function's capabilities in the order of its list, which
// is read once.
func (f *Function) Capabilities() []Capability {
	if f.listed {
		return f.capabilities
	}
	f.listed = true
	if f.Configuration.Read16(RegisterStatus)&StatusCapabilities == 0 {
		return nil
	}
	next := f.Configuration.Read8(RegisterCapabilities)
	for range maxCapabilities {
		next &^= 3 // the lowest bits are reserved (6.7)
		if next < 0x40 {
			break
		}
		header := f.Configuration.Read32(uint64(next))
		if uint8(header) == 0xff {
			break
		}
		f.capabilities = append(f.capabilities, Capability{uint64(next), uint8(header), uint16(header >> 16)})
		next = uint8(header >> 8)
	}
	return f.capabilities
}

// DisableInterrupts turns off every kind of interrupt of the function: its
// pin, MSI and MSI-X.
func (f *Function) DisableInterrupts() {
	f.Enable(CommandInterruptDisable)
	for _, c := range f.Capabilities() {
		enable := uint16(0)
		switch c.ID {
		case CapabilityMSI:
			enable = MSIEnable
		case CapabilityMSIX:
			enable = MSIXEnable
		default:
			continue
		}
		if control := f.Configuration.Read16(c.Offset + MessageControl); control&enable != 0 {
			f.Configuration.Write16(c.Offset+MessageControl, control&^enable)
		}
	}
}
