package arm64

import (
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
)

// accessKind is what an access does.
type accessKind uint8

const (
	accessRead accessKind = iota
	accessWrite
	accessExecute
	accessMaintain   // a cache operation by address: as a read, but for the syndrome
	accessInvalidate // one that needs the right to write
)

// attribute is a kind of memory.
type attribute uint8

const (
	attributeCacheable attribute = iota
	attributeNormal              // normal, not cacheable
	attributeDevice
)

// faultKind is a fault status without its level (DDI 0487 D24.2, ESR_EL1, DFSC).
type faultKind uint8

const (
	faultAddressSize faultKind = 0x00
	faultTranslation faultKind = 0x04
	faultAccessFlag  faultKind = 0x08
	faultPermission  faultKind = 0x0c
	faultExternal    faultKind = 0x10
	faultWalk        faultKind = 0x14 // external abort on a walk
	faultAlignment   faultKind = 0x21
)

// status is the fault status of a kind at a level.
func (f faultKind) status(level int) uint32 {
	switch {
	case f == faultExternal || f == faultAlignment:
		return uint32(f)
	case level >= 0:
		return uint32(f) | uint32(level)
	case f == faultAddressSize:
		return 0x29
	case f == faultTranslation:
		return 0x2b
	}
	return 0x13 // external abort on a walk, level -1
}

// abort makes an instruction or data abort the outcome of the instruction.
func (c *CPU) abort(va uint64, kind accessKind, f faultKind) bool {
	return c.abortStatus(va, kind, f.status(0))
}

// Bits of the syndrome of a data abort.
const (
	syndromeWrite    = 1 << 6
	syndromeMaintain = 1 << 8
)

func (c *CPU) abortStatus(va uint64, kind accessKind, status uint32) bool {
	class := arm64.ClassDataLower
	switch kind {
	case accessWrite:
		status |= syndromeWrite
	case accessMaintain, accessInvalidate:
		status |= syndromeWrite | syndromeMaintain
	case accessExecute:
		class = arm64.ClassInstructionLower
	}
	c.fault = fault{class: class, syndrome: status, address: va, hasFAR: true}
	c.event = eventFault
	return false
}

// translate gives the physical address of va and what kind of memory is there,
// for an access of the current instruction. Where there is none, it raises the
// fault.
func (c *CPU) translate(va uint64, kind accessKind) (uint64, attribute, bool) {
	return c.translateAs(va, kind, c.level == 0 || c.unprivileged)
}

// translateAs is translate with the rights of EL0 or not.
func (c *CPU) translateAs(va uint64, kind accessKind, user bool) (uint64, attribute, bool) {
	pa, attributes, status := c.regime.lookup(c, va, kind, user, c.pan)
	if status != statusNone {
		return 0, 0, c.abortStatus(va, kind, status)
	}
	return pa, attributes, true
}

// statusNone is no fault. It is none of the fault statuses.
const statusNone = 0xff
