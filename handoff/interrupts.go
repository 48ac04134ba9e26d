package handoff

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// MaxInterruptTables is the most of the list in a block: those of 256
// redistributors and of some translation services with tables of two levels.
const MaxInterruptTables = 2048

// InterruptTable is memory that an interrupt controller was told to use: GICv3's
// redistributors and translation services (ITS). What a redistributor was given
// it may keep until the machine is reset (IHI 0069 5.1.1: once LPIs are enabled
// the tables cannot be taken away), so nobody may use that memory otherwise, and a
// kernel that takes over reuses the same pages. The list has an entry for each
// register, in the order of the registers' addresses.
type InterruptTable struct {
	Kind InterruptTableKind
	// Controller is where the registers of the redistributor or ITS are.
	Controller physmem.Address
	// Register is the value of the register that names the table: GICR_PROPBASER,
	// GICR_PENDBASER, GITS_BASERn or GITS_CBASER; 0 for the second level of a
	// table of an ITS.
	Register uint64
	// Memory is what the controller may access, whole pages.
	Memory physmem.Range
}

// InterruptTableKind says what a table is for.
type InterruptTableKind uint32

// Kinds. The register GITS_BASERn of kind InterruptITS is n = Kind - InterruptITS.
const (
	InterruptProperties  InterruptTableKind = 1 // LPI configuration, GICR_PROPBASER
	InterruptPending     InterruptTableKind = 2 // LPI pending bits, GICR_PENDBASER
	InterruptCommands    InterruptTableKind = 3 // an ITS's command queue, GITS_CBASER
	InterruptSecondLevel InterruptTableKind = 4 // what an entry of a table of an ITS points to
	InterruptITS         InterruptTableKind = 8 // to 15: a table of an ITS, GITS_BASER0 to 7
)

// String names the table as the architecture does.
func (k InterruptTableKind) String() string {
	switch {
	case k == InterruptProperties:
		return "LPI configuration"
	case k == InterruptPending:
		return "LPI pending"
	case k == InterruptCommands:
		return "ITS commands"
	case k == InterruptSecondLevel:
		return "ITS second level"
	case k >= InterruptITS && k < InterruptITS+8:
		return fmt.Sprintf("ITS table %d", k-InterruptITS)
	}
	return fmt.Sprintf("interrupt table %d", uint32(k))
}

func (k InterruptTableKind) valid() bool {
	return k >= InterruptProperties && k <= InterruptSecondLevel || k >= InterruptITS && k < InterruptITS+8
}

// InterruptMemory is the memory of all tables.
func InterruptMemory(tables []InterruptTable) physmem.Ranges {
	ranges := make([]physmem.Range, 0, len(tables))
	for _, t := range tables {
		ranges = append(ranges, t.Memory)
	}
	return physmem.NewRanges(ranges...)
}

// validateInterrupts checks the tables: the controllers would write over what of
// the reservation lay in one.
func (b *Block) validateInterrupts() error {
	if len(b.Interrupts) > MaxInterruptTables {
		return &BlockError{"interrupt tables", ErrTooLarge}
	}
	for i, t := range b.Interrupts {
		if !t.Kind.valid() || t.Controller > physmem.MaxAddress || t.Memory.IsEmpty() || t.Memory.End > physmem.MaxAddress ||
			!t.Memory.Start.IsAligned(PageSize) || !t.Memory.End.IsAligned(PageSize) {
			return invalid("interrupt tables", "entry %d: %v of the controller at %v in %v", i, t.Kind, t.Controller, t.Memory)
		}
		if t.Memory.Overlaps(b.Reservation) {
			return invalid("interrupt tables", "entry %d: %v in %v overlaps the reservation %v", i, t.Kind, t.Memory, b.Reservation)
		}
	}
	return nil
}

func (e *encoder) interrupts(tables []InterruptTable) {
	e.count(len(tables))
	for _, t := range tables {
		e.u32(uint32(t.Kind), 0)
		e.u64(uint64(t.Controller), t.Register, uint64(t.Memory.Start), t.Memory.Size())
	}
}

func (d *decoder) interruptTable() InterruptTable {
	t := InterruptTable{Kind: InterruptTableKind(d.u32())}
	d.u32()
	t.Controller, t.Register, t.Memory = physmem.Address(d.u64()), d.u64(), d.oneRange()
	return t
}
