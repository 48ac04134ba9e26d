// Command disks is the guest of the contract's row about disks. It inverts
// every byte of every virtio disk that it finds on PCI bus 0, or at the
// physical addresses that its arguments name, through the project's own driver.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/seed64aab995/rescuekernel/device"
	"github.com/seed64aab995/rescuekernel/device/pci"
	"github.com/seed64aab995/rescuekernel/device/virtio"
	"github.com/seed64aab995/rescuekernel/kernel"
	"github.com/seed64aab995/rescuekernel/physmem"
)

func main() {
	legacy := len(os.Args) > 1 && os.Args[1] == "legacy"
	options := virtio.Options{PreferLegacy: legacy, Depth: 4}
	if err := run(os.Args[1:], options); err != nil {
		fmt.Println("FAILED:", err)
		os.Exit(1)
	}
	fmt.Println("disks done")
}

func run(arguments []string, options virtio.Options) error {
	var err error
	if options.Memory, err = memory(options.MemorySize() + 128<<10); err != nil {
		return err
	}
	transports, err := find(arguments, options)
	if err != nil {
		return err
	}
	for _, t := range transports {
		b, err := virtio.NewBlock(t, options)
		if err != nil {
			return err
		}
		if err := invert(b); err != nil {
			return err
		}
		if err := b.Close(); err != nil {
			return err
		}
	}
	return nil
}

// memory is for DMA.
func memory(size uint64) (device.Region, error) {
	r, err := kernel.Allocate(size, 4096)
	if err != nil {
		return device.Region{}, err
	}
	m, err := kernel.Memory()
	if err != nil {
		return device.Region{}, err
	}
	return device.Region{Memory: m.ViewPhysical(r), Address: r.Start}, nil
}

func find(arguments []string, options virtio.Options) ([]virtio.Transport, error) {
	var list []virtio.Transport
	for _, a := range arguments {
		base, err := strconv.ParseUint(a, 0, 64)
		if err != nil {
			continue
		}
		r, err := bus.Memory(physmem.Range{Start: physmem.Address(base), End: physmem.Address(base) + virtio.MMIOSize})
		if err != nil {
			return nil, err
		}
		t, err := virtio.NewMMIO(r)
		if err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	if list != nil {
		return list, nil
	}
	ports, err := bus.Ports(pci.PortAddress, pci.PortCount)
	if err != nil {
		return nil, err
	}
	for f, err := range pci.Scan(pci.NewPorts(ports), 0, 0) {
		if err != nil {
			return nil, err
		}
		if !virtio.IsPCIBlock(f) {
			continue
		}
		t, err := virtio.OpenPCI(bus, f, options)
		if err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	return list, nil
}

// invert inverts a disk in steps that are not all of one size.
func invert(b *virtio.Block) error {
	name, err := b.Serial()
	if err != nil {
		return err
	}
	fmt.Printf("disk %s: %d bytes, read-only %v\n", name, b.Size(), b.ReadOnly())
	p := make([]byte, 96<<10)
	for offset := int64(0); offset < b.Size(); {
		n, err := b.ReadAt(p, offset)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		for i := range p[:n] {
			p[i] = ^p[i]
		}
		if b.ReadOnly() {
			_, err := b.WriteAt(p[:512], offset)
			if err == nil {
				return errors.New("a read-only disk was written")
			}
			return nil
		}
		if _, err := b.WriteAt(p[:n], offset); err != nil {
			return err
		}
		offset += int64(n)
	}
	return b.Flush()
}
