package fdt

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// Set gives a property a value, at the place where it was or after all others.
// It keeps a copy of value.
func (n *Node) Set(name string, value []byte) error {
	if name == "" || len(name) > MaxNameSize || strings.Contains(name, "\x00") {
		return n.failed(name, "%w: empty, above %d bytes, or with a zero byte", ErrName, MaxNameSize)
	}
	if len(value) > MaxSize {
		return n.failed(name, "%w: %d bytes", ErrTooLarge, len(value))
	}
	changed := property{name, append([]byte{}, value...)}
	i := slices.IndexFunc(n.properties, func(p property) bool { return p.name == name })
	if i < 0 {
		n.properties = append(n.properties, changed)
		return nil
	}
	rest := slices.DeleteFunc(n.properties[i+1:], func(p property) bool { return p.name == name })
	n.properties[i] = changed
	n.properties = n.properties[:i+1+len(rest)]
	return nil
}

// SetUint32 sets a property to one cell.
func (n *Node) SetUint32(name string, value uint32) error { return n.SetCells(name, value) }

// SetUint64 sets a property to two cells.
func (n *Node) SetUint64(name string, value uint64) error {
	return n.Set(name, binary.BigEndian.AppendUint64(nil, value))
}

// SetCells sets a property to 32-bit cells.
func (n *Node) SetCells(name string, cells ...uint32) error {
	var value []byte
	for _, c := range cells {
		value = binary.BigEndian.AppendUint32(value, c)
	}
	return n.Set(name, value)
}

// SetStrings sets a property to strings, each with a zero byte after it. Without
// any the value is empty.
func (n *Node) SetStrings(name string, values ...string) error {
	var value []byte
	for _, s := range values {
		if strings.Contains(s, "\x00") {
			return n.failed(name, "%w: zero byte in %q", ErrValue, s)
		}
		value = append(append(value, s...), 0)
	}
	return n.Set(name, value)
}

// Delete removes a property and reports whether it was there.
func (n *Node) Delete(name string) bool {
	before := len(n.properties)
	n.properties = slices.DeleteFunc(n.properties, func(p property) bool { return p.name == name })
	return len(n.properties) < before
}

// AddNode adds an empty node below n, after all others.
func (n *Node) AddNode(name string) (*Node, error) {
	if err := n.checkNewChild(name); err != nil {
		return nil, fmt.Errorf("device tree: add to %s: %w", n.Path(), err)
	}
	depth := 2 // of the new node
	for above := n; above.parent != nil; above = above.parent {
		depth++
	}
	if depth > MaxDepth {
		return nil, fmt.Errorf("device tree: add to %s: node %q is deeper than %d: %w", n.Path(), name, MaxDepth, ErrTooLarge)
	}
	child := &Node{name: name, parent: n}
	n.children = append(n.children, child)
	return child, nil
}

func (n *Node) checkNewChild(name string) error {
	if err := checkNodeName(name); err != nil {
		return err
	}
	if slices.ContainsFunc(n.children, func(c *Node) bool { return c.name == name }) {
		return fmt.Errorf("node %q is there already: %w", name, ErrName)
	}
	return nil
}

// Rename changes the node's name. What refers to it by its path (aliases,
// chosen) is not changed. A root has no name to change.
func (n *Node) Rename(name string) error {
	if n.parent == nil {
		return fmt.Errorf("device tree: rename a root to %q: %w", name, ErrName)
	}
	if name == n.name {
		return nil
	}
	if err := n.parent.checkNewChild(name); err != nil {
		return fmt.Errorf("device tree: rename %s: %w", n.Path(), err)
	}
	n.name = name
	return nil
}

// Detach removes the node, with what is below, from its tree. What refers to it
// is not changed. A root stays.
func (n *Node) Detach() {
	if n.parent == nil {
		return
	}
	n.parent.children = slices.DeleteFunc(n.parent.children, func(c *Node) bool { return c == n })
	n.parent = nil
}
