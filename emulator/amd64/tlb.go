package amd64

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
// no more than a load or store is in translations.
type translation struct {
	tag  uint64 // virtual page number and tlbValid
	page *emulator.Page
}

// translations are those of one privilege, found by virtual page number.
type translations struct {
	read, write [tlbEntries]translation
}

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

// flushTLB forgets every translation, of code too.
func (c *CPU) flushTLB() {
	c.flushData()
	c.blocks.forget()
}
