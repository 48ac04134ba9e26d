package pci

import (
	"fmt"
	"strconv"
	"strings"
)

// Address names a function: segment<<32 | bus<<16 | device<<11 | function<<8,
// which is how package handoff records it and what I/O port 0xcf8 takes.
type Address uint64

// NewAddress makes an address. There are 32 devices on a bus and 8 functions in
// a device; higher bits of the arguments are dropped.
func NewAddress(segment uint16, bus, device, function uint8) Address {
	return Address(segment)<<32 | Address(bus)<<16 | Address(device&31)<<11 | Address(function&7)<<8
}

// Segment is the segment group.
func (a Address) Segment() uint16 { return uint16(a >> 32) }

// Bus is the bus number.
func (a Address) Bus() uint8 { return uint8(a >> 16) }

// Device is the number of the device on its bus.
func (a Address) Device() uint8 { return uint8(a>>11) & 31 }

// Function is the number of the function in its device.
func (a Address) Function() uint8 { return uint8(a>>8) & 7 }

// String prints the address as Linux does: 0000:00:1f.2.
func (a Address) String() string {
	return fmt.Sprintf("%04x:%02x:%02x.%d", a.Segment(), a.Bus(), a.Device(), a.Function())
}

// ParseAddress reads what String prints; the segment may be left out.
func ParseAddress(s string) (Address, error) {
	fields := strings.FieldsFunc(s, func(r rune) bool { return r == ':' || r == '.' })
	full := s
	if len(fields) == 3 {
		full = "0:" + s
		fields = append([]string{"0"}, fields...)
	}
	if len(fields) != 4 || strings.Join(fields[:3], ":")+"."+fields[3] != full {
		return 0, fmt.Errorf("PCI address %q is not segment:bus:device.function", s)
	}
	var numbers [4]uint64
	for i, limit := range [4]uint64{0xffff, 0xff, 31, 7} {
		n, err := strconv.ParseUint(fields[i], 16, 16)
		if err != nil || n > limit {
			return 0, fmt.Errorf("PCI address %q is not segment:bus:device.function", s)
		}
		numbers[i] = n
	}
	return NewAddress(uint16(numbers[0]), uint8(numbers[1]), uint8(numbers[2]), uint8(numbers[3])), nil
}
