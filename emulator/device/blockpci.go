package device

import (
	"github.com/seed64aab995/rescuekernel/device/pci"
	"github.com/seed64aab995/rescuekernel/device/virtio"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Interface is which of the two PCI interfaces a virtio device has.
type Interface int

// The interfaces of virtio devices on PCI (4.1).
const (
	Transitional Interface = iota // both: legacy I/O ports in BAR 0, and modern in BAR 4
	Legacy                        // I/O ports only, as before version 1
	Modern                        // memory only
)

// Base address registers, as QEMU has them.
const (
	barLegacy = 0
	barMSIX   = 1
	barModern = 4
)

// The MSI-X table and pending bits (PCI 6.8.2).
const (
	msixEntrySize = 16
	msixMasked    = 1 // vector control
	msixControl   = 12
	msixPending   = 0x800 // where the pending bits are in the BAR
	msixSize      = 0x1000
)

// PCI makes the disk a function of a PCI device.
func (b *Block) PCI(kind Interface) *Function {
	id := identity{
		vendor: virtio.VendorID, device: virtio.DeviceIDLegacyBlock,
		subsystemVendor: virtio.VendorID, subsystemID: virtio.TypeBlock,
		class: classSCSI, interrupts: true,
	}
	if kind == Modern {
		id.device, id.revision = virtio.DeviceIDModern+virtio.TypeBlock, 1
	}
	f := newFunction(id)
	msix := f.addMSIX()
	msixOn := func() bool { return f.get(msix+pci.MessageControl, 2)&pci.MSIXEnable != 0 }
	if kind != Modern {
		f.addBAR(barLegacy, bar{io: true, size: legacySize, completer: legacy{b, msixOn}})
	}
	if kind != Legacy {
		f.addBAR(barModern, bar{wide: true, size: modernSize, completer: modernParts(b)})
		f.addModern()
	}
	b.dma.memory = busMaster{b.config.Memory, f}
	b.line = func() bool { return !msixOn() && !f.command(pci.CommandInterruptDisable) }
	b.function, b.msix = f, msix
	f.changed, f.poll = b.updateLine, b.Poll
	return f
}

// classSCSI is the class of a disk controller, which QEMU gives to these.
const classSCSI = 0x0100

// addMSIX adds the MSI-X capability and its table, which are registers and no
// more: no message is ever sent.
func (f *Function) addMSIX() int {
	c := make([]byte, 12)
	put(c[pci.MessageControl:][:2], vectors-1)
	put(c[4:8], barMSIX)              // the table, at offset 0
	put(c[8:12], msixPending|barMSIX) // the pending bits
	at := int(f.addCapability(pci.CapabilityMSIX, c))
	f.writable(at+pci.MessageControl, 2, pci.MSIXEnable|pci.MSIXFunctionMask)

	table := plain{make([]byte, vectors*msixEntrySize), make([]byte, vectors*msixEntrySize)}
	for i := range vectors {
		entry := i * msixEntrySize
		put(table.mask[entry:][:8], 0xffff_ffff_ffff_fffc)
		put(table.mask[entry+8:][:4], 0xffff_ffff)
		table.mask[entry+msixControl], table.data[entry+msixControl] = msixMasked, msixMasked
	}
	f.addBAR(barMSIX, bar{size: msixSize, completer: table})
	return at
}

// addModern adds the capabilities that say where the modern interface is.
func (f *Function) addModern() {
	for _, s := range []struct {
		kind         byte
		offset, size uint64
	}{
		{virtio.CapabilityCommon, modernCommon, modernPartSize},
		{virtio.CapabilityISR, modernISR, modernPartSize},
		{virtio.CapabilityDevice, modernDevice, modernPartSize},
		{virtio.CapabilityNotify, modernNotify, modernPartSize},
		{virtio.CapabilityPCIAccess, 0, 0},
	} {
		size := virtio.CapabilityBytes
		if s.kind == virtio.CapabilityNotify || s.kind == virtio.CapabilityPCIAccess {
			size = virtio.CapabilityNotifyBytes
		}
		c := make([]byte, size)
		c[virtio.CapabilityLength], c[virtio.CapabilityType], c[virtio.CapabilityBAR] = byte(size), s.kind, barModern
		put(c[virtio.CapabilityOffset:][:4], s.offset)
		put(c[virtio.CapabilitySize:][:4], s.size)
		if s.kind == virtio.CapabilityNotify {
			put(c[virtio.CapabilityMultiplier:], notifyMultiplier)
		}
		at := f.addCapability(pci.CapabilityVendor, c)
		if s.kind == virtio.CapabilityPCIAccess {
			f.openWindow(at)
		}
	}
}

// openWindow lets the guest reach BARs through configuration space: it writes
// which BAR, offset and length (4.1.4.9).
func (f *Function) openWindow(at uint64) {
	f.window = at
	f.data[at+virtio.CapabilityBAR] = 0
	f.mask[at+virtio.CapabilityBAR] = 0xff
	f.writable(int(at)+virtio.CapabilityOffset, 4, 0xffff_ffff)
	f.writable(int(at)+virtio.CapabilitySize, 4, 0xffff_ffff)
	f.writable(int(at)+windowData, 4, 0xffff_ffff)
}

// windowData is pci_cfg_data, the last of the capability's registers.
const windowData = virtio.CapabilityBytes

// throughWindow is the BAR access that an access to configuration means.
func (f *Function) throughWindow(offset uint64, n int) (c completer, at uint64, p []byte) {
	if f.window == 0 || offset+uint64(n) <= f.window+windowData || offset >= f.window+windowData+4 {
		return nil, 0, nil
	}
	w := f.data[f.window:][:virtio.CapabilityNotifyBytes]
	index, at, length := w[virtio.CapabilityBAR], value(w[virtio.CapabilityOffset:][:4]), value(w[virtio.CapabilitySize:][:4])
	if int(index) >= len(f.bars) || length != 1 && length != 2 && length != 4 || at%length != 0 {
		return nil, 0, nil
	}
	b := &f.bars[index]
	if at >= b.size || length > b.size-at {
		return nil, 0, nil
	}
	return b.completer, at, w[windowData:][:length]
}

func (f *Function) readWindow(offset uint64, n int) error {
	if c, at, p := f.throughWindow(offset, n); c != nil {
		return c.read(at, p)
	}
	return nil
}

func (f *Function) writeWindow(offset uint64, n int) error {
	if c, at, p := f.throughWindow(offset, n); c != nil {
		return c.write(at, p)
	}
	return nil
}

// busMaster is memory as a PCI function reaches it: only as a bus master.
type busMaster struct {
	memory   physmem.Memory
	function *Function
}

func (m busMaster) allowed() bool { return m.function.command(pci.CommandBusMaster) }

func (m busMaster) refuse(operation string, n int, a physmem.Address) error {
	return &physmem.AccessError{Operation: operation, Range: physmem.Range{Start: a, End: a + physmem.Address(n)}, Err: errNotMaster}
}

func (m busMaster) ReadPhysical(p []byte, a physmem.Address) (int, error) {
	if !m.allowed() {
		return 0, m.refuse("read", len(p), a)
	}
	return m.memory.ReadPhysical(p, a)
}

func (m busMaster) WritePhysical(p []byte, a physmem.Address) (int, error) {
	if !m.allowed() {
		return 0, m.refuse("write", len(p), a)
	}
	return m.memory.WritePhysical(p, a)
}

// ViewPhysical lends memory where the machine's memory can.
func (m busMaster) ViewPhysical(r physmem.Range) []byte {
	if v, ok := m.memory.(physmem.Viewer); ok && m.allowed() {
		return v.ViewPhysical(r)
	}
	return nil
}
