//go:build linux && (amd64 || arm64)

// Hungry is a rescue program that runs out of memory in the middle of its dump:
// it keeps all that it has.
package main

import (
	"fmt"
	"os"

	"github.com/seed64aab995/rescuekernel/capture"
	"github.com/seed64aab995/rescuekernel/container/target"
	"github.com/seed64aab995/rescuekernel/device"
	"github.com/seed64aab995/rescuekernel/device/virtio"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/kernel"
)

func main() {
	if err := dump(); err != nil {
		fmt.Println("hungry:", err)
	}
	os.Exit(1)
}

func dump() error {
	boot, err := kernel.Boot()
	if err != nil {
		return err
	}
	memory, err := kernel.Memory()
	if err != nil {
		return err
	}
	host, err := capture.Open(memory, boot.Reservation.Start)
	if err != nil {
		return err
	}
	dumper, err := host.NewDumper(host.Storage(memory))
	if err != nil {
		return err
	}
	result := host.Run(dumper, capture.Options{
		Disk:     func(t handoff.Target) (target.Device, error) { return open(memory, t) },
		Progress: eat,
	})
	return result.Err()
}

var kept [][]byte

// eat keeps more memory than the dump is long.
func eat(p capture.Progress) {
	if p.Content < p.Size/2 {
		return
	}
	fmt.Println("hungry: at", p.Content)
	for {
		block := make([]byte, 64<<10)
		for i := 0; i < len(block); i += handoff.PageSize {
			block[i] = 1
		}
		kept = append(kept, block)
	}
}

// open opens the disk of a target.
func open(memory *kernel.PhysicalMemory, t handoff.Target) (target.Device, error) {
	o := virtio.Options{Depth: 1, BufferSize: 64 << 10, PreferLegacy: true}
	r, err := kernel.Allocate(o.MemorySize(), handoff.PageSize)
	if err != nil {
		return nil, err
	}
	o.Memory = device.Region{Memory: memory.ViewPhysical(r), Address: r.Start}
	transport, err := openTransport(t, o)
	if err != nil {
		return nil, err
	}
	return virtio.NewBlock(transport, o)
}
