// Efivariable is a host that counts its boots in a variable of EFI's firmware.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/seed64aab995/rescuekernel/kernel"
)

// guid is this program's own name space.
var guid = [16]byte{0x5e, 0xed, 0x64, 0xaa, 0xb9, 0x95, 0x4d, 0x11, 0x9c, 1, 2, 3, 4, 5, 6, 7}

func main() {
	if err := run(); err != nil {
		fmt.Println("efivariable: failed:", err)
		os.Exit(1)
	}
	fmt.Println("efivariable: done")
}

func run() error {
	variables, err := kernel.NewEFIVariables()
	if err != nil {
		return err
	}
	if _, _, err := variables.Get("BootOrderOfNobody", guid); !errors.Is(err, kernel.EFINotFound) {
		return fmt.Errorf("what is not there: %w", err)
	}
	boots := byte(0)
	data, attributes, err := variables.Get("Boots", guid)
	switch {
	case err == nil && len(data) == 1000 && attributes == kernel.EFIVariableDurable:
		boots = data[999]
	case !errors.Is(err, kernel.EFINotFound):
		return fmt.Errorf("%d bytes, attributes %#x: %w", len(data), attributes, err)
	}
	data = make([]byte, 1000)
	data[999] = boots + 1
	if err := variables.Set("Boots", guid, kernel.EFIVariableDurable, data); err != nil {
		return err
	}
	for range 100 { // reads change nothing
		if data, _, err = variables.Get("Boots", guid); err != nil || len(data) != 1000 {
			return fmt.Errorf("%d bytes: %w", len(data), err)
		}
	}
	fmt.Printf("efivariable: boot %d\n", data[999])
	return nil
}
