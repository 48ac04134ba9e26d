package rescue_test

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/rescue"
)

// What cannot be armed is refused with its reason. On a host that runs on
// package kernel, Platform is kernel.Platform, and Image a boot module.
func ExampleArm() {
	_, err := rescue.Arm(rescue.Config{Settings: handoff.Environment{{Name: "finish", Value: "reset"}}})
	fmt.Println(err)
	// Output: arm: platform and image are required: bad configuration
}
