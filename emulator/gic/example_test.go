package gic_test

import (
	"fmt"

	definitions "github.com/seed64aab995/rescuekernel/device/gic"
	"github.com/seed64aab995/rescuekernel/emulator/gic"
	"github.com/seed64aab995/rescuekernel/machine"
)

// A kernel turns the virtual timer's interrupt on, which then fires.
func Example() {
	controller, err := gic.New(gic.Config{
		Version: 2, Distributor: 0x8000000, CPUInterface: 0x8010000,
		Signal: func(cpu int, irq, fiq bool) { fmt.Println("CPU", cpu, "IRQ", irq) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	bus := machine.NewBus(controller.Devices()...)
	bus.Write(false, 0x8000000+definitions.DistributorControl, []byte{1, 0, 0, 0})
	bus.Write(false, 0x8000000+definitions.DistributorEnable, []byte{0, 0, 0, 1 << (definitions.PPIVirtualTimer - 24)})
	bus.Write(false, 0x8010000+definitions.InterfaceMask, []byte{0xff, 0, 0, 0})
	bus.Write(false, 0x8010000+definitions.InterfaceControl, []byte{1, 0, 0, 0})
	controller.SetPPI(0, definitions.PPIVirtualTimer, true)
	number := make([]byte, 4)
	bus.Read(false, 0x8010000+definitions.InterfaceAcknowledge, number)
	fmt.Println("took", number[0])
	// Output:
	// CPU 0 IRQ true
	// CPU 0 IRQ false
	// took 27
}
