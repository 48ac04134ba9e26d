package acpi_test

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/acpi"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// firmware is a machine's memory with one table: a host passes its own, and where
// the boot loader has said the root pointer is.
func firmware() (memory physmem.Reader, root physmem.Address) {
	data := make([]byte, 0x1000)
	copy(data, newRSDP(0, 0x100))
	copy(data[0x100:], table("XSDT", 1, fields(uint64(0x200))...))
	copy(data[0x200:], mcfg())
	return physmem.NewBytes(0, data), 0
}

// Where are a machine's PCI configuration spaces?
func ExampleOpen() {
	tables, err := acpi.Open(firmware())
	if err != nil {
		fmt.Println(err)
		return
	}
	table, err := tables.Table("MCFG")
	if err != nil {
		fmt.Println(err)
		return
	}
	spaces, err := acpi.ParseMCFG(table)
	for _, s := range spaces {
		fmt.Printf("segment %d, buses %d to %d at %v\n", s.Segment, s.FirstBus, s.LastBus, s.Range())
	}
	fmt.Println(err)
	// Output:
	// segment 0, buses 0 to 255 at [0x4010000000, 0x4020000000)
	// segment 3, buses 16 to 31 at [0x5001000000, 0x5002000000)
	// <nil>
}
