package fdt

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// Parse reads a tree. It keeps nothing of data, and ignores what follows the
// tree's own size. A tree that is not accepted is one of this package's errors,
// and a *ParseError where it has a place.
func Parse(data []byte) (*Tree, error) {
	b, err := readHeader(data)
	if err != nil {
		return nil, err
	}
	t := &Tree{BootCPU: b.bootCPU, strings: b.strings, offsets: map[string]uint32{}}
	if t.ReserveEntries, err = b.readReserve(int(binary.BigEndian.Uint32(data[offsetReserve:]))); err != nil {
		return nil, err
	}
	// Values are parts of one copy.
	p := &parser{tree: t, data: slices.Clone(b.structure)}
	if err := p.run(); err != nil {
		return nil, &ParseError{b.structureOffset + p.token, err}
	}
	return t, nil
}

// parser goes through a structure block. It does not recurse.
type parser struct {
	tree       *Tree
	data       []byte
	at         int   // next byte
	token      int   // where the token began that is being read
	node       *Node // that is open; nil before and after the root
	depth      int
	nodes      int
	properties int
}

func (p *parser) run() error {
	for {
		p.token = p.at
		token, err := p.number()
		if err != nil {
			return err
		}
		switch token {
		case tokenBeginNode:
			err = p.beginNode()
		case tokenEndNode:
			err = p.endNode()
		case tokenProperty:
			err = p.property()
		case tokenNOP:
		case tokenEnd:
			if p.node != nil || p.tree.root == nil {
				return fmt.Errorf("it ends with %d nodes open, root seen %t: %w", p.depth, p.tree.root != nil, ErrStructure)
			}
			return nil
		default:
			err = fmt.Errorf("token %#x: %w", token, ErrStructure)
		}
		if err != nil {
			return err
		}
	}
}

// number takes the next cell.
func (p *parser) number() (uint32, error) {
	b, err := p.bytes(tokenSize)
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint32(b), nil
}

// bytes takes the next size bytes and the padding after them.
func (p *parser) bytes(size uint32) ([]byte, error) {
	rest := p.data[p.at:]
	if uint64(size) > uint64(len(rest)) {
		return nil, fmt.Errorf("%d bytes wanted, %d left: %w", size, len(rest), ErrStructure)
	}
	p.at = min(p.at+align(int(size)), len(p.data))
	return rest[:size:size], nil
}

// align rounds size up to whole tokens.
func align(size int) int { return (size + tokenSize - 1) &^ (tokenSize - 1) }

func (p *parser) beginNode() error {
	rest := p.data[p.at:]
	end := slices.Index(rest[:min(len(rest), MaxNameSize+1)], 0)
	if end < 0 {
		return fmt.Errorf("node's name without an end in %d bytes: %w", MaxNameSize, ErrName)
	}
	name, err := p.bytes(uint32(end + 1))
	if err != nil {
		return err
	}
	n := &Node{name: string(name[:end]), parent: p.node}
	switch {
	case p.node == nil && p.tree.root != nil:
		return fmt.Errorf("second root %q: %w", n.name, ErrStructure)
	case p.depth == MaxDepth:
		return fmt.Errorf("node %q is deeper than %d: %w", n.name, MaxDepth, ErrTooLarge)
	case p.nodes == MaxNodes:
		return fmt.Errorf("more than %d nodes: %w", MaxNodes, ErrTooLarge)
	case p.node == nil:
		p.tree.root = n
	default:
		if err := checkNodeName(n.name); err != nil {
			return err
		}
		p.node.children = append(p.node.children, n)
	}
	p.node = n
	p.depth++
	p.nodes++
	return nil
}

func (p *parser) endNode() error {
	if p.node == nil {
		return fmt.Errorf("end of a node that was not begun: %w", ErrStructure)
	}
	p.node = p.node.parent
	p.depth--
	return nil
}

func (p *parser) property() error {
	size, err := p.number()
	if err != nil {
		return err
	}
	offset, err := p.number()
	if err != nil {
		return err
	}
	name, err := p.tree.propertyName(offset)
	if err != nil {
		return err
	}
	value, err := p.bytes(size)
	switch {
	case err != nil:
		return fmt.Errorf("property %q: %w", name, err)
	case p.node == nil:
		return fmt.Errorf("property %q in no node: %w", name, ErrStructure)
	case len(p.node.children) != 0:
		// The specification's 5.4.2; libfdt would not see such a property.
		return fmt.Errorf("property %q after a child: %w", name, ErrStructure)
	case p.properties == MaxProperties || len(p.node.properties) == MaxNodeProperties:
		return fmt.Errorf("more than %d properties, or %d in one node: %w", MaxProperties, MaxNodeProperties, ErrTooLarge)
	}
	p.properties++
	p.node.properties = append(p.node.properties, property{name, value})
	return nil
}

// propertyName is the name at offset of the strings block.
func (t *Tree) propertyName(offset uint32) (string, error) {
	if uint64(offset) >= uint64(len(t.strings)) {
		return "", fmt.Errorf("property's name at %#x, the strings have %#x bytes: %w", offset, len(t.strings), ErrName)
	}
	rest := t.strings[offset:]
	end := strings.IndexByte(rest[:min(len(rest), MaxNameSize+1)], 0)
	if end <= 0 {
		return "", fmt.Errorf("property's name at %#x empty, or without an end in %d bytes: %w", offset, MaxNameSize, ErrName)
	}
	name := rest[:end]
	if _, known := t.offsets[name]; !known {
		t.offsets[name] = offset
	}
	return name, nil
}
