package gic

import (
	"encoding/binary"
	"fmt"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// Fields of the registers that say where tables lie (12.11.23, GICR_PROPBASER;
// 12.11.21, GICR_PENDBASER; 12.19.1, GITS_BASERn; 12.19.2, GITS_CBASER). Sizes
// and addresses are in bytes.
const (
	tableAddress     = 1<<52 - 1<<12
	pendingAddress   = 1<<52 - 1<<16
	identifierBits   = 0x1f // of GICR_PROPBASER: bits of an interrupt number, less one
	mostIdentifiers  = 24
	itsAddress       = 1<<48 - 1<<12
	itsAddress64K    = 1<<48 - 1<<16 // with bits 51 to 48 in 15 to 12
	itsPageSizeShift = 8
	levelEntry       = 8
	page             = 4096
)

// LPITables is the memory of a redistributor's tables, by its registers
// GICR_PROPBASER and GICR_PENDBASER: a byte for each LPI, and a bit for each
// interrupt, in whole pages (5.1.1, 5.1.2).
func LPITables(properties, pending uint64) (configuration, pendings physmem.Range) {
	interrupts := uint64(1) << min(properties&identifierBits+1, mostIdentifiers)
	at := physmem.Address(properties & tableAddress)
	size := uint64(0)
	if interrupts > FirstLPI {
		size = interrupts - FirstLPI
	}
	configuration = whole(at, size)
	pendings = whole(physmem.Address(pending&pendingAddress), interrupts/8)
	return configuration, pendings
}

func whole(start physmem.Address, size uint64) physmem.Range {
	return physmem.Range{Start: start, End: start + physmem.Address((size+page-1)&^uint64(page-1))}
}

// ITSTableMemory is the memory that a GITS_BASERn names, and whether its entries point
// to tables of a second level. It is empty where the register is not in use.
func ITSTableMemory(register uint64) (table physmem.Range, indirect bool) {
	if register&ITSValid == 0 {
		return physmem.Range{}, false
	}
	size, at := itsPageSize(register), register&itsAddress
	if size == 64<<10 {
		at = register&itsAddress64K | register>>12&15<<48
	}
	pages := register&ITSPagesMask + 1
	return whole(physmem.Address(at), pages*size), register&ITSIndirect != 0
}

func itsPageSize(register uint64) uint64 {
	switch register >> itsPageSizeShift & 3 {
	case 0:
		return 4 << 10
	case 1:
		return 16 << 10
	}
	return 64 << 10
}

// ITSCommandMemory is the memory of the command queue that a GITS_CBASER names.
func ITSCommandMemory(register uint64) physmem.Range {
	if register&ITSValid == 0 {
		return physmem.Range{}
	}
	return whole(physmem.Address(register&tableAddress), (register&ITSPagesMask+1)*page)
}

// ITSSecondLevel is the memory of the tables that the first level of a table
// points to, by its GITS_BASERn: at most so many (5.2).
func ITSSecondLevel(memory physmem.Reader, register uint64, most int) (physmem.Ranges, error) {
	first, indirect := ITSTableMemory(register)
	if !indirect {
		return nil, nil
	}
	size := itsPageSize(register)
	var tables []physmem.Range
	entries := make([]byte, page)
	for at := first.Start; at < first.End; at += page {
		if _, err := memory.ReadPhysical(entries, at); err != nil {
			return nil, fmt.Errorf("first level of an ITS's table in %v: %w", first, err)
		}
		for i := 0; i < page; i += levelEntry {
			entry := binary.LittleEndian.Uint64(entries[i:])
			if entry&ITSValid == 0 {
				continue
			}
			if len(tables) == most {
				return nil, fmt.Errorf("first level of an ITS's table in %v: more than %d entries", first, most)
			}
			tables = append(tables, whole(physmem.Address(entry&tableAddress), size))
		}
	}
	return physmem.NewRanges(tables...), nil
}
