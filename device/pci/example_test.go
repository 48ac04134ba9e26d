package pci_test

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/device/pci"
)

// A disk that was recorded is opened; a board is scanned only if it is gone.
func Example() {
	board := machineWithBridges() // a model in this package's tests
	recorded, err := pci.ParseAddress("0000:02:05.0")
	if err != nil {
		fmt.Println(err)
		return
	}
	f, err := pci.Find(board.ports(), recorded, func(f *pci.Function) bool { return f.VendorID == 0x1af4 })
	if err != nil {
		fmt.Println(err)
		return
	}
	f.DisableInterrupts()
	f.Enable(pci.CommandMemory | pci.CommandBusMaster)
	fmt.Printf("%v: %04x:%04x\n", f.Address, f.VendorID, f.DeviceID)
	// Output: 0000:02:05.0: 1af4:1042
}
