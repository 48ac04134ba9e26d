package fdt

import (
	"encoding/binary"
	"iter"
	"slices"
	"strings"
)

// Properties goes through names and values in the tree's order. Values must not
// be changed, and properties not be set or deleted meanwhile.
func (n *Node) Properties() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for _, p := range n.properties {
			if !yield(p.name, p.value) {
				return
			}
		}
	}
}

// Get is the value of a property, which must not be changed. It reports false
// where there is no such property; a value may be empty.
func (n *Node) Get(name string) ([]byte, bool) {
	for _, p := range n.properties {
		if p.name == name {
			return p.value, true
		}
	}
	return nil, false
}

// Has reports whether there is a property of that name.
func (n *Node) Has(name string) bool {
	_, ok := n.Get(name)
	return ok
}

// get is a value that must be there.
func (n *Node) get(name string) ([]byte, error) {
	value, ok := n.Get(name)
	if !ok {
		return nil, &PropertyError{n.Path(), name, ErrMissing}
	}
	return value, nil
}

// Uint32 is the value of a property of one cell.
func (n *Node) Uint32(name string) (uint32, error) {
	value, err := n.get(name)
	if err != nil {
		return 0, err
	}
	if len(value) != 4 {
		return 0, n.failed(name, "%w: %d bytes, want 4", ErrValue, len(value))
	}
	return binary.BigEndian.Uint32(value), nil
}

// Uint64 is the value of a property of one cell or two, as initrd addresses.
func (n *Node) Uint64(name string) (uint64, error) {
	value, err := n.get(name)
	if err != nil {
		return 0, err
	}
	switch len(value) {
	case 4:
		return uint64(binary.BigEndian.Uint32(value)), nil
	case 8:
		return binary.BigEndian.Uint64(value), nil
	}
	return 0, n.failed(name, "%w: %d bytes, want 4 or 8", ErrValue, len(value))
}

// Cells is the value of a property of any number of 32-bit cells.
func (n *Node) Cells(name string) ([]uint32, error) {
	value, err := n.get(name)
	if err != nil {
		return nil, err
	}
	if len(value)%4 != 0 {
		return nil, n.failed(name, "%w: %d bytes, not in cells of 4", ErrValue, len(value))
	}
	cells := make([]uint32, len(value)/4)
	for i := range cells {
		cells[i] = binary.BigEndian.Uint32(value[i*4:])
	}
	return cells, nil
}

// String is the value of a property of one string.
func (n *Node) String(name string) (string, error) {
	list, err := n.Strings(name)
	if err != nil {
		return "", err
	}
	if len(list) != 1 {
		return "", n.failed(name, "%w: %d strings, want 1", ErrValue, len(list))
	}
	return list[0], nil
}

// Strings is the value of a property of any number of strings. Each ends with a
// zero byte; what is in them is not checked.
func (n *Node) Strings(name string) ([]string, error) {
	value, err := n.get(name)
	if err != nil {
		return nil, err
	}
	if len(value) == 0 {
		return nil, nil
	}
	if value[len(value)-1] != 0 {
		return nil, n.failed(name, "%w: %d bytes without a zero at the end", ErrValue, len(value))
	}
	return strings.Split(string(value[:len(value)-1]), "\x00"), nil
}

// Phandle is the number by which other nodes refer to this one.
func (n *Node) Phandle() (uint32, bool) {
	for _, name := range []string{"phandle", "linux,phandle"} {
		// 0 and -1 are not valid (dtc's rule).
		if p, err := n.Uint32(name); err == nil && p != 0 && p != 1<<32-1 {
			return p, true
		}
	}
	return 0, false
}

// IsCompatible reports whether the node is compatible with any of names.
func (n *Node) IsCompatible(names ...string) bool { return n.compatibleName(names) != "" }

// compatibleName is the first of the node's own names, which go from specific
// to general, that is in names.
func (n *Node) compatibleName(names []string) string {
	list, err := n.Strings("compatible")
	if err != nil {
		return ""
	}
	for _, own := range list {
		if slices.Contains(names, own) {
			return own
		}
	}
	return ""
}

func (n *Node) deviceType() string {
	name, err := n.String("device_type")
	if err != nil {
		return ""
	}
	return name
}

// IsAvailable reports whether the node's device can be used: its status is
// "okay" or "ok", or it has none (Devicetree Specification 0.4, 2.3.4). The
// status of the nodes above does not count.
func (n *Node) IsAvailable() bool {
	value, ok := n.Get("status")
	if !ok {
		return true
	}
	status, _, _ := strings.Cut(string(value), "\x00")
	return status == "okay" || status == "ok"
}
