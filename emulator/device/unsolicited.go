package device

import (
	"github.com/seed64aab995/rescuekernel/device/pci"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Busy makes the device what a driver leaves behind that a panic has ended: a PCI
// function may master the bus and raise its interrupt pin.
func (b *Block) Busy() {
	if f := b.function; f != nil {
		command := f.get(pci.RegisterCommand, 2)
		f.set(pci.RegisterCommand, 2, command&^pci.CommandInterruptDisable|pci.CommandBusMaster)
	}
}

// Unsolicited is what a device does that goes on with what it was told before the
// panic, as a network interface does when a packet comes: it fills memory with
// ScribblePattern, and it asks for an interrupt. Other than Faults.Storm and
// Faults.Scribble, which no register can end, it is done as the registers of a PCI
// function let it (PCI 6.2.2, 6.8.1.3, 6.8.2.3): memory by a bus master only;
// the pin where neither MSI-X nor the command register has disabled it; and with
// MSI-X a message, which is a write to memory, where the function is not masked.
// It says what of it happened. The caller sees to it that no CPU uses the device
// meanwhile.
func (b *Block) Unsolicited(memory physmem.Ranges) (wrote, interrupted bool) {
	f := Faults{Scribble: memory}
	wrote = len(memory) > 0 && b.mayWrite()
	if wrote {
		f.scribble(Request{}, b.dma)
	}
	b.counters.interrupts.Add(1)
	if b.messages() {
		return wrote, b.mayWrite() // messages are counted and go nowhere
	}
	if interrupted = b.line(); interrupted {
		b.isr |= interruptConfiguration
		b.updateLine()
	}
	return wrote, interrupted
}

// mayWrite reports whether the device reaches memory: a PCI function as a bus
// master only.
func (b *Block) mayWrite() bool {
	return b.function == nil || b.function.command(pci.CommandBusMaster)
}

// messages reports whether the device signals by MSI-X, and may.
func (b *Block) messages() bool {
	const control = pci.MSIXEnable | pci.MSIXFunctionMask
	return b.function != nil && b.function.get(b.msix+pci.MessageControl, 2)&control == pci.MSIXEnable
}
