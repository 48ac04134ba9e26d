package acpi

import (
	"github.com/seed64aab995/rescuekernel/physmem"
)

// ConfigurationSpace is one memory-mapped PCI configuration space of MCFG: 4 KiB
// a function, 1 MiB a bus.
type ConfigurationSpace struct {
	// Base is where bus 0 would be, also if FirstBus is another.
	Base              physmem.Address
	Segment           uint16
	FirstBus, LastBus uint8
}

// Range is the memory of the buses that there are.
func (c ConfigurationSpace) Range() physmem.Range {
	const bus = 1 << 20
	return physmem.Range{
		Start: c.Base + physmem.Address(c.FirstBus)*bus,
		End:   c.Base + (physmem.Address(c.LastBus)+1)*bus,
	}
}

// ParseMCFG reads the list of PCI configuration spaces (PCI Firmware 3.3, 4.1.2).
func ParseMCFG(t Table) ([]ConfigurationSpace, error) {
	const first, size = 44, 16
	if err := t.want("MCFG", first); err != nil {
		return nil, err
	}
	var list []ConfigurationSpace
	for at := first; at+size <= len(t.Data); at += size {
		c := ConfigurationSpace{Base: t.address(at), Segment: t.u16(at + 8), FirstBus: t.Data[at+10], LastBus: t.Data[at+11]}
		if c.FirstBus > c.LastBus || c.Base > physmem.MaxAddress-1<<28 || !c.Base.IsAligned(4096) {
			return nil, t.failed("%w: buses %d to %d at %v", ErrValue, c.FirstBus, c.LastBus, c.Base)
		}
		list = append(list, c)
	}
	return list, nil
}

// Types of serial ports that SPCR names (Microsoft Debug Port Table 2, table 3).
const (
	Serial16550  = 0x00 // all of a 16550
	SerialPL011  = 0x03
	SerialSBSA32 = 0x0d // a PL011 that firmware has set up, accesses of 32 bits
	SerialSBSA   = 0x0e
	SerialMMIO   = 0x12 // a 16550, as its address says
)

// Address is a generic address (5.2.3.2).
type Address struct {
	Space              uint8 // 0 memory, 1 I/O ports
	BitWidth, BitShift uint8
	Access             uint8 // 1 to 4: bytes to 64 bits; 0: not said
	Address            uint64
}

// Console is what SPCR says.
type Console struct {
	Type     uint8 // SerialPL011 and so on
	Address  Address
	BaudRate uint8 // 0 as it is, 3 9600, 4 19200, 6 57600, 7 115200
}

// IsPL011 reports whether the console is a PL011 in memory.
func (c Console) IsPL011() bool {
	return c.Address.Space == 0 && c.Address.Address != 0 && (c.Type == SerialPL011 || c.Type == SerialSBSA || c.Type == SerialSBSA32)
}

// ParseSPCR reads which serial port is the console.
func ParseSPCR(t Table) (Console, error) {
	if err := t.want("SPCR", 80); err != nil {
		return Console{}, err
	}
	return Console{
		Type: t.Data[36], BaudRate: t.Data[58],
		Address: Address{t.Data[40], t.Data[41], t.Data[42], t.Data[43], t.u64(44)},
	}, nil
}

// FADT is what is taken of the fixed table (5.2.9).
type FADT struct {
	Major, Minor uint8 // version of ACPI
	Flags        uint32
	// PSCI: the CPUs and the machine are controlled by PSCI, called by HVC if that
	// is set, else by SMC (5.2.9.4).
	PSCI, HVC bool
	DSDT      physmem.Address
}

// Flags of FADT (table 5.10).
const (
	FlagResetRegister   = 1 << 10
	FlagHardwareReduced = 1 << 20
)

// ParseFADT reads the fixed table, "FACP".
func ParseFADT(t Table) (FADT, error) {
	if err := t.want("FACP", 116); err != nil {
		return FADT{}, err
	}
	f := FADT{Major: t.Revision, Flags: t.u32(112), DSDT: physmem.Address(t.u32(40))}
	if len(t.Data) >= 132 {
		boot := t.u16(129)
		f.PSCI, f.HVC, f.Minor = boot&1 != 0, boot&2 != 0, t.Data[131]&15
	}
	if len(t.Data) >= 148 {
		if wide := t.address(140); wide != 0 {
			f.DSDT = wide
		}
	}
	return f, nil
}

// Timers is what GTDT says of the generic timer of arm64 (5.2.25): interrupts,
// 0 where there is none.
type Timers struct {
	SecureEL1, NonSecureEL1, VirtualEL1, NonSecureEL2 uint32
}

// ParseGTDT reads the interrupts of the generic timer.
func ParseGTDT(t Table) (Timers, error) {
	if err := t.want("GTDT", 80); err != nil {
		return Timers{}, err
	}
	return Timers{t.u32(48), t.u32(56), t.u32(64), t.u32(72)}, nil
}
