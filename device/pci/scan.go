package pci

import (
	"errors"
	"fmt"
	"iter"
)

const (
	devicesPerBus      = 32
	functionsPerDevice = 8
	busCount           = 256
)

// Scan finds the functions on a bus and on those behind its bridges. It reads
// configuration space as the loop goes on, a bus at a time, and visits no bus
// twice, whatever bridges say. The pair (nil, error) is the last one: registers
// could not be reached.
func Scan(space Space, segment uint16, bus uint8) iter.Seq2[*Function, error] {
	return func(yield func(*Function, error) bool) {
		var seen [busCount]bool
		seen[bus] = true
		for queue := []uint8{bus}; len(queue) > 0; queue = queue[1:] {
			for f, err := range scanBus(space, segment, queue[0]) {
				if errors.Is(err, ErrAddress) && queue[0] != bus {
					break // a bridge leads out of the window
				}
				if !yield(f, err) || err != nil {
					return
				}
				if next, ok := f.secondaryBus(); ok && !seen[next] {
					seen[next] = true
					queue = append(queue, next)
				}
			}
		}
	}
}

// scanBus finds the functions on one bus.
func scanBus(space Space, segment uint16, bus uint8) iter.Seq2[*Function, error] {
	return func(yield func(*Function, error) bool) {
		for d := range uint8(devicesPerBus) {
			functions := uint8(1)
			for n := uint8(0); n < functions; n++ {
				f, err := Open(space, NewAddress(segment, bus, d, n))
				if errors.Is(err, ErrNoFunction) {
					continue // without function 0 there is no device (3.2.2.3.4)
				}
				if err != nil {
					yield(nil, err)
					return
				}
				if n == 0 && f.Configuration.Read8(RegisterHeaderType)&HeaderMultiFunction != 0 {
					functions = functionsPerDevice
				}
				if !yield(f, nil) {
					return
				}
			}
		}
	}
}

// secondaryBus is the bus behind a bridge. Firmware numbers them upwards.
func (f *Function) secondaryBus() (uint8, bool) {
	if f.Configuration.Read8(RegisterHeaderType)&HeaderTypeMask != HeaderTypeBridge {
		return 0, false
	}
	next := f.Configuration.Read8(RegisterSecondaryBus)
	return next, next > f.Address.Bus()
}

// Find opens the function at a recorded address, if it is still what match is
// looking for, or else scans the recorded address's segment from bus 0 on for
// the first that is. ErrNoFunction: there is none.
func Find(space Space, recorded Address, match func(*Function) bool) (*Function, error) {
	f, err := Open(space, recorded)
	switch {
	case err == nil && match(f):
		return f, nil
	case err != nil && !errors.Is(err, ErrNoFunction):
		return nil, err
	}
	for f, err := range Scan(space, recorded.Segment(), 0) {
		if err != nil {
			return nil, fmt.Errorf("PCI %v is not there, and the search for another failed: %w", recorded, err)
		}
		if match(f) {
			return f, nil
		}
	}
	return nil, fmt.Errorf("PCI %v, and no other of its kind: %w", recorded, ErrNoFunction)
}
