//go:build linux

package main

import (
	"github.com/seed64aab995/rescuekernel/device"
	"github.com/seed64aab995/rescuekernel/device/virtio"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/kernel"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// openTransport reaches a disk on MMIO.
func openTransport(t handoff.Target, _ virtio.Options) (virtio.Transport, error) {
	at := physmem.Address(t.Address)
	registers, err := device.Access{Map: kernel.MapDevice}.Memory(physmem.Range{Start: at, End: at + virtio.MMIOSize})
	if err != nil {
		return nil, err
	}
	return virtio.NewMMIO(registers)
}
