package virtio

import (
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/device"
	"github.com/seed64aab995/rescuekernel/device/pci"
)

// IsPCIBlock reports whether a PCI function is a virtio block device, by its
// IDs alone. It is for pci.Find.
func IsPCIBlock(f *pci.Function) bool {
	return f.VendorID == VendorID && (f.DeviceID == DeviceIDLegacyBlock || f.DeviceID == DeviceIDModern+TypeBlock)
}

// OpenPCI prepares a PCI function: its interrupts are off, its registers can be
// reached, it is reset, and then it may reach memory. The transport is the modern
// one where the device has it, else the legacy one; Options.PreferLegacy turns
// that round.
func OpenPCI(bus device.Bus, f *pci.Function, o Options) (Transport, error) {
	o = o.complete()
	t, err := openPCI(bus, f, o)
	if err != nil {
		return nil, fmt.Errorf("virtio device at PCI %v: %w", f.Address, err)
	}
	// What a kernel that crashed had in flight must not reach memory any more
	// when the function becomes, or stays, a bus master.
	if err := reset(t, o.Now, o.Timeout); err != nil {
		return nil, fmt.Errorf("virtio device at PCI %v: %w", f.Address, err)
	}
	f.Enable(pci.CommandBusMaster)
	return t, nil
}

func openPCI(bus device.Bus, f *pci.Function, o Options) (Transport, error) {
	transitional := f.DeviceID >= DeviceIDLegacyFirst && f.DeviceID <= DeviceIDLegacyLast
	modern := f.DeviceID >= DeviceIDModern && f.DeviceID <= DeviceIDModernLast
	if f.VendorID != VendorID || !transitional && !modern {
		return nil, fmt.Errorf("vendor %#x device %#x: %w", f.VendorID, f.DeviceID, ErrNoDevice)
	}
	f.DisableInterrupts()
	deviceType := uint32(f.DeviceID) - DeviceIDModern
	if transitional {
		deviceType = uint32(f.Configuration.Read16(pci.RegisterSubsystemID))
		if o.PreferLegacy {
			if t, err := openLegacy(bus, f, deviceType); err == nil {
				return t, nil
			}
		}
	}
	parts, err := modernParts(bus, f)
	switch {
	case err == nil:
		return NewModernPCI(parts, deviceType), nil
	case modern:
		return nil, err
	}
	t, legacy := openLegacy(bus, f, deviceType)
	if legacy != nil {
		return nil, errors.Join(err, legacy)
	}
	return t, nil
}

// openLegacy takes the legacy interface: I/O ports in BAR 0.
func openLegacy(bus device.Bus, f *pci.Function, deviceType uint32) (Transport, error) {
	bar, err := f.BAR(0)
	if err != nil {
		return nil, err
	}
	if !bar.IO {
		return nil, fmt.Errorf("BAR 0 is not of I/O ports: %w", ErrTransport)
	}
	r, err := bar.Registers(bus, 0, LegacyConfig+BlockConfigSize)
	if err != nil {
		return nil, err
	}
	f.Enable(pci.CommandIO)
	return NewLegacyPCI(r, deviceType), nil
}

// part is where a structure of a device is.
type part struct {
	bar          pci.BAR
	offset, size uint32
	multiplier   uint32
}

// modernParts reads the capabilities of a device and maps what they name.
func modernParts(bus device.Bus, f *pci.Function) (p ModernParts, err error) {
	found := findParts(f)
	common, notify, config := found[CapabilityCommon], found[CapabilityNotify], found[CapabilityDevice]
	if common == nil || common.size < CommonSize || notify == nil || notify.size < 2 || config == nil {
		return p, fmt.Errorf("virtio capabilities are missing or too small: %w", ErrTransport)
	}
	if p.Common, err = common.bar.Registers(bus, uint64(common.offset), CommonSize); err != nil {
		return p, fmt.Errorf("common configuration: %w", err)
	}
	if p.Device, err = config.bar.Registers(bus, uint64(config.offset), uint64(min(config.size, BlockConfigSize))); err != nil {
		return p, fmt.Errorf("device configuration: %w", err)
	}
	p.NotifyMultiplier = notify.multiplier
	p.Notify = func(offset uint64) (device.Registers, error) {
		if offset > uint64(notify.size)-2 {
			return nil, fmt.Errorf("offset %#x of %#x bytes: %w", offset, notify.size, ErrTransport)
		}
		return notify.bar.Registers(bus, uint64(notify.offset)+offset, 2)
	}
	f.Enable(pci.CommandMemory)
	return p, nil
}

// findParts reads the first usable capability of each type that the driver
// needs (4.1.4.1): one in memory, in a BAR that there is. Registers are read
// sparingly, because each costs two exits through I/O ports.
func findParts(f *pci.Function) (found [CapabilityDevice + 1]*part) {
	var bars [pci.BARs]*pci.BAR
	for _, c := range f.Capabilities() {
		if c.ID != pci.CapabilityVendor {
			continue
		}
		length, kind := uint8(c.Word), uint8(c.Word>>8) // CapabilityLength, CapabilityType
		switch {
		case kind != CapabilityCommon && kind != CapabilityNotify && kind != CapabilityDevice,
			found[kind] != nil,
			length < CapabilityBytes, kind == CapabilityNotify && length < CapabilityNotifyBytes:
			continue
		}
		n := f.Configuration.Read8(c.Offset + CapabilityBAR)
		if n >= pci.BARs {
			continue
		}
		if bars[n] == nil {
			b, err := f.BAR(int(n))
			if err != nil {
				continue
			}
			bars[n] = &b
		}
		if bars[n].IO || bars[n].Address == 0 {
			continue
		}
		p := &part{bar: *bars[n], offset: f.Configuration.Read32(c.Offset + CapabilityOffset), size: f.Configuration.Read32(c.Offset + CapabilitySize)}
		if kind == CapabilityNotify {
			p.multiplier = f.Configuration.Read32(c.Offset + CapabilityMultiplier)
		}
		found[kind] = p
	}
	return found
}
