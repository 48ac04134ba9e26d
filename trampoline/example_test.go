package trampoline_test

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/trampoline"
)

// A host makes the page when it arms, puts it where it said, and seals it.
func ExamplePatchAMD64() {
	const reservation physmem.Address = 0x4000_0000
	page, err := trampoline.PatchAMD64(trampoline.AMD64{
		Page:       reservation + 0x1000,
		Stack:      reservation + 0x2000 + trampoline.StackSize,
		Root4:      reservation + 0x3000,
		Entry:      0x5000_0041_1000,
		EntryStack: 0x5000_0010_0000,
		Block:      reservation,
		BlockVA:    0x4000_4000_0000,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("jump to %#x: % x ...\n", uint64(reservation)+0x1000+trampoline.FreezePoint, page[:6])

	_, err = trampoline.PatchAMD64(trampoline.AMD64{Page: 0x1234})
	fmt.Println(err)
	// Output:
	// jump to 0x40001000: f3 0f 1e fa fa fc ...
	// bad trampoline parameter: page at 0x1234: want a multiple of 0x1000 above 0 and below 0x800000000000
}
