package virtio_test

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/device"
	"github.com/seed64aab995/rescuekernel/device/pci"
	"github.com/seed64aab995/rescuekernel/device/virtio"
)

// write writes a dump to the disk at a recorded place: what a rescue program does.
func write(bus device.Bus, memory device.Region, recorded pci.Address, dump []byte) error {
	ports, err := bus.Ports(pci.PortAddress, pci.PortCount)
	if err != nil {
		return err
	}
	f, err := pci.Find(pci.NewPorts(ports), recorded, virtio.IsPCIBlock)
	if err != nil {
		return err
	}
	options := virtio.Options{Memory: memory, PreferLegacy: true}
	transport, err := virtio.OpenPCI(bus, f, options)
	if err != nil {
		return err
	}
	disk, err := virtio.NewBlock(transport, options)
	if err != nil {
		return err
	}
	p := disk.Pipeline()
	if _, err := p.WriteAt(dump, 0); err != nil {
		return err
	}
	return p.Flush()
}

func Example() {
	var none device.Access // a program that reaches no device
	fmt.Println(write(none, device.Region{}, pci.NewAddress(0, 0, 3, 0), nil))
	fmt.Println("memory for 4 requests of 64 KiB:", virtio.Options{Depth: 4}.MemorySize())
	// Output:
	// no access to registers of this kind
	// memory for 4 requests of 64 KiB: 278528
}
