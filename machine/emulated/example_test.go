package emulated_test

import (
	"context"
	"fmt"

	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/emulated"
	"github.com/seed64aab995/rescuekernel/machine/machinetest"
)

// A guest of two instructions is traced to its end.
func ExampleMachine_Trace() {
	guest := []byte{0xb0, 42, 0xe6, 0xf4} // mov al, 42; out 0xf4, al
	m, err := emulated.New(machine.Config{Boot: machine.Boot{Image: machinetest.Image(guest)}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	if _, err := m.RunTo(context.Background(), machinetest.Entry); err != nil {
		fmt.Println(err)
		return
	}
	m.(*emulated.Machine).Trace(func(e emulator.Executed) {
		fmt.Printf("%#x %s %v\n", e.PC, e.Text, e.Changes)
	})
	exit, err := m.Run(context.Background())
	fmt.Println(exit.Reason, exit.Code, err)
	// Output:
	// 0x107000 mov $0x2a,%al [rax=0x2a]
	// 0x107002 out %al,$0xf4 []
	// debug exit 42 <nil>
}
