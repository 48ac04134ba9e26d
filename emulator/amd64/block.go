package amd64

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

const (
	maxBlock    = 48 // instructions
	jumpEntries = 4096
	maxLength   = 15 // bytes of an instruction
)

// block is a run of instructions that are executed one after the other. Its
// last one always leaves it.
type block struct {
	code []inst
}

// place is what a block was decoded from.
type place struct {
	physical uint64
	rip      uint64
	mode     mode
}

// jump remembers where a virtual address led.
type jump struct {
	rip   uint64
	key   uint8 // mode and privilege
	block *block
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

func jumpIndex(rip uint64) uint64 { return (rip ^ rip>>12) % jumpEntries }

// key is what, beside RIP, a remembered jump depends on.
func (c *CPU) key() uint8 { return uint8(c.mode)<<2 | c.cpl }

// find gives the block at RIP, or nil with c.event set.
func (c *CPU) find() *block {
	linear := c.linearRIP()
	physical, ok := c.translate(linear, accessExecute)
	if !ok {
		return nil
	}
	p := place{physical, c.rip, c.mode}
	b := c.blocks.places[p]
	if b == nil {
		if b = c.decodeBlock(p, linear, maxBlock); b == nil {
			return nil
		}
	}
	c.blocks.jumps[jumpIndex(c.rip)] = jump{c.rip, c.key(), b}
	return b
}

// linearRIP is the linear address of the next instruction.
func (c *CPU) linearRIP() uint64 {
	if c.mode == mode64 {
		return c.rip
	}
	return (c.segments[segCS].Base + c.rip) & 0xffffffff
}

// decodeBlock decodes up to limit instructions and keeps them.
func (c *CPU) decodeBlock(p place, linear uint64, limit int) *block {
	page := c.memory.PageForRead(physmem.Address(p.physical))
	if page == nil {
		c.stop(machine.Exit{Reason: machine.Failed, Detail: fmt.Sprintf("executes at physical address %#x, where there is no RAM", p.physical)})
		return nil
	}
	pages := []physmem.Address{physmem.Address(p.physical &^ pageMask)}
	b := &block{}
	rip, offset, n := c.rip, p.physical&pageMask, 0
	for done := false; !done; {
		bytes := page[offset:min(offset+maxLength, emulator.PageSize)]
		in, length := decode(bytes, rip, c.mode)
		if length == needMore {
			if len(b.code) > 0 {
				break
			}
			second, ok := c.translate((linear|pageMask)+1, accessExecute)
			if !ok {
				return nil
			}
			next := c.memory.PageForRead(physmem.Address(second))
			if next == nil {
				break
			}
			pages = append(pages, physmem.Address(second&^pageMask))
			in, length = decode(append(bytes[:len(bytes):len(bytes)], next[:maxLength-len(bytes)]...), rip, c.mode)
			done = true
		}
		n++
		in.ordinal = uint16(n)
		if first, is := narrow(&in); is {
			b.code = append(b.code, first)
		} else {
			specialise(&in)
		}
		b.code = append(b.code, in)
		rip = in.next
		offset += uint64(length)
		done = done || in.entry.ends() || offset >= emulator.PageSize || n >= limit || c.breaks[rip]
	}
	last := b.code[len(b.code)-1]
	b.code = append(b.code, inst{run: operationNext, ip: last.next, next: last.next, entry: last.entry, ordinal: last.ordinal})
	if limit == maxBlock {
		c.keep(p, b, pages)
	}
	return b
}

// keep puts a block into the cache.
func (c *CPU) keep(p place, b *block, pages []physmem.Address) {
	for _, page := range pages {
		c.memory.MarkCode(page)
		c.blocks.pages[page] = append(c.blocks.pages[page], p)
	}
	c.blocks.places[p] = b
}
