package device_test

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/device"
)

// A program on package kernel reaches devices through the kernel's functions;
// here two variables stand in for the ports.
func Example() {
	var ports [2]byte
	bus := device.Access{PortFunctions: &device.PortFunctions{
		In8:  func(port uint16) uint8 { return ports[port-0x505] },
		Out8: func(port uint16, v uint8) { ports[port-0x505] = v },
	}}
	r, err := bus.Ports(0x505, 2)
	if err != nil {
		fmt.Println(err)
		return
	}
	r.Write8(1, 7)
	fmt.Println(r.Read8(1), r.Read8(2))
	// Output: 7 255
}

// Memory for DMA is carved into what a device needs.
func ExampleRegion() {
	region := device.Region{Memory: make([]byte, 16), Address: 0x10_0008}
	part, err := region.Carve(4, 1)
	fmt.Println(part.Range(), err)
	fmt.Println(region.Range())
	address, ok := part.Locate(part.Memory[2:3])
	fmt.Println(address, ok)
	// Output:
	// [0x100008, 0x10000c) <nil>
	// [0x10000c, 0x100018)
	// 0x10000a true
}
