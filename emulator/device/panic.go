package device

import "github.com/seed64aab995/rescuekernel/device/pvpanic"

// pvpanic as a PCI function (QEMU docs/specs/pvpanic.rst, docs/specs/pci-ids.rst).
const (
	panicVendor = 0x1b36
	panicDevice = 0x0011
	panicClass  = 0x0880
	panicSize   = 0x1000 // of the BAR, of which one byte is used
)

// NewPanic is the paravirtual panic device as a function of a PCI device, for a
// HostBridge. What the guest reports is given to event, if that is not nil.
func NewPanic(event func(events byte)) *Function {
	f := newFunction(identity{vendor: panicVendor, device: panicDevice, class: panicClass, revision: 1})
	f.addBAR(0, bar{size: panicSize, completer: panicRegister{event}})
	return f
}

type panicRegister struct{ event func(byte) }

func (r panicRegister) read(offset uint64, p []byte) error {
	readImage([]byte{pvpanic.Panicked | pvpanic.CrashLoaded}, offset, p)
	return nil
}

func (r panicRegister) write(offset uint64, p []byte) error {
	if offset == 0 && r.event != nil {
		r.event(p[0])
	}
	return nil
}
