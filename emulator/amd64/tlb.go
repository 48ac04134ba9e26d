package amd64

import (
	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/physmem"
)

const (
	fastEntries = 512
	fastValid   = 1 << 63
	pageShift   = 12
	pageMask    = emulator.PageSize - 1

	smallEntries = 2048 // of the TLB, for pages of 4 KiB
	largeEntries = 256  // for larger ones, in pieces of 2 MiB
	tableEntries = 64   // of a paging-structure cache
	largeShift   = 21

	tlbValid = 1 << 63
)

// fastTranslation is where a virtual page is in this process. Only RAM that
// needs no more than a load or store is in fast translations: all of them could
// be made again from the TLB without a look at the page tables.
type fastTranslation struct {
	tag  uint64 // virtual page number and fastValid
	page *emulator.Page
}

// fastTranslations are those of one privilege in the current address space,
// found by virtual page number.
type fastTranslations struct {
	read, write [fastEntries]fastTranslation
}

// translation is an entry of the TLB (Intel SDM 3A 4.10.2): what the tables said
// when they were walked, whatever they say now.
type translation struct {
	tag      uint64 // virtual page number and tlbValid
	physical uint64 // of the page, or of the piece of it
	context  uint16 // PCID
	rights   uint8  // entryWrite and entryUser, as all levels together give them
	key      uint8  // protection key
	shift    uint8  // of the page's size
	noExec   bool
	global   bool
	dirty    bool // the dirty flag is set in the tables, as far as this entry knows
	shadow   bool // a shadow-stack page
}

// tableEntry is an entry of a paging-structure cache (Intel SDM 3A 4.10.3): an
// entry of a table that leads to another table.
type tableEntry struct {
	tag     uint64 // the bits of the address that lead here, and tlbValid
	table   uint64 // where the next table is
	rights  uint8
	noExec  bool
	context uint16
}

// tlb is what a CPU keeps of page tables: until it is told to forget, however
// long that takes. Who changes tables and does not tell is found out.
type tlb struct {
	small  [smallEntries]translation
	large  [largeEntries]translation
	tables [4][tableEntries]tableEntry // by level of the entry, from 2 on
}

// context is the PCID in use.
func (c *CPU) context() uint16 {
	if c.cr4&cr4PCIDE == 0 {
		return 0
	}
	return uint16(c.cr3 & amd64.CR3ContextMask)
}

func (t *tlb) smallAt(page uint64, context uint16) *translation {
	return &t.small[(page^uint64(context)<<5)%smallEntries]
}

func (t *tlb) largeAt(piece uint64, context uint16) *translation {
	return &t.large[(piece^uint64(context)<<3)%largeEntries]
}

// find gives the entry for an address. Global pages are entered by the context
// that walked to them, and hold in every one.
func (t *tlb) find(va uint64, context uint16) *translation {
	page, piece := va>>pageShift|tlbValid, va>>largeShift|tlbValid
	if e := t.smallAt(va>>pageShift, context); e.tag == page && e.context == context {
		return e
	}
	if e := t.largeAt(va>>largeShift, context); e.tag == piece && e.context == context {
		return e
	}
	if e := t.smallAt(va>>pageShift, 0); e.tag == page && e.global {
		return e
	}
	if e := t.largeAt(va>>largeShift, 0); e.tag == piece && e.global {
		return e
	}
	return nil
}

// covers reports whether va lies in the entry's page: that of 1 GiB has several
// entries.
func (e *translation) covers(va uint64) bool {
	at := uint64(pageShift)
	if e.shift > pageShift {
		at = largeShift
	}
	return (e.tag&^tlbValid)<<at>>e.shift == va>>e.shift
}

// enter keeps a translation. Global ones are kept
// where they are found from every context.
func (t *tlb) enter(va uint64, e translation) {
	at := e.context
	if e.global {
		at = 0
	}
	if e.shift == pageShift {
		e.tag = va>>pageShift | tlbValid
		*t.smallAt(va>>pageShift, at) = e
		return
	}
	e.physical &^= 1<<largeShift - 1 // of the piece
	e.tag = va>>largeShift | tlbValid
	*t.largeAt(va>>largeShift, at) = e
}

// forget drops the entries, global ones too if all is set, that drop chooses.
func (t *tlb) forget(drop func(e *translation) bool) {
	for i := range t.small {
		if t.small[i].tag != 0 && drop(&t.small[i]) {
			t.small[i].tag = 0
		}
	}
	for i := range t.large {
		if t.large[i].tag != 0 && drop(&t.large[i]) {
			t.large[i].tag = 0
		}
	}
}

// forgetTables drops the paging-structure caches of a context.
func (t *tlb) forgetTables(context uint16) {
	for l := range t.tables {
		for i := range t.tables[l] {
			if t.tables[l][i].context == context {
				t.tables[l][i].tag = 0
			}
		}
	}
}

func (t *tlb) tableAt(level int, va uint64, context uint16) (*tableEntry, uint64) {
	tag := va >> (3 + 9*level)
	return &t.tables[level-2][(tag^uint64(context))%tableEntries], tag | tlbValid
}

// PagesMoved implements emulator.Observer.
func (c *CPU) PagesMoved() { c.flushFast() }

// CodeChanged implements emulator.Observer.
func (c *CPU) CodeChanged(page physmem.Address) { c.blocks.drop(page) }

func (c *CPU) flushFast() {
	for i := range c.sets {
		clear(c.sets[i].read[:])
		clear(c.sets[i].write[:])
	}
}

// contextSwitched forgets what holds in one address space only, and for one set
// of rights: the TLB keeps what it has.
func (c *CPU) contextSwitched() {
	c.flushFast()
	c.blocks.forget()
}

// flushTLB forgets every translation, global ones and those of code too.
func (c *CPU) flushTLB() {
	clear(c.cache.small[:])
	clear(c.cache.large[:])
	for l := range c.cache.tables {
		clear(c.cache.tables[l][:])
	}
	c.contextSwitched()
}

// flushContext forgets a PCID's translations; global ones stay.
func (c *CPU) flushContext(context uint16) {
	c.cache.forget(func(e *translation) bool { return e.context == context && !e.global })
	c.cache.forgetTables(context)
	c.contextSwitched()
}

// invalidate forgets the page of va in a context, and all of that context's
// paging-structure caches: INVLPG (Intel SDM 3A 4.10.4.1). Global ones are
// forgotten if all is set.
func (c *CPU) invalidate(va uint64, context uint16, all bool) {
	c.cache.forget(func(e *translation) bool {
		return e.covers(va) && (e.context == context && !e.global || e.global && all)
	})
	c.cache.forgetTables(context)
	c.contextSwitched()
}

// forgetFaulted forgets what led to a page fault, as the fault does.
func (c *CPU) forgetFaulted(va uint64) {
	context := c.context()
	for e := c.cache.find(va, context); e != nil; e = c.cache.find(va, context) {
		e.tag = 0
	}
	for level := 2; level <= 5; level++ {
		if e, tag := c.cache.tableAt(level, va, context); e.tag == tag && e.context == context {
			e.tag = 0
		}
	}
}

// operationInvalidateContext is INVPCID (Intel SDM 2A, INVPCID).
func operationInvalidateContext(c *CPU, in *inst) bool {
	if c.cpl != 0 {
		return c.general(0)
	}
	size := uint8(8)
	if c.mode != mode64 {
		size = 4
	}
	va := c.address(in)
	word, ok := c.load64(va)
	if !ok {
		return false
	}
	address, ok := c.load64(va + 8)
	if !ok {
		return false
	}
	context := uint16(word & amd64.CR3ContextMask)
	kind := c.get(in.reg, size)
	if kind > 3 || kind <= 1 && (word&^amd64.CR3ContextMask != 0 || context != 0 && c.cr4&cr4PCIDE == 0) ||
		kind == 0 && !c.canonical(address) {
		return c.general(0)
	}
	switch kind {
	case 0: // one address
		c.invalidate(address, context, false)
	case 1: // one context
		c.flushContext(context)
	case 2: // all, and global ones
		c.flushTLB()
	case 3: // all but global ones
		c.cache.forget(func(e *translation) bool { return !e.global })
		for l := range c.cache.tables {
			clear(c.cache.tables[l][:])
		}
		c.contextSwitched()
	}
	return c.end(in)
}
