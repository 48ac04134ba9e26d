package gic_test

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/device/gic"
)

// The word of MRS X0, ICC_IAR1_EL1 is made of the register's encoding.
func ExampleSystemRegister() {
	fmt.Printf("%#x\n", 0xd520_0000|uint32(gic.IAR1)<<5)
	// Output: 0xd538cc00
}
