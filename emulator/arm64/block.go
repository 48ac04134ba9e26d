package arm64

import (
	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/physmem"
)

const (
	maxBlock    = 64 // instructions
	jumpEntries = 4096
)

// block is a run of instructions that are executed one after the other. A
// branch that is not taken goes on in it. Its last one always leaves it.
type block struct {
	code []inst
}

// blockContext is what, beside addresses, decides what code does: the exception
// level in bits 1 and 0, and whether vector registers are enabled in bit 2.
type blockContext uint8

const (
	contextVectors blockContext = 1 << 2
	contextCached  blockContext = 1 << 3 // fetched through an instruction cache that is modelled
)

// place is what a block was decoded from.
type place struct {
	physical uint64
	pc       uint64
	context  blockContext
}

// jump remembers where a virtual address led.
type jump struct {
	pc      uint64
	context blockContext
	block   *block
}

// blockCache holds blocks by where they are.
type blockCache struct {
	jumps  [jumpEntries]jump
	places map[place]*block
	pages  map[physmem.Address][]place
}

func (b *blockCache) init() {
	b.places = map[place]*block{}
	b.pages = map[physmem.Address][]place{}
}

// forget drops what depends on translations.
func (b *blockCache) forget() { clear(b.jumps[:]) }

// drop drops the blocks of a page. One that is being executed is left at its
// next instruction.
func (b *blockCache) drop(page physmem.Address) {
	for _, p := range b.pages[page] {
		if old := b.places[p]; old != nil {
			for i := range old.code {
				old.code[i].run = operationStale
			}
			delete(b.places, p)
		}
	}
	delete(b.pages, page)
	b.forget()
}

// dropAll drops every block.
func (b *blockCache) dropAll() {
	for page := range b.pages {
		b.drop(page)
	}
	b.forget()
}

// operationStale is what the instructions of a block become that is no longer
// true.
func operationStale(c *CPU, in *inst) bool {
	c.event = eventRetry
	return false
}

// operationNext ends a block that ends without a branch.
func operationNext(c *CPU, in *inst) bool { return c.branch(in.ip) }

func jumpIndex(pc uint64) uint64 { return (pc>>2 ^ pc>>14) % jumpEntries }

// find gives the block at pc, or nil with c.event set.
func (c *CPU) find() *block {
	p, ok := c.place()
	if !ok {
		return nil
	}
	b := c.blocks.places[p]
	if b == nil {
		if b = c.decodeBlock(p, maxBlock); b == nil {
			return nil
		}
	}
	c.blocks.jumps[jumpIndex(c.pc)] = jump{c.pc, c.context, b}
	return b
}

// place is where the next instruction is.
func (c *CPU) place() (place, bool) {
	if c.illegal {
		return place{}, c.raise(arm64.ClassIllegalState, 0)
	}
	if c.pc&3 != 0 {
		c.fault = fault{class: arm64.ClassPCAlignment, address: c.pc, hasFAR: true}
		c.event = eventFault
		return place{}, false
	}
	pa, attributes, ok := c.translate(c.pc, accessExecute)
	p := place{pa, c.pc, c.context}
	if c.caches != nil && attributes == attributeCacheable {
		p.context |= contextCached
	}
	return p, ok
}

// decodeBlock decodes up to limit instructions and keeps them.
func (c *CPU) decodeBlock(p place, limit int) *block {
	page := c.fetchPage(p)
	if page == nil {
		c.abort(c.pc, accessExecute, faultExternal)
		return nil
	}
	b := &block{}
	pc, offset := c.pc, p.physical&pageMask
	for n := 1; ; n++ {
		in := decode(page32(page, offset), pc, c.has, p.context&contextVectors != 0)
		in.ordinal = uint16(n)
		pc += 4
		offset += 4
		follow := limit == maxBlock && c.follows(&in)
		if follow {
			pc, offset = in.imm, in.imm&pageMask
			in.run = operationLink
		}
		if !follow || in.entry.name == "BL" {
			b.code = append(b.code, in)
		}
		if in.entry.form&last != 0 && !follow || offset >= emulator.PageSize || n >= limit || c.breaks[pc] {
			b.code = append(b.code, inst{run: operationNext, ip: pc, entry: in.entry, ordinal: in.ordinal})
			break
		}
	}
	if limit == maxBlock {
		fuse(b)
		c.keep(p, b)
	}
	return b
}

// follows reports whether a block goes on at the target of a branch: of B and BL
// in the page.
func (c *CPU) follows(in *inst) bool {
	return in.entry.form&branch != 0 && (in.entry.name == "B" || in.entry.name == "BL") && in.imm>>pageShift == in.ip>>pageShift && in.imm != in.ip
}

// operationLink is what BL is within a block that follows it.
func operationLink(c *CPU, in *inst) bool {
	c.r[30] = in.ip + 4
	return true
}

// keep puts a block into the cache.
func (c *CPU) keep(p place, b *block) {
	page := physmem.Address(p.physical &^ pageMask)
	if p.context&contextCached == 0 {
		c.memory.MarkCode(page)
	}
	c.blocks.pages[page] = append(c.blocks.pages[page], p)
	c.blocks.places[p] = b
}

// fetchPage is the page that instructions are fetched from: nil where there is no
// RAM.
func (c *CPU) fetchPage(p place) *emulator.Page {
	if p.context&contextCached != 0 {
		return c.caches.fetch(p.physical)
	}
	return c.memory.PageForRead(physmem.Address(p.physical))
}
