package fdt

import (
	"fmt"
	"iter"
	"strings"
)

// Tree is a device tree. It is not safe for use by several goroutines while
// one of them changes it.
type Tree struct {
	// BootCPU is the physical ID of the CPU that boots (boot_cpuid_phys).
	BootCPU uint32
	// ReserveEntries is the memory reservation block in its order, without
	// the entry of zeros that ends it.
	ReserveEntries []ReserveEntry

	root    *Node
	strings string            // the strings block that the tree came with
	offsets map[string]uint32 // of the names in it that are used; never changed after Parse
}

// ReserveEntry is memory that the tree's reader must not use (Devicetree
// Specification 0.4, 5.3), whether there is RAM or not.
type ReserveEntry struct {
	Address uint64
	Size    uint64
}

// Node is one node of a tree.
type Node struct {
	name       string
	properties []property
	children   []*Node
	parent     *Node
}

type property struct {
	name  string
	value []byte // never changed in place: trees share values
}

// New is a tree with an empty root.
func New() *Tree { return &Tree{root: &Node{}} }

// Clone is a copy that shares nothing that can be changed.
func (t *Tree) Clone() *Tree {
	c := *t
	c.ReserveEntries = append([]ReserveEntry(nil), t.ReserveEntries...)
	c.root = t.root.clone(nil)
	return &c
}

func (n *Node) clone(parent *Node) *Node {
	c := &Node{name: n.name, parent: parent, properties: append([]property(nil), n.properties...)}
	if len(n.children) > 0 {
		c.children = make([]*Node, len(n.children))
	}
	for i, child := range n.children {
		c.children[i] = child.clone(c)
	}
	return c
}

// Root is the node that all others are below.
func (t *Tree) Root() *Node { return t.root }

// Nodes goes through all nodes, each before its children, in the tree's order.
// The tree must not be changed meanwhile.
func (t *Tree) Nodes() iter.Seq[*Node] {
	return func(yield func(*Node) bool) { t.root.visit(yield) }
}

func (n *Node) visit(yield func(*Node) bool) bool {
	if !yield(n) {
		return false
	}
	for _, child := range n.children {
		if !child.visit(yield) {
			return false
		}
	}
	return true
}

// Lookup finds a node by its path, as "/soc/serial@9000000", or by an alias and
// a path below it, as "serial0". A part of the path without a unit address
// ("@9000000") is also the first node of that name that has one, as for
// libfdt.
func (t *Tree) Lookup(path string) (*Node, bool) {
	rest, absolute := strings.CutPrefix(path, "/")
	n := t.root
	if !absolute {
		alias, below, _ := strings.Cut(path, "/")
		aliases, ok := t.root.Child("aliases")
		if !ok {
			return nil, false
		}
		target, err := aliases.String(alias)
		// An alias is a full path: it cannot name another alias.
		if err != nil || !strings.HasPrefix(target, "/") {
			return nil, false
		}
		if n, ok = t.Lookup(target); !ok {
			return nil, false
		}
		rest = below
	}
	for part := range strings.SplitSeq(rest, "/") {
		if part == "" {
			continue
		}
		var ok bool
		if n, ok = n.Child(part); !ok {
			return nil, false
		}
	}
	return n, true
}

// Phandle finds the node that others refer to by phandle.
func (t *Tree) Phandle(phandle uint32) (*Node, bool) {
	for n := range t.Nodes() {
		if p, ok := n.Phandle(); ok && p == phandle {
			return n, true
		}
	}
	return nil, false
}

// Compatible goes through the nodes that are compatible with any of names, in
// the tree's order, whether they are available or not.
func (t *Tree) Compatible(names ...string) iter.Seq[*Node] {
	return t.where(func(n *Node) bool { return n.IsCompatible(names...) })
}

// DeviceType goes through the nodes of a device_type.
func (t *Tree) DeviceType(name string) iter.Seq[*Node] {
	return t.where(func(n *Node) bool { return n.deviceType() == name })
}

func (t *Tree) where(is func(*Node) bool) iter.Seq[*Node] {
	return func(yield func(*Node) bool) {
		t.root.visit(func(n *Node) bool { return !is(n) || yield(n) })
	}
}

// Name is the node's name with its unit address; the root's is empty.
func (n *Node) Name() string { return n.name }

// BaseName is the node's name without its unit address.
func (n *Node) BaseName() string {
	name, _, _ := strings.Cut(n.name, "@")
	return name
}

// Parent is the node above; nil for a root.
func (n *Node) Parent() *Node { return n.parent }

// Path is the node's full path.
func (n *Node) Path() string {
	if n.parent == nil {
		return "/"
	}
	var names []string
	for ; n.parent != nil; n = n.parent {
		names = append(names, n.name)
	}
	var path strings.Builder
	for i := len(names) - 1; i >= 0; i-- {
		path.WriteByte('/')
		path.WriteString(names[i])
	}
	return path.String()
}

// Children goes through the nodes right below, in the tree's order. They must
// not be added to or detached meanwhile.
func (n *Node) Children() iter.Seq[*Node] {
	return func(yield func(*Node) bool) {
		for _, child := range n.children {
			if !yield(child) {
				return
			}
		}
	}
}

// Child finds a node right below by its name, as one part of the path given to
// Lookup.
func (n *Node) Child(name string) (*Node, bool) {
	for _, child := range n.children {
		if child.name == name {
			return child, true
		}
	}
	if strings.Contains(name, "@") {
		return nil, false
	}
	for _, child := range n.children {
		if child.BaseName() == name {
			return child, true
		}
	}
	return nil, false
}

// checkNodeName refuses what would make paths ambiguous. The specification
// (2.2.1) allows less, but trees that are in use do not keep to it.
func checkNodeName(name string) error {
	if name == "" || len(name) > MaxNameSize || strings.ContainsAny(name, "/\x00") {
		return fmt.Errorf("node %q: empty, above %d bytes, or with a slash: %w", name, MaxNameSize, ErrName)
	}
	return nil
}
