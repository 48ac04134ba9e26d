package kernel_test

import (
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/kernel"
)

// A program asks what runs it. Under an operating system, as here, there is no
// machine to ask for.
func Example() {
	if !kernel.Running() {
		_, err := kernel.Boot()
		fmt.Println(errors.Is(err, kernel.ErrNotRunning))
		return
	}
	boot, err := kernel.Boot()
	if err != nil {
		kernel.Panic(err.Error())
	}
	fmt.Println(boot.Role, boot.CommandLine)
	// Output: true
}
