package efi_test

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/efi"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// A host's map becomes that of a rescue program: its reservation is all the
// RAM there is.
func ExampleMap_Restrict() {
	host := &efi.Map{DescriptorSize: 48, Version: efi.DescriptorVersion, Descriptors: []efi.Descriptor{
		{Type: efi.TypeConventional, PhysicalStart: 0x100000, Pages: 0x7f00},
		{Type: efi.TypeACPIReclaim, PhysicalStart: 0x8000000, Pages: 16},
		{Type: efi.TypeConventional, PhysicalStart: 0x8010000, Pages: 0x1000},
	}}
	reservation := physmem.Range{Start: 0x4000000, End: 0x4800000}
	restricted, err := host.Restrict(reservation)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, d := range restricted.Descriptors {
		fmt.Println(d.Range(), d.Type)
	}
	_, err = host.Restrict(physmem.Range{Start: 0x7ff0000, End: 0x8001000})
	fmt.Println(err)
	// Output:
	// [0x4000000, 0x4800000) conventional
	// [0x8000000, 0x8010000) ACPI reclaim
	// restrict memory map to [0x7ff0000, 0x8001000): not all of it is RAM
}
