package arm64

import (
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// cacheOperations are IC and DC (DDI 0487 C5.3).
func cacheOperations() map[SystemRegister]*systemOperation {
	bySet := func(c *CPU, _ bool) uint8 { return c.trapHCR(22) }         // TSW
	toCoherency := func(c *CPU, _ bool) uint8 { return c.trapCache(23) } // TPCP
	toUnification := func(c *CPU, _ bool) uint8 { return c.trapCache(24) }
	data := func(k lineOperation) func(c *CPU, v uint64) bool {
		return func(c *CPU, v uint64) bool { return c.lineByAddress(v, k) }
	}
	sets := func(k lineOperation) func(c *CPU, v uint64) bool {
		return func(c *CPU, v uint64) bool { return c.lineBySet(v, k) }
	}
	return map[SystemRegister]*systemOperation{
		Register(1, 0, 7, 1, 0):  {name: "IC IALLUIS", level: 1, trap: toUnification, run: func(c *CPU, _ uint64) bool { return c.forgetCode(true) }},
		Register(1, 0, 7, 5, 0):  {name: "IC IALLU", level: 1, trap: toUnification, run: func(c *CPU, _ uint64) bool { return c.forgetCode(false) }},
		Register(1, 3, 7, 5, 1):  {name: "IC IVAU", trap: toUnification, run: (*CPU).forgetCodeAt},
		Register(1, 0, 7, 6, 1):  {name: "DC IVAC", level: 1, trap: toCoherency, run: data(lineInvalidate)},
		Register(1, 0, 7, 6, 2):  {name: "DC ISW", level: 1, trap: bySet, run: sets(lineInvalidate)},
		Register(1, 0, 7, 10, 2): {name: "DC CSW", level: 1, trap: bySet, run: sets(lineClean)},
		Register(1, 0, 7, 14, 2): {name: "DC CISW", level: 1, trap: bySet, run: sets(lineClean | lineInvalidate)},
		Register(1, 3, 7, 10, 1): {name: "DC CVAC", trap: toCoherency, run: data(lineClean)},
		Register(1, 3, 7, 11, 1): {name: "DC CVAU", trap: toUnification, run: data(lineUnify)},
		Register(1, 3, 7, 12, 1): {name: "DC CVAP", needs: featureDPB, trap: toCoherency, run: data(lineClean)},
		Register(1, 3, 7, 14, 1): {name: "DC CIVAC", trap: toCoherency, run: data(lineClean | lineInvalidate)},
		Register(1, 3, 7, 4, 1): {name: "DC ZVA", run: (*CPU).zeroBlock, trap: func(c *CPU, _ bool) uint8 {
			if c.level == 0 && c.sys.sctlr[c.userLevel()]>>14&1 == 0 { // DZE
				return 1
			}
			return c.trapHCR(28) // TDZ
		}},
	}
}

// lineOperation is what is done to lines of the data cache.
type lineOperation uint8

const (
	lineClean lineOperation = 1 << iota
	lineInvalidate
	lineUnify // clean to the point of unification
)

// trapCache is for operations by address: EL0 needs SCTLR.UCI; a bit of HCR_EL2
// traps them.
func (c *CPU) trapCache(bit int) uint8 {
	if c.level == 0 && arm64.SCTLR(c.sys.sctlr[c.userLevel()])&arm64.SCTLRCacheOperations == 0 {
		return 1
	}
	return c.trapHCR(bit)
}

// zeroForbidden is DCZID_EL0.DZP.
func (c *CPU) zeroForbidden() bool {
	return c.level == 0 && c.sys.sctlr[c.userLevel()]>>14&1 == 0 || c.trapHCR(28) != 0
}

// zeroBlock is DC ZVA: it stores zeros into the block around the address.
func (c *CPU) zeroBlock(v uint64) bool {
	size := uint64(4) << c.sys.id.dczid
	va := v &^ (size - 1)
	pa, attributes, ok := c.translate(va, accessWrite)
	if !ok {
		c.fault.address = v
		return false
	}
	if attributes == attributeDevice || !c.memory.HasPage(physmem.Address(pa)) {
		return c.abort(v, accessWrite, faultAlignment)
	}
	for i := uint64(0); i < size; i += 8 {
		if !c.store64(va+i, 0) {
			return false
		}
	}
	return true
}

// lineByAddress maintains the line that a virtual address lies in. Invalidation
// alone needs the right to write (DDI 0487 D8.8.2).
func (c *CPU) lineByAddress(va uint64, what lineOperation) bool {
	kind := accessMaintain
	if what == lineInvalidate {
		kind = accessInvalidate
	}
	pa, _, ok := c.translate(va, kind)
	if !ok {
		return false
	}
	if c.caches == nil {
		return true
	}
	return c.maintain(func() { c.caches.line(pa, what) })
}

// lineBySet maintains a line by set and way.
func (c *CPU) lineBySet(v uint64, what lineOperation) bool {
	if c.caches == nil {
		return true
	}
	return c.maintain(func() { c.caches.set(v, what) })
}

// forgetCode is IC IALLU, and IC IALLUIS for all CPUs.
func (c *CPU) forgetCode(shared bool) bool {
	if c.caches == nil {
		return true
	}
	return c.maintain(func() { c.caches.forgetCode(shared) })
}

// forgetCodeAt is IC IVAU.
func (c *CPU) forgetCodeAt(va uint64) bool {
	pa, _, ok := c.translate(va, accessMaintain)
	if !ok || c.caches == nil {
		return ok
	}
	return c.maintain(func() { c.caches.forgetCodeAt(pa) })
}
