package fdt

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// ofHost are the properties of /chosen that say where something of the host
// lies, or what it alone should know. With linux,uefi-* the rescue program
// would take its memory map from the host's firmware.
var ofHost = []string{
	propertyBootargs, propertyUsableMemory, propertyELFCoreHeader, propertyInitrdStart, propertyInitrdEnd,
	propertySeed, propertyKASLRSeed, "linux,ima-kexec-buffer", "linux,booted-from-kexec",
	"linux,kho-fdt", "linux,kho-scratch",
}

func isOfHost(name string) bool {
	return slices.Contains(ofHost, name) || strings.HasPrefix(name, "linux,uefi-")
}

// chosen takes out of /chosen what is the host's and puts in what the options
// say, each where the host's was.
func (r *restriction) chosen() error {
	n, ok := r.tree.root.Child("chosen")
	if !ok {
		var err error
		if n, err = r.tree.root.AddNode("chosen"); err != nil {
			return err
		}
	}
	values, err := r.chosenValues(n)
	if err != nil {
		return err
	}
	n.properties = slices.DeleteFunc(n.properties, func(p property) bool {
		return isOfHost(p.name) && !slices.ContainsFunc(values, func(v property) bool { return v.name == p.name })
	})
	for _, v := range values {
		if err := n.Set(v.name, v.value); err != nil {
			return err
		}
	}
	return nil
}

// chosenValues is what the options say, in a fixed order.
func (r *restriction) chosenValues(n *Node) ([]property, error) {
	var values []property
	if r.bootargs != nil {
		if strings.Contains(*r.bootargs, "\x00") {
			return nil, n.failed(propertyBootargs, "%w: zero byte in %q", ErrValue, *r.bootargs)
		}
		values = append(values, property{propertyBootargs, append([]byte(*r.bootargs), 0)})
	}
	for _, ranges := range []struct {
		name string
		list []physmem.Range
	}{
		{propertyUsableMemory, r.usable},
		{propertyELFCoreHeader, []physmem.Range{r.elfCoreHeader}},
	} {
		if physmem.NewRanges(ranges.list...).IsEmpty() {
			continue
		}
		value, err := r.tree.root.appendRanges(nil, ranges.list)
		if err != nil {
			return nil, &PropertyError{n.Path(), ranges.name, err}
		}
		values = append(values, property{ranges.name, value})
	}
	if !r.initrd.IsEmpty() {
		values = append(values,
			property{propertyInitrdStart, appendCells(nil, uint64(r.initrd.Start), 2)},
			property{propertyInitrdEnd, appendCells(nil, uint64(r.initrd.End), 2)})
	}
	return values, nil
}

// addReserved adds to /reserved-memory what is not in it yet.
func (r *restriction) addReserved() error {
	for _, add := range r.reserve {
		if err := r.tree.addReserved(add); err != nil {
			return fmt.Errorf("reserve %v for %q: %w", add.r, add.name, err)
		}
	}
	return nil
}

func (t *Tree) addReserved(add namedRange) error {
	present, err := t.ReservedMemory()
	if err != nil {
		return err
	}
	var covered []physmem.Range
	for _, p := range present {
		// What can be lent out, or mapped where it must not be, is not what
		// is asked for. The block's entries are not: who looks for the
		// reason of a reservation looks for a node.
		if p.Node != nil && !p.Reusable && (p.NoMap || !add.noMap) {
			covered = append(covered, p.Ranges...)
		}
	}
	missing := physmem.NewRanges(add.r).Minus(physmem.NewRanges(covered...))
	if missing.IsEmpty() {
		return nil
	}
	parent, err := t.makeReservedMemory()
	if err != nil {
		return err
	}
	for _, m := range missing {
		n, err := parent.AddNode(unitName(add.name, m.Start))
		if err != nil {
			return err
		}
		if err := n.SetReg(m); err != nil {
			return err
		}
		if !add.noMap {
			continue
		}
		if err := n.Set("no-map", nil); err != nil {
			return err
		}
	}
	return nil
}

// makeReservedMemory is /reserved-memory, which is made as Linux wants it: with
// the root's cells and empty ranges.
func (t *Tree) makeReservedMemory() (*Node, error) {
	if n, ok := t.reservedMemory(); ok {
		return n, nil
	}
	shape, err := t.root.cells()
	if err != nil {
		return nil, err
	}
	n, err := t.root.AddNode("reserved-memory")
	if err != nil {
		return nil, err
	}
	for _, p := range []property{
		{"#address-cells", appendCells(nil, uint64(shape.address), 1)},
		{"#size-cells", appendCells(nil, uint64(shape.size), 1)},
		{"ranges", nil},
	} {
		if err := n.Set(p.name, p.value); err != nil {
			return nil, err
		}
	}
	return n, nil
}
