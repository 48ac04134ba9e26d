package arm64_test

import (
	"encoding/binary"
	"fmt"

	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/emulator/arm64"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// A CPU that adds up the numbers from 10 to 1, and what each instruction did.
func Example() {
	memory := emulator.NewMemory(physmem.NewRanges(physmem.Range{End: 0x10000}))
	var code []byte
	for _, word := range []uint32{
		0xd2800140, // mov x0, #10
		0x8b000021, // add x1, x1, x0
		0xf1000400, // subs x0, x0, #1
		0x54ffffc1, // b.ne -8
		0x14000000, // b .
	} {
		code = binary.LittleEndian.AppendUint32(code, word)
	}
	if _, err := memory.WritePhysical(code, 0x1000); err != nil {
		fmt.Println(err)
		return
	}
	cpu := arm64.New(0, memory, arm64.Config{})
	cpu.PowerOn(0x1000, 0)
	cpu.SetTrace(func(e arm64.Executed) { fmt.Println(e.Text, e.Changes) })
	cpu.Run(2, true)
	cpu.SetTrace(nil)
	if exit := cpu.Run(1000, false); exit != nil {
		fmt.Println(exit)
	}
	fmt.Println(cpu.X(1), "at", cpu.PC())
	// Output:
	// mov x0, #0xa [x0=0xa]
	// add x1, x1, x0 [x1=0xa]
	// 55 at 4112
}
