package acpi

import (
	"encoding/binary"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// MADT is the table of interrupt controllers (5.2.12).
type MADT struct {
	LocalAPIC physmem.Address // amd64: where every CPU has its own
	CPUs      []CPU

	// GIC is arm64's interrupt controller; nil: there is none.
	GIC *GIC
	// IOAPICs are amd64's.
	IOAPICs []IOAPIC
}

// CPU is one processor.
type CPU struct {
	UID     uint32 // as the namespace has it
	ID      uint64 // APIC ID; arm64: MPIDR
	Enabled bool   // it can be used; else firmware may enable it later
	X2APIC  bool   // amd64: from an entry for x2APIC

	// arm64 (GICC, 5.2.12.14); 0 where there is none.
	Interface     physmem.Address // GICv2's CPU interface
	Redistributor physmem.Address // GICv3: this CPU's frames, if no GICR covers them
	Parked        physmem.Address // the parking protocol's mailbox
}

// GIC is the distributor, and what else is shared.
type GIC struct {
	Version        uint8 // 0: not said
	Distributor    physmem.Address
	Redistributors []physmem.Range
	ITS            []physmem.Address
}

// IOAPIC is one I/O APIC.
type IOAPIC struct {
	ID      uint8
	Address physmem.Address
	First   uint32 // its first interrupt
}

// Types of entries (table 5.21), with their least lengths.
const (
	madtAPIC     = 0x0
	madtIOAPIC   = 0x1
	madtOverride = 0x5 // of the local APIC's address
	madtX2APIC   = 0x9
	madtGICC     = 0xb
	madtGICD     = 0xc
	madtGICR     = 0xe
	madtITS      = 0xf
)

var madtLengths = map[uint8]int{
	madtAPIC: 8, madtIOAPIC: 12, madtOverride: 12, madtX2APIC: 16,
	madtGICC: 76, madtGICD: 24, madtGICR: 16, madtITS: 20,
}

// ParseMADT reads the table of interrupt controllers, "APIC". Entries of other types
// are left out.
func ParseMADT(t Table) (*MADT, error) {
	const first = 44
	if err := t.want("APIC", first); err != nil {
		return nil, err
	}
	m := &MADT{LocalAPIC: physmem.Address(t.u32(36))}
	var gic GIC
	for data := t.Data[first:]; len(data) > 0; {
		if len(data) < 2 || int(data[1]) < 2 || int(data[1]) > len(data) {
			return nil, t.failed("%w: an entry with %d bytes left", ErrSize, len(data))
		}
		entry := data[:data[1]]
		data = data[data[1]:]
		least, known := madtLengths[entry[0]]
		if !known {
			continue
		}
		if len(entry) < least {
			return nil, t.failed("%w: entry of type %#x, %d bytes, want %d", ErrSize, entry[0], len(entry), least)
		}
		if err := m.take(&gic, entry); err != nil {
			return nil, t.failed("%w", err)
		}
	}
	if gic.Distributor != 0 {
		m.GIC = &gic
	}
	return m, nil
}

// take reads one entry that is long enough (5.2.12.2 to 5.2.12.18).
func (m *MADT) take(gic *GIC, e []byte) error {
	u32 := func(at int) uint32 { return binary.LittleEndian.Uint32(e[at:]) }
	address := func(at int) physmem.Address { return physmem.Address(binary.LittleEndian.Uint64(e[at:])) }
	switch e[0] {
	case madtAPIC:
		m.CPUs = append(m.CPUs, CPU{UID: uint32(e[2]), ID: uint64(e[3]), Enabled: u32(4)&1 != 0})
	case madtX2APIC:
		m.CPUs = append(m.CPUs, CPU{UID: u32(12), ID: uint64(u32(4)), Enabled: u32(8)&1 != 0, X2APIC: true})
	case madtIOAPIC:
		m.IOAPICs = append(m.IOAPICs, IOAPIC{e[2], physmem.Address(u32(4)), u32(8)})
	case madtOverride:
		m.LocalAPIC = address(4)
	case madtGICC:
		m.CPUs = append(m.CPUs, CPU{
			UID: u32(8), ID: uint64(address(68)), Enabled: u32(12)&1 != 0,
			Parked: address(24), Interface: address(32), Redistributor: address(60),
		})
	case madtGICD:
		gic.Distributor, gic.Version = address(8), e[20]
	case madtGICR:
		r, ok := physmem.NewRange(address(4), uint64(u32(12)))
		if !ok {
			return ErrValue
		}
		gic.Redistributors = append(gic.Redistributors, r)
	case madtITS:
		gic.ITS = append(gic.ITS, address(8))
	}
	return nil
}
