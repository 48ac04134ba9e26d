package arm64

import (
	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/physmem"
)

const (
	tlbEntries = 512
	tlbValid   = 1 << 63
	pageShift  = 12
	pageMask   = emulator.PageSize - 1
)

// translation is where a virtual page is in this process. Only RAM that needs
// no more than a load or store, at whatever alignment, is in translations. They
// follow from the lookaside, which is the architecture's TLB.
type translation struct {
	tag  uint64 // virtual page number and tlbValid
	page *emulator.Page
}

// translations are those of one privilege, found by virtual page number.
type translations struct {
	read, write [tlbEntries]translation
}

// Which translations are in use.
const (
	setUser       = iota // EL0
	setPrivileged        // EL1 or EL2
	setNoAccess          // the same with PAN
)

// PagesMoved implements emulator.Observer.
func (c *CPU) PagesMoved() { c.flushData() }

// CodeChanged implements emulator.Observer.
func (c *CPU) CodeChanged(page physmem.Address) { c.blocks.drop(page) }

func (c *CPU) flushData() {
	for i := range c.sets {
		clear(c.sets[i].read[:])
		clear(c.sets[i].write[:])
	}
}

// flushFast forgets everything that follows from the lookaside.
func (c *CPU) flushFast() {
	c.flushData()
	c.blocks.forget()
}

// selectTLB chooses the translations for the current privilege.
func (c *CPU) selectTLB() {
	switch {
	case c.level == 0:
		c.tlb = &c.sets[setUser]
	case c.pan:
		c.tlb = &c.sets[setNoAccess]
	default:
		c.tlb = &c.sets[setPrivileged]
	}
}
