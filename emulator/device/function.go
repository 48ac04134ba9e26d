package device

import (
	"github.com/seed64aab995/rescuekernel/device/pci"
	"github.com/seed64aab995/rescuekernel/machine"
)

// Registers of configuration space that drivers do not need (PCI 6.1).
const (
	registerSubsystemVendor = 0x2c // u16
	registerInterruptPin    = 0x3d // u8: 1 is INTA#
	firstCapability         = 0x40
)

// commandWritable are the bits of the command register that functions here
// have: decoding, bus master, and those that change nothing (parity, SERR#).
const commandWritable = pci.CommandIO | pci.CommandMemory | pci.CommandBusMaster | pci.CommandInterruptDisable | 1<<6 | 1<<8

// Function is one function of a PCI device, for a HostBridge.
type Function struct {
	data [pci.ConfigurationSize]byte
	mask [pci.ConfigurationSize]byte // bits that a write changes
	bars [pci.BARs]bar
	last uint8 // offset of the last capability
	next uint8 // where another goes

	// changed, where not nil, is called after each write to configuration.
	changed func()
	// poll, where not nil, goes on with what was left when the machine stopped.
	poll func() error
	// window, where not 0, is the VIRTIO_PCI_CAP_PCI_CFG capability.
	window uint64
}

// bar is what is behind a base address register. Size 0 is nothing.
type bar struct {
	io   bool
	wide bool
	size uint64 // a power of two
	completer
}

// identity is who a function is.
type identity struct {
	vendor, device               uint16
	subsystemVendor, subsystemID uint16
	class                        uint16 // and subclass
	revision                     byte
	interrupts                   bool // it has a pin
}

func newFunction(id identity) *Function {
	f := &Function{next: firstCapability}
	f.set(pci.RegisterVendorID, 2, uint64(id.vendor))
	f.set(pci.RegisterDeviceID, 2, uint64(id.device))
	f.set(pci.RegisterRevision, 1, uint64(id.revision))
	f.set(pci.RegisterClass+1, 2, uint64(id.class))
	f.set(registerSubsystemVendor, 2, uint64(id.subsystemVendor))
	f.set(pci.RegisterSubsystemID, 2, uint64(id.subsystemID))
	f.writable(pci.RegisterCommand, 2, commandWritable)
	f.writable(pci.RegisterInterruptLine, 1, 0xff)
	if id.interrupts {
		f.set(registerInterruptPin, 1, 1)
	}
	return f
}

func (f *Function) set(offset, width int, v uint64) { put(f.data[offset:][:width], v) }

func (f *Function) get(offset, width int) uint64 { return value(f.data[offset:][:width]) }

func (f *Function) writable(offset, width int, mask uint64) { put(f.mask[offset:][:width], mask) }

// addBAR puts a completer behind a base address register (PCI 6.2.5.1). That
// only the bits above the size can be written is how a driver finds it out.
func (f *Function) addBAR(i int, b bar) {
	f.bars[i] = b
	at := pci.RegisterBAR + 4*i
	width := 4
	var bits uint64
	switch {
	case b.io:
		bits = pci.BARIO
	case b.wide:
		bits, width = pci.BARType64|pci.BARPrefetchable, 8
	}
	f.set(at, width, bits)
	f.writable(at, width, -b.size)
}

// addCapability adds a capability, whose first two bytes are filled in, and
// says where it is (PCI 6.7).
func (f *Function) addCapability(id byte, capability []byte) uint64 {
	at := f.next
	copy(f.data[at:], capability)
	f.data[at], f.data[at+1] = id, 0
	if f.last == 0 {
		f.data[pci.RegisterCapabilities] = at
		f.data[pci.RegisterStatus] |= pci.StatusCapabilities
	} else {
		f.data[f.last+1] = at
	}
	f.last, f.next = at, (at+uint8(len(capability))+3)&^3
	return uint64(at)
}

// command are bits of the command register that are set.
func (f *Function) command(bits uint64) bool { return f.get(pci.RegisterCommand, 2)&bits == bits }

// address is where a BAR is, and whether it answers there. Address 0 is none,
// as is one that does not leave room for the BAR.
func (f *Function) address(i int) (uint64, bool) {
	b := &f.bars[i]
	if b.size == 0 {
		return 0, false
	}
	at, width, enable, limit := pci.RegisterBAR+4*i, 4, uint64(pci.CommandMemory), uint64(1)<<52
	if b.wide {
		width = 8
	}
	if b.io {
		enable, limit = pci.CommandIO, 1<<16
	}
	address := f.get(at, width) & -b.size
	return address, address != 0 && address <= limit-b.size && f.command(enable)
}

// read reads configuration.
func (f *Function) read(offset uint64, p []byte) error {
	if err := f.readWindow(offset, len(p)); err != nil {
		return err
	}
	for i := range p {
		p[i] = 0xff // beyond 256 bytes there is nothing: these are no PCI Express devices
		if at := offset + uint64(i); at < pci.ConfigurationSize {
			p[i] = f.data[at]
		}
	}
	return nil
}

// write writes configuration.
func (f *Function) write(offset uint64, p []byte) error {
	_ = plain{f.data[:], f.mask[:]}.write(offset, p)
	if f.changed != nil {
		f.changed()
	}
	return f.writeWindow(offset, len(p))
}

// barDevice is a BAR as a device of the machine, at whatever address the guest
// has given to it.
type barDevice struct {
	function *Function
	index    int
}

// Window implements machine.Device.
func (d barDevice) Window() machine.Window {
	address, ok := d.function.address(d.index)
	if !ok {
		return machine.Window{}
	}
	b := d.function.bars[d.index]
	return machine.Window{Port: b.io, Base: address, Size: b.size}
}

// ReadDevice implements machine.Device.
func (d barDevice) ReadDevice(offset uint64, p []byte) error {
	return d.function.bars[d.index].read(offset, p)
}

// WriteDevice implements machine.Device.
func (d barDevice) WriteDevice(offset uint64, p []byte) error {
	return d.function.bars[d.index].write(offset, p)
}

// Poll implements machine.Poller.
func (d barDevice) Poll() error {
	if d.function.poll == nil {
		return nil
	}
	return d.function.poll()
}
