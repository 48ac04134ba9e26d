package machine

import (
	"errors"
	"fmt"
	"sync"
)

// Bus hands accesses to the devices of a machine, one at a time.
type Bus struct {
	mu      sync.Mutex
	devices []Device
}

// NewBus makes a bus. Of two devices at one place the first answers.
func NewBus(devices ...Device) *Bus { return &Bus{devices: devices} }

func (b *Bus) find(port bool, address uint64, size int) (Device, uint64) {
	for _, d := range b.devices {
		if w := d.Window(); w.Contains(port, address, uint64(size)) {
			return d, address - w.Base
		}
	}
	return nil, 0
}

// Ask reads from the device at an I/O port or physical address. Where there is
// none, answered is false. An exit that is not nil stops the machine.
func (b *Bus) Ask(port bool, address uint64, p []byte) (answered bool, exit *Exit) {
	b.mu.Lock()
	defer b.mu.Unlock()
	d, offset := b.find(port, address, len(p))
	if d == nil {
		return false, nil
	}
	return true, deviceExit(d, d.ReadDevice(offset, p))
}

// Tell writes to the device at an I/O port or physical address. Where there is
// none, answered is false. An exit that is not nil stops the machine.
func (b *Bus) Tell(port bool, address uint64, p []byte) (answered bool, exit *Exit) {
	b.mu.Lock()
	defer b.mu.Unlock()
	d, offset := b.find(port, address, len(p))
	if d == nil {
		return false, nil
	}
	return true, deviceExit(d, d.WriteDevice(offset, p))
}

// Read is Ask on a PC's bus: where there is no device, all bits are ones.
func (b *Bus) Read(port bool, address uint64, p []byte) *Exit {
	answered, exit := b.Ask(port, address, p)
	if !answered {
		for i := range p {
			p[i] = 0xff
		}
	}
	return exit
}

// Write is Tell on a PC's bus: where there is no device, nothing happens.
func (b *Bus) Write(port bool, address uint64, p []byte) *Exit {
	_, exit := b.Tell(port, address, p)
	return exit
}

// Poll lets the devices that are Pollers go on, before the machine runs. An exit
// that is not nil stops the machine again.
func (b *Bus) Poll() *Exit {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range b.devices {
		if p, ok := d.(Poller); ok {
			if exit := deviceExit(d, p.Poll()); exit != nil {
				return exit
			}
		}
	}
	return nil
}

func deviceExit(d Device, err error) *Exit {
	var stop *StopError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &stop):
		e := stop.Exit
		return &e
	}
	return &Exit{Reason: Failed, Detail: fmt.Sprintf("device at %#x: %v", d.Window().Base, err)}
}
