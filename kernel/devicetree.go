package kernel

import (
	"math/bits"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Tokens of a flattened device tree's structure block, and its header (Devicetree
// Specification 5.2, 5.4). All numbers are big-endian.
const (
	treeMagic        = 0xd00dfeed
	treeHeader       = 40
	treeOffsetSize   = 4
	treeOffsetNodes  = 8
	treeOffsetText   = 12
	treeOffsetMemory = 16 // of the memory reservation block
	treeTextSize     = 32
	treeNodesSize    = 36
	treeMost         = 2 << 20 // bytes of a tree

	treeBegin    = 1
	treeEnd      = 2
	treeProperty = 3
	treeNothing  = 4
)

// treeReader reads what a host needs of a device tree: memory, chosen, psci,
// console and clock. It allocates nothing and reads the tree's bytes only.
type treeReader struct {
	base, size     uintptr
	physical       uintptr // where it lies
	nodes, nodeEnd uintptr // addresses of the structure block
	text, textEnd  uintptr // and of the strings
	depth          uintptr
	addressCells   uintptr // of the root's children
	sizeCells      uintptr

	// The node whose properties are being read.
	kind       uintptr
	reserved   uintptr // the depth of reserved-memory, 0 outside of it
	reg        uintptr
	regLength  uintptr
	compatible uintptr
	compatLen  uintptr

	interrupts, interruptLength uintptr

	// Of cpus: the words of a CPU's number, and how the CPU is started.
	cpus     uintptr // the node's depth, 0 outside of it
	cpuCells uintptr
	release  uintptr
	spins    uintptr
}

// Kinds of nodes.
const (
	nodeOther = iota
	nodeRoot
	nodeMemory
	nodeChosen
	nodePSCI
	nodeReserved // a child of reserved-memory
	nodeCPUs
	nodeCPU // a child of cpus
)

//go:nosplit
func big32(p uintptr) uintptr { return uintptr(bits.ReverseBytes32(load32(p))) }

//go:nosplit
func big64(p uintptr) uintptr { return big32(p)<<32 | big32(p+4) }

// open checks the header.
//
//go:nosplit
func (t *treeReader) open(w *physicalWindow, pointer uintptr) bool {
	p := w.at(pointer, treeHeader)
	if p == 0 || pointer&7 != 0 || big32(p) != treeMagic {
		return false
	}
	size := big32(p + treeOffsetSize)
	if size < treeHeader || size > treeMost || w.at(pointer, size) == 0 {
		return false
	}
	nodes, nodesSize := big32(p+treeOffsetNodes), big32(p+treeNodesSize)
	text, textSize := big32(p+treeOffsetText), big32(p+treeTextSize)
	if nodes&3 != 0 || nodes > size || nodesSize > size-nodes || text > size || textSize > size-text {
		return false
	}
	t.base, t.size, t.physical = p, size, pointer
	t.nodes, t.nodeEnd = p+nodes, p+nodes+nodesSize
	t.text, t.textEnd = p+text, p+text+textSize
	t.addressCells, t.sizeCells = 2, 1
	return true
}

// gatherTree reads a flattened device tree.
//
//go:nosplit
func (b *bootFacts) gatherTree(w *physicalWindow, pointer uintptr) {
	t := &b.tree
	if !t.open(w, pointer) {
		return
	}
	b.reservations(t)
	for p := t.nodes; p+4 <= t.nodeEnd; {
		token := big32(p)
		p += 4
		switch token {
		case treeBegin:
			b.finishNode(t)
			name := p
			for p < t.nodeEnd && load8(p) != 0 {
				p++
			}
			if p >= t.nodeEnd {
				return
			}
			t.enter(name, p-name)
			p = (p + 4) &^ 3
		case treeEnd:
			b.finishNode(t)
			if t.depth--; t.depth < t.reserved {
				t.reserved = 0
			}
			if t.depth < t.cpus {
				t.cpus = 0
			}
			if t.depth == 0 {
				return
			}
		case treeProperty:
			if p+8 > t.nodeEnd {
				return
			}
			length, name := big32(p), big32(p+4)
			p += 8
			if length > t.nodeEnd-p || name >= t.textEnd-t.text {
				return
			}
			b.property(t, t.text+name, p, length)
			p = (p + length + 3) &^ 3
		case treeNothing:
		default:
			return
		}
	}
}

// enter begins a node.
//
//go:nosplit
func (t *treeReader) enter(name, length uintptr) {
	t.depth++
	t.kind, t.reg, t.regLength, t.compatible, t.compatLen = nodeOther, 0, 0, 0, 0
	t.interrupts, t.interruptLength, t.release, t.spins = 0, 0, 0, 0
	switch {
	case t.depth == 1:
		t.kind = nodeRoot
	case t.reserved != 0 && t.depth == t.reserved+1:
		t.kind = nodeReserved
	case t.cpus != 0 && t.depth == t.cpus+1 && hasPrefix(name, length, "cpu@"):
		t.kind = nodeCPU
	case t.depth != 2:
	case hasPrefix(name, length, "memory") && (length == 6 || load8(name+6) == '@'):
		t.kind = nodeMemory
	case length == 6 && hasPrefix(name, length, "chosen"):
		t.kind = nodeChosen
	case hasPrefix(name, length, "psci"):
		t.kind = nodePSCI
	case length == 15 && hasPrefix(name, length, "reserved-memory"):
		t.reserved = t.depth
	case length == 4 && hasPrefix(name, length, "cpus"):
		t.kind, t.cpus, t.cpuCells = nodeCPUs, t.depth, 1
	}
}

// named reports whether a property has a name.
//
//go:nosplit
func (t *treeReader) named(p uintptr, s string) bool {
	n := uintptr(len(s))
	return n < t.textEnd-p && load8(p+n) == 0 && hasPrefix(p, n, s)
}

// property takes one property of the node that was entered last.
//
//go:nosplit
func (b *bootFacts) property(t *treeReader, name, value, length uintptr) {
	switch {
	case t.kind == nodeRoot && length == 4 && t.named(name, "#address-cells"):
		t.addressCells = big32(value)
	case t.kind == nodeRoot && length == 4 && t.named(name, "#size-cells"):
		t.sizeCells = big32(value)
	case t.kind == nodePSCI && t.named(name, "method"):
		b.calls.Conduit = handoff.ConduitHVC
		if hasPrefix(value, length, "smc") {
			b.calls.Conduit = handoff.ConduitSMC
		}
	case t.kind == nodeChosen:
		b.chosen(t, name, value, length)
	case t.kind == nodeCPUs || t.kind == nodeCPU:
		b.cpuProperty(t, name, value, length)
	case t.named(name, "reg"):
		t.reg, t.regLength = value, length
	case t.named(name, "interrupts"):
		t.interrupts, t.interruptLength = value, length
	case t.named(name, "compatible"):
		t.compatible, t.compatLen = value, length
	}
}

//go:nosplit
func (b *bootFacts) chosen(t *treeReader, name, value, length uintptr) {
	number := uintptr(0)
	switch length {
	case 4:
		number = big32(value)
	case 8:
		number = big64(value)
	}
	switch {
	case t.named(name, "bootargs"):
		for b.commandLength < maxCommandLine-1 && b.commandLength < length && load8(value+b.commandLength) != 0 {
			*element(&b.command[0], b.commandLength) = load8(value + b.commandLength)
			b.commandLength++
		}
	case t.named(name, "linux,initrd-start"):
		b.initrd[0] = number
	case t.named(name, "linux,initrd-end"):
		b.initrd[1] = number
	case t.named(name, "rng-seed"):
		for i := uintptr(0); i < 4 && 8*i+8 <= length; i++ {
			*element(&b.seed[0], i) = uint64(big64(value + 8*i))
		}
	}
	if b.initrd[0] != 0 && b.initrd[1] > b.initrd[0] {
		b.addModule(b.initrd[0], b.initrd[1]-b.initrd[0], 0)
		b.initrd[0] = 0
	}
}

// finishNode uses the properties of a node that are complete.
//
//go:nosplit
func (b *bootFacts) finishNode(t *treeReader) {
	switch {
	case t.kind == nodeCPU:
		b.finishCPU(t)
	case b.gic.timer == 0 && t.isCompatible("arm,armv8-timer"):
		b.finishTimer(t)
	case t.reg == 0:
	case t.kind == nodeMemory:
		if b.efi.mapSize == 0 { // firmware's map says more, and other things
			b.addRegions(t, e820RAM)
		}
	case t.kind == nodeReserved:
		b.addRegions(t, e820Reserved)
	case b.calls.Console == 0 && t.isCompatible("arm,pl011"):
		start, _ := t.region(0)
		b.calls.Console = physmem.Address(start)
	case b.realTime == 0 && t.isCompatible("arm,pl031"):
		b.realTime, _ = t.region(0)
	case b.gic.version == 0 && t.isCompatible("arm,gic-v3"):
		b.gic.version = 3
		b.gic.distributor, _ = t.region(0)
		b.gic.redistributor, b.gic.redistributorSize = t.region(1)
	case b.gic.version == 0 && (t.isCompatible("arm,cortex-a15-gic") || t.isCompatible("arm,gic-400")):
		b.gic.version = 2
		b.gic.distributor, _ = t.region(0)
		b.gic.cpuInterface, _ = t.region(1)
	case b.gic.its == 0 && t.isCompatible("arm,gic-v3-its"):
		b.gic.its, _ = t.region(0)
	}
	t.kind, t.reg = nodeOther, 0
}

const e820Reserved = 2

// isCompatible reports whether a node's list of strings has s.
//
//go:nosplit
func (t *treeReader) isCompatible(s string) bool {
	n := uintptr(len(s))
	for p, end := t.compatible, t.compatible+t.compatLen; p < end; {
		if end-p > n && load8(p+n) == 0 && hasPrefix(p, n, s) {
			return true
		}
		for p < end && load8(p) != 0 {
			p++
		}
		p++
	}
	return false
}

// region is range number i of reg, 0 and 0 after the last.
//
//go:nosplit
func (t *treeReader) region(i uintptr) (start, size uintptr) {
	if t.addressCells-1 > 1 || t.sizeCells-1 > 1 { // one or two of each
		return 0, 0
	}
	p := t.reg + i*4*(t.addressCells+t.sizeCells)
	if p+4*(t.addressCells+t.sizeCells) > t.reg+t.regLength {
		return 0, 0
	}
	start, size = big32(p), big32(p+4*t.addressCells)
	if t.addressCells == 2 {
		start = big64(p)
	}
	if t.sizeCells == 2 {
		size = big64(p + 4*t.addressCells)
	}
	return start, size
}

//go:nosplit
func (b *bootFacts) addRegions(t *treeReader, kind uintptr) {
	for i := uintptr(0); i < maxMap; i++ {
		start, size := t.region(i)
		if size == 0 {
			return
		}
		b.addMap(start, size, kind)
	}
}

// reservations takes the memory reservation block.
//
//go:nosplit
func (b *bootFacts) reservations(t *treeReader) {
	at := big32(t.base + treeOffsetMemory)
	for i := uintptr(0); i < maxMap && at&7 == 0 && at < t.size && t.size-at >= 16; i++ {
		start, size := big64(t.base+at), big64(t.base+at+8)
		if size == 0 {
			return
		}
		b.addMap(start, size, e820Reserved)
		at += 16
	}
}

// hasPrefix reports whether s is at p.
//
//go:nosplit
func hasPrefix(p, n uintptr, s string) bool {
	if n < uintptr(len(s)) {
		return false
	}
	for i := uintptr(0); i < uintptr(len(s)); i++ {
		if load8(p+i) != load8(stringAddress(s)+i) {
			return false
		}
	}
	return true
}
