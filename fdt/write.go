package fdt

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// AppendBinary appends the tree in version 17, in the order header, memory
// reservation block, structure, strings, with nothing between or after them. It
// refuses what Parse refuses.
func (t *Tree) AppendBinary(dst []byte) ([]byte, error) {
	w := &writer{start: len(dst), out: dst, strings: []byte(t.strings), offsets: t.offsets, added: map[string]uint32{}}
	if err := w.run(t); err != nil {
		return dst[:w.start], fmt.Errorf("write device tree: %w", err)
	}
	return w.out, nil
}

type writer struct {
	start      int
	out        []byte
	strings    []byte
	offsets    map[string]uint32 // of the tree: only read
	added      map[string]uint32
	nodes      int
	properties int
}

func (w *writer) run(t *Tree) error {
	if t.root == nil {
		return fmt.Errorf("no root: %w", ErrStructure)
	}
	if len(t.ReserveEntries) > MaxReserveEntries {
		return fmt.Errorf("%d entries of reserved memory, at most %d: %w", len(t.ReserveEntries), MaxReserveEntries, ErrTooLarge)
	}
	w.out = append(w.out, make([]byte, headerSize)...)
	for i, e := range t.ReserveEntries {
		if e == (ReserveEntry{}) {
			return fmt.Errorf("entry %d of reserved memory is the one that ends the list: %w", i, ErrValue)
		}
		w.out = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(w.out, e.Address), e.Size)
	}
	w.out = append(w.out, make([]byte, reserveEntrySize)...)
	structure := w.size()
	if err := w.node(t.root); err != nil {
		return err
	}
	w.number(tokenEnd)
	stringsAt := w.size()
	w.out = append(w.out, w.strings...)
	if w.size() > MaxSize {
		return fmt.Errorf("%d bytes, at most %d: %w", w.size(), MaxSize, ErrTooLarge)
	}
	header := w.out[w.start:]
	for offset, value := range map[int]uint32{
		offsetMagic: magic, offsetTotalSize: uint32(w.size()), offsetVersion: version, offsetCompatible: firstVersion,
		offsetBootCPU: t.BootCPU, offsetReserve: headerSize, offsetStructure: uint32(structure),
		offsetStructSize: uint32(stringsAt - structure), offsetStrings: uint32(stringsAt), offsetStringsSize: uint32(len(w.strings)),
	} {
		binary.BigEndian.PutUint32(header[offset:], value)
	}
	return nil
}

// size is how much of the tree has been written.
func (w *writer) size() int { return len(w.out) - w.start }

func (w *writer) number(v uint32) { w.out = binary.BigEndian.AppendUint32(w.out, v) }

// pad fills up to a whole token. All before the structure block is in multiples
// of 8 bytes.
func (w *writer) pad() {
	w.out = append(w.out, make([]byte, align(w.size())-w.size())...)
}

// node writes n and what is below. Trees are never deeper than MaxDepth.
func (w *writer) node(n *Node) error {
	w.nodes++
	w.properties += len(n.properties)
	if w.nodes > MaxNodes || w.properties > MaxProperties || len(n.properties) > MaxNodeProperties || w.size() > MaxSize {
		return fmt.Errorf("more than %d nodes, %d properties, %d of %s, or %d bytes: %w",
			MaxNodes, MaxProperties, MaxNodeProperties, n.Path(), MaxSize, ErrTooLarge)
	}
	w.number(tokenBeginNode)
	w.out = append(append(w.out, n.name...), 0)
	w.pad()
	for _, p := range n.properties {
		w.number(tokenProperty)
		w.number(uint32(len(p.value)))
		w.number(w.name(p.name))
		w.out = append(w.out, p.value...)
		w.pad()
	}
	for _, child := range n.children {
		if err := w.node(child); err != nil {
			return err
		}
	}
	w.number(tokenEndNode)
	return nil
}

// name is where a property's name lies in the strings block. New ones are added
// in the order of their use, and share the end of another, as dtc has it.
func (w *writer) name(name string) uint32 {
	if offset, ok := w.offsets[name]; ok {
		return offset
	}
	if offset, ok := w.added[name]; ok {
		return offset
	}
	terminated := name + "\x00"
	offset := bytes.Index(w.strings, []byte(terminated))
	if offset < 0 {
		offset = len(w.strings)
		w.strings = append(w.strings, terminated...)
	}
	w.added[name] = uint32(offset)
	return uint32(offset)
}
