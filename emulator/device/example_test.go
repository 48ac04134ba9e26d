package device_test

import (
	"encoding/binary"
	"fmt"

	"github.com/seed64aab995/rescuekernel/device/pci"
	"github.com/seed64aab995/rescuekernel/emulator/device"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// A disk whose third write fails, on the PCI bus of a machine that the example
// plays the CPU of.
func Example() {
	ram := physmem.NewBytes(0, make([]byte, 1<<20))
	disk, err := device.NewBlock(device.BlockConfig{
		Disk:   machine.Disk{Name: "dump", Size: 1 << 20, Storage: newDisk(1 << 20)},
		Memory: ram,
		Faults: device.Faults{Fail: device.AtWrite(2)},
	})
	if err != nil {
		panic(err)
	}
	bridge := device.NewHostBridge(device.HostBridgeConfig{})
	if err := bridge.Add(1, disk.PCI(device.Transitional)); err != nil {
		panic(err)
	}
	if err := bridge.Assign(device.Resources{Ports: 0xc000, Memory: 0xfe000000}); err != nil {
		panic(err)
	}
	bus := machine.NewBus(bridge.Devices()...)

	// out 0xcf8; in 0xcfc: the identity of 00:01.0.
	address := binary.LittleEndian.AppendUint32(nil, pci.PortAddressEnable|1<<11)
	bus.Write(true, pci.PortAddress, address)
	p := make([]byte, 4)
	bus.Read(true, pci.PortData, p)
	fmt.Printf("%04x:%04x\n", binary.LittleEndian.Uint16(p), binary.LittleEndian.Uint16(p[2:]))
	fmt.Println(disk.Counters().Requests, "requests")
	// Output:
	// 1af4:1001
	// 0 requests
}
