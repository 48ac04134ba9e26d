package fdt

import (
	"strings"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// Properties of /chosen (Devicetree Specification 0.4, 3.6; Linux, dt-schema
// chosen.yaml).
const (
	propertyBootargs      = "bootargs"
	propertyStdoutPath    = "stdout-path"
	propertyUsableMemory  = "linux,usable-memory-range"
	propertyELFCoreHeader = "linux,elfcorehdr"
	propertyInitrdStart   = "linux,initrd-start"
	propertyInitrdEnd     = "linux,initrd-end"
	propertySeed          = "rng-seed"
	propertyKASLRSeed     = "kaslr-seed"
)

// Chosen is what the boot loader told the kernel. What it did not say is empty.
type Chosen struct {
	Bootargs      string
	StdoutPath    string // as it stands; see Tree.Console
	UsableMemory  []physmem.Range
	ELFCoreHeader physmem.Range
	Initrd        physmem.Range
	RandomSeed    []byte
	KASLRSeed     uint64
}

// Chosen reads /chosen. A tree without that node has nothing chosen.
func (t *Tree) Chosen() (Chosen, error) {
	var c Chosen
	n, ok := t.root.Child("chosen")
	if !ok {
		return c, nil
	}
	var err error
	for _, text := range []struct {
		name string
		out  *string
	}{
		{"linux,stdout-path", &c.StdoutPath}, // of old trees
		{propertyStdoutPath, &c.StdoutPath},
		{propertyBootargs, &c.Bootargs},
	} {
		if !n.Has(text.name) {
			continue
		}
		if *text.out, err = n.String(text.name); err != nil {
			return Chosen{}, err
		}
	}
	if n.Has(propertyUsableMemory) {
		if c.UsableMemory, err = n.registers(propertyUsableMemory); err != nil {
			return Chosen{}, err
		}
	}
	if n.Has(propertyELFCoreHeader) {
		header, err := n.registers(propertyELFCoreHeader)
		if err != nil {
			return Chosen{}, err
		}
		if len(header) != 1 {
			return Chosen{}, n.failed(propertyELFCoreHeader, "%w: %d ranges, want 1", ErrValue, len(header))
		}
		c.ELFCoreHeader = header[0]
	}
	if c.Initrd, err = n.initrd(); err != nil {
		return Chosen{}, err
	}
	c.RandomSeed, _ = n.Get(propertySeed)
	if n.Has(propertyKASLRSeed) {
		if c.KASLRSeed, err = n.Uint64(propertyKASLRSeed); err != nil {
			return Chosen{}, err
		}
	}
	return c, nil
}

// initrd reads the initial RAM disk's place in /chosen.
func (n *Node) initrd() (physmem.Range, error) {
	if !n.Has(propertyInitrdStart) && !n.Has(propertyInitrdEnd) {
		return physmem.Range{}, nil
	}
	start, err := n.Uint64(propertyInitrdStart)
	if err != nil {
		return physmem.Range{}, err
	}
	end, err := n.Uint64(propertyInitrdEnd)
	if err != nil {
		return physmem.Range{}, err
	}
	if start > end || end > uint64(physmem.MaxAddress) {
		return physmem.Range{}, n.failed(propertyInitrdEnd, "%w: from %#x to %#x", ErrRange, start, end)
	}
	return physmem.Range{Start: physmem.Address(start), End: physmem.Address(end)}, nil
}

// Console is the node that /chosen names as the console, and the options behind
// the colon, as "115200n8".
func (t *Tree) Console() (node *Node, options string, ok bool) {
	c, err := t.Chosen()
	if err != nil || c.StdoutPath == "" {
		return nil, "", false
	}
	path, options, _ := strings.Cut(c.StdoutPath, ":")
	node, ok = t.Lookup(path)
	return node, options, ok
}
