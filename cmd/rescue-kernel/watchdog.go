package main

import (
	"github.com/seed64aab995/rescuekernel/device"
	"github.com/seed64aab995/rescuekernel/device/pci"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/kernel"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/record"
)

// watchdog is the host's.
type watchdog struct {
	write   func()
	longest uint64 // nanoseconds between two pats
}

// openWatchdog finds the register of the host's watchdog, if it has one, and
// pats it.
func (p *program) openWatchdog() {
	w := p.host.Settings.Watchdog
	if w.Width == 0 {
		return
	}
	var r device.Registers
	var err error
	if w.Bus == handoff.BusPort {
		r, err = bus.Ports(uint16(w.Address), uint16(w.Width))
	} else {
		at := physmem.Address(w.Address)
		r, err = bus.Memory(physmem.Range{Start: at, End: at + physmem.Address(w.Width)})
	}
	if err != nil {
		p.print("watchdog: %v", err)
		return
	}
	p.dog.write = map[int]func(){
		1: func() { r.Write8(0, uint8(w.Value)) },
		2: func() { r.Write16(0, uint16(w.Value)) },
		4: func() { r.Write32(0, w.Value) },
	}[w.Width]
	p.pat()
}

// pat pats the watchdog and measures how long nobody did.
func (p *program) pat() {
	if p.dog.write == nil {
		return
	}
	p.dog.write()
	clock, err := kernel.ClockInfo()
	if err != nil {
		return
	}
	now := clock.Entry + kernel.SinceEntry()/1e3*clock.Kilohertz/1e3
	if longest, err := p.host.Patted(p.memory, now); err == nil {
		p.dog.longest = record.Nanoseconds(longest, clock.Kilohertz)
	}
}

// openFunction finds a PCI device that is to be silenced.
func (p *program) openFunction(a pci.Address) (*pci.Function, error) {
	space, err := configuration(p.host.Block.PCI, a)
	if err != nil {
		return nil, err
	}
	return pci.Open(space, a)
}
