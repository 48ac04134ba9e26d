package pvpanic_test

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/device/pvpanic"
)

// A host whose rescue program takes over says so, if the device knows it.
func Example() {
	understood := byte(pvpanic.Panicked | pvpanic.CrashLoaded) // read from pvpanic.Port
	event := byte(pvpanic.Panicked)
	if understood&pvpanic.CrashLoaded != 0 {
		event = pvpanic.CrashLoaded
	}
	fmt.Printf("write %d to port %#x\n", event, pvpanic.Port)
	// Output: write 2 to port 0x505
}
