//go:build linux

package kernel

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// Registers of the local APIC by their offset (SDM 3A 11.4.1); x2APIC has that
// of an offset as MSR apicFirstMSR + offset/16 (11.12.1.2).
const (
	msrAPICBase     = 0x1b
	apicFirstMSR    = 0x800
	msrAPICCommand  = 0x830
	apicVersion     = 0x30
	apicPriority    = 0x80
	apicEOI         = 0xb0
	apicSpurious    = 0xf0
	apicRequest     = 0x200
	apicCommandLow  = 0x300
	apicCommandHigh = 0x310
	apicTimer       = 0x320
	apicLine0       = 0x350
	apicInitial     = 0x380
	apicCurrent     = 0x390
	apicDivide      = 0x3e0

	apicSoftware  = 1 << 8
	apicMasked    = 1 << 16
	apicDivideBy1 = 0xb
	apicEnabled   = 1 << 11
	apicExtended  = 1 << 10
)

// prepareAPIC finds the local APIC and enables it: one that software has not
// enabled sends nothing.
func prepareAPIC() error {
	s := &k.secondaries
	if s.apic != 0 || s.x2apic != 0 {
		return nil
	}
	base, err := call(callReadMSR, msrAPICBase, 0, 0, 0)
	switch {
	case err != nil:
		return err
	case base&apicEnabled == 0:
		return fmt.Errorf("the local APIC is off (%#x): %w", base, ErrCPU)
	case base&apicExtended != 0:
		s.x2apic = 1
		spurious, err := call(callReadMSR, apicFirstMSR+apicSpurious/16, 0, 0, 0)
		if err == nil {
			_, err = call(callWriteMSR, apicFirstMSR+apicSpurious/16, spurious|apicSoftware, 0, 0)
		}
		return err
	}
	p := physmem.Address(base &^ 0xfff & (1<<52 - 1))
	apic, err := MapDevice(physmem.Range{Start: p, End: p + pageSize})
	if err != nil {
		return err
	}
	store32(apic+apicSpurious, load32(apic+apicSpurious)|apicSoftware)
	s.apic = apic
	return nil
}

// writeAPIC writes a register of this CPU's local APIC, also on the panic path.
//
//go:nosplit
func writeAPIC(register uintptr, v uint32) {
	s := &k.secondaries
	if s.x2apic != 0 {
		gate(apicFirstMSR+uint32(register/16), uint64(v))
	} else if s.apic != 0 {
		store32(s.apic+register, v)
	}
}

// readAPIC reads a register, 0 where there is no local APIC.
//
//go:nosplit
func readAPIC(register uintptr) uint32 {
	s := &k.secondaries
	switch {
	case s.x2apic != 0:
		return uint32(gate(gateReadMSR, uint64(apicFirstMSR+register/16)))
	case s.apic != 0:
		return load32(s.apic + register)
	}
	return 0
}

// sendInterrupt writes the interrupt command register. It is also used on the
// panic path.
//
//go:nosplit
func sendInterrupt(id, command uintptr) {
	s := &k.secondaries
	if s.x2apic != 0 {
		gate(msrAPICCommand, uint64(id<<32|command))
		return
	}
	store32(s.apic+apicCommandHigh, uint32(id<<24))
	store32(s.apic+apicCommandLow, uint32(command))
}
