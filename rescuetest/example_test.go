package rescuetest_test

import (
	"context"
	"fmt"

	"github.com/seed64aab995/rescuekernel/rescue"
	"github.com/seed64aab995/rescuekernel/rescuetest"
)

// A test of what a host's dump will say.
func Example() {
	host, err := rescuetest.New(rescuetest.Config{Name: "anvil"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer host.Close()
	armed, err := rescue.Arm(rescue.Config{Platform: host, Image: host.Image(), Targets: host.Targets(), Devices: host.Device})
	if err != nil {
		fmt.Println(err)
		return
	}
	armed.Panic("the ledger is torn")
	dump, err := host.Rescue(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer dump.Close()
	notes, err := dump.Notes()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s: %s\n", notes.HostName, notes.Panic)
	// Output: anvil: the ledger is torn
}
