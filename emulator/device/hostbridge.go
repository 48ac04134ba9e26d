package device

import (
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/device/pci"
	"github.com/seed64aab995/rescuekernel/machine"
)

// The host bridge's own function, at device 0: that of QEMU's q35, or of its
// generic PCI Express host (docs/specs/pci-ids.rst).
const (
	genericVendor = 0x1b36
	genericDevice = 0x0008

	hostVendor   = 0x8086
	hostDevice   = 0x29c0
	hostClass    = 0x0600
	registerECAM = 0x60 // PCIEXBAR (Intel 3 Series Express Chipset 5.1.16), u64
	ecamEnable   = 1
)

// resetControlGo in port 0xcf9 resets a PC when it is set (Intel ICH9 data
// sheet 13.7.5).
const resetControlGo = 1 << 2

const (
	devicesOfBus = 32
	portSpace    = 1 << 16
	ecamSize     = 1 << 20 // of one bus (PCI Express 3.0 7.2.2)
)

// HostBridgeConfig says how configuration space is reached.
type HostBridgeConfig struct {
	// ECAM is the physical address of memory-mapped configuration space, 1 MiB
	// for each of so many buses (0 is one), of which only bus 0 has devices. 0
	// for none.
	ECAM  uint64
	Buses int

	// PortWindow is the physical address of 64 KiB of memory through which a
	// machine without I/O ports reaches the I/O BARs; 0 for none.
	PortWindow uint64

	// WithoutPorts leaves out the I/O ports 0xcf8 and 0xcfc, of a machine that
	// has none.
	WithoutPorts bool
}

// HostBridge is a PCI bus, number 0 of segment 0, with up to 31 devices of one
// function each. Device 0 is the bridge itself. Configuration space is reached
// through I/O ports 0xcf8 and 0xcfc (PCI 3.2.2.3.2) and through ECAM.
type HostBridge struct {
	config    HostBridgeConfig
	functions [devicesOfBus]*Function
	selected  uint32 // what was written to port 0xcf8
}

// NewHostBridge makes a bus without devices.
func NewHostBridge(config HostBridgeConfig) *HostBridge {
	h := &HostBridge{config: config}
	f := newFunction(identity{vendor: hostVendor, device: hostDevice, class: hostClass})
	if config.WithoutPorts {
		f = newFunction(identity{vendor: genericVendor, device: genericDevice, class: hostClass})
	} else if config.ECAM != 0 {
		f.set(registerECAM, 8, config.ECAM|ecamEnable)
	}
	h.functions[0] = f
	return h
}

// Add puts a function onto the bus, as function 0 of a device, 1 to 31.
func (h *HostBridge) Add(device int, f *Function) error {
	if device < 1 || device >= devicesOfBus || h.functions[device] != nil {
		return fmt.Errorf("PCI device %d of 1 to %d is no free one", device, devicesOfBus-1)
	}
	h.functions[device] = f
	return nil
}

// Resources are where BARs may go: upwards from these addresses.
type Resources struct {
	Ports  uint64 // I/O ports
	Memory uint64 // physical addresses below 4 GiB
}

// ErrNoRoom says that there are no addresses left for a BAR.
var ErrNoRoom = errors.New("no addresses left for PCI devices")

// Assign does what firmware does: it gives every BAR an address, by device and
// BAR number, and lets the functions answer there. Bus masters they are not.
func (h *HostBridge) Assign(r Resources) error {
	for device, f := range h.functions {
		if f == nil {
			continue
		}
		for i := range f.bars {
			b := &f.bars[i]
			if b.size == 0 {
				continue
			}
			next, limit := &r.Memory, uint64(1)<<32
			if b.io {
				next, limit = &r.Ports, portSpace
			}
			address := (*next + b.size - 1) &^ (b.size - 1)
			if address == 0 || address > limit-b.size {
				return fmt.Errorf("BAR %d of PCI device %d, %d bytes from %#x: %w", i, device, b.size, *next, ErrNoRoom)
			}
			*next = address + b.size
			at := pci.RegisterBAR + 4*i
			f.set(at, 4, f.get(at, 4)|address)
		}
		f.set(pci.RegisterCommand, 2, pci.CommandIO|pci.CommandMemory)
	}
	return nil
}

// Devices are what the machine has: configuration space and the BARs of all
// functions that are on the bus now.
func (h *HostBridge) Devices() []machine.Device {
	var list []machine.Device
	if !h.config.WithoutPorts {
		list = append(list, addressPort{h}, dataPort{h})
	}
	if h.config.ECAM != 0 {
		list = append(list, ecam{h})
	}
	if h.config.PortWindow != 0 {
		list = append(list, portWindow{h})
	}
	for _, f := range h.functions {
		if f == nil {
			continue
		}
		for i := range f.bars {
			if f.bars[i].size != 0 {
				list = append(list, barDevice{f, i})
			}
		}
	}
	return list
}

// function is who answers at an address of configuration space.
func (h *HostBridge) function(a pci.Address) *Function {
	if a.Segment() != 0 || a.Bus() != 0 || a.Function() != 0 {
		return nil
	}
	return h.functions[a.Device()]
}

func (h *HostBridge) read(a pci.Address, offset uint64, p []byte) error {
	if f := h.function(a); f != nil {
		return f.read(offset, p)
	}
	ones(p)
	return nil
}

func (h *HostBridge) write(a pci.Address, offset uint64, p []byte) error {
	if f := h.function(a); f != nil {
		return f.write(offset, p)
	}
	return nil
}

// ones is what a read gives that nobody answers.
func ones(p []byte) {
	for i := range p {
		p[i] = 0xff
	}
}

// addressPort is port 0xcf8, where only 32 bits are the bridge's. Its second
// byte alone is the chipset's reset control, as in a PC.
type addressPort struct{ h *HostBridge }

func (addressPort) Window() machine.Window {
	return machine.Window{Port: true, Base: pci.PortAddress, Size: 4}
}

func (d addressPort) ReadDevice(_ uint64, p []byte) error {
	clear(p)
	if len(p) == 4 {
		put(p, uint64(d.h.selected))
	}
	return nil
}

func (d addressPort) WriteDevice(offset uint64, p []byte) error {
	switch {
	case len(p) == 4:
		d.h.selected = uint32(value(p))
	case offset == machine.ResetPort-pci.PortAddress && len(p) == 1 && p[0]&resetControlGo != 0:
		return &machine.StopError{Exit: machine.Exit{Reason: machine.Reset}}
	}
	return nil
}

// dataPort is port 0xcfc.
type dataPort struct{ h *HostBridge }

func (dataPort) Window() machine.Window {
	return machine.Window{Port: true, Base: pci.PortData, Size: 4}
}

// selected is the function and register that port 0xcf8 has chosen.
func (d dataPort) selected() (a pci.Address, register uint64, ok bool) {
	s := d.h.selected
	return pci.Address(s & 0x00ff_ff00), uint64(s & 0xfc), s&pci.PortAddressEnable != 0
}

func (d dataPort) ReadDevice(offset uint64, p []byte) error {
	a, register, ok := d.selected()
	if !ok {
		ones(p)
		return nil
	}
	return d.h.read(a, register+offset, p)
}

func (d dataPort) WriteDevice(offset uint64, p []byte) error {
	a, register, ok := d.selected()
	if !ok {
		return nil
	}
	return d.h.write(a, register+offset, p)
}

// ecam is memory-mapped configuration space: 4 KiB a function.
type ecam struct{ h *HostBridge }

func (d ecam) Window() machine.Window {
	return machine.Window{Base: d.h.config.ECAM, Size: uint64(max(d.h.config.Buses, 1)) * ecamSize}
}

func (d ecam) ReadDevice(offset uint64, p []byte) error {
	return d.h.read(pci.Address(offset>>4&0xffff00), offset%pci.ExtendedConfigurationSize, p)
}

func (d ecam) WriteDevice(offset uint64, p []byte) error {
	return d.h.write(pci.Address(offset>>4&0xffff00), offset%pci.ExtendedConfigurationSize, p)
}

// portWindow is the I/O BARs in memory.
type portWindow struct{ h *HostBridge }

func (d portWindow) Window() machine.Window {
	return machine.Window{Base: d.h.config.PortWindow, Size: portSpace}
}

func (d portWindow) find(port, size uint64) (barDevice, uint64, bool) {
	for _, f := range d.h.functions {
		if f == nil {
			continue
		}
		for i := range f.bars {
			bar := barDevice{f, i}
			if w := bar.Window(); w.Contains(true, port, size) {
				return bar, port - w.Base, true
			}
		}
	}
	return barDevice{}, 0, false
}

func (d portWindow) ReadDevice(offset uint64, p []byte) error {
	if bar, at, ok := d.find(offset, uint64(len(p))); ok {
		return bar.ReadDevice(at, p)
	}
	ones(p)
	return nil
}

func (d portWindow) WriteDevice(offset uint64, p []byte) error {
	if bar, at, ok := d.find(offset, uint64(len(p))); ok {
		return bar.WriteDevice(at, p)
	}
	return nil
}
