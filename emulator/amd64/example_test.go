package amd64_test

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/emulator/amd64"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// A CPU computes 6 * 7.
func Example() {
	memory := emulator.NewMemory(physmem.NewRanges(physmem.Range{End: 1 << 20}))
	code := []byte{0xb8, 6, 0, 0, 0, 0x6b, 0xc0, 7} // mov eax, 6; imul eax, eax, 7
	if _, err := memory.WritePhysical(code, 0x8000); err != nil {
		fmt.Println(err)
		return
	}
	if err := machine.WriteIdentityTables(memory, 0x10000); err != nil {
		fmt.Println(err)
		return
	}
	c := amd64.New(0, memory, machine.NewBus(), false)
	if err := c.SetState(machine.LongModeState(0x8000, 0x10000)); err != nil {
		fmt.Println(err)
		return
	}
	exit := c.Run(2, true)
	fmt.Println(exit, c.State().(*machine.AMD64State).Registers[machine.RAX])
	// Output: <nil> 42
}
