package arm64

import (
	"encoding/binary"

	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// loadSlow reads what the translations do not have: pages seen for the first
// time, device registers, watched pages, what must be aligned, and accesses that
// cross a page.
func (c *CPU) loadSlow(va uint64, size uint8) (uint64, bool) {
	pa, attributes, ok := c.locate(va, size, accessRead)
	if !ok {
		return 0, false
	}
	if va&pageMask+uint64(size) > emulator.PageSize {
		return c.loadCrossing(va, size)
	}
	return c.loadAt(va, pa, size, attributes)
}

// locate translates what an access of a size begins with, and checks that it is
// aligned where it must be.
func (c *CPU) locate(va uint64, size uint8, kind accessKind) (uint64, attribute, bool) {
	unaligned := va&uint64(size-1) != 0
	if unaligned && c.strict {
		return 0, 0, c.abort(va, kind, faultAlignment)
	}
	pa, attributes, ok := c.translate(va, kind)
	if ok && unaligned && attributes == attributeDevice {
		return 0, 0, c.abort(va, kind, faultAlignment)
	}
	return pa, attributes, ok
}

func (c *CPU) loadAt(va, pa uint64, size uint8, attributes attribute) (uint64, bool) {
	page := c.dataPage(pa, attributes)
	if page == nil {
		return c.readDevice(va, pa, size)
	}
	if c.memory.Watched(physmem.Address(pa), emulator.Read) {
		if !c.alone() {
			return 0, false
		}
		c.memory.Report(c.access(emulator.Read, va, pa, size, 0))
	} else if attributes != attributeDevice && !c.strict {
		c.tlb.read[va>>pageShift%tlbEntries] = translation{va>>pageShift | tlbValid, page}
	}
	var b [8]byte
	copy(b[:size], page[pa&pageMask:])
	return binary.LittleEndian.Uint64(b[:]), true
}

// dataPage is the page that a load from a physical address reads: nil where
// there is no RAM.
func (c *CPU) dataPage(pa uint64, attributes attribute) *emulator.Page {
	if c.caches != nil && attributes == attributeCacheable {
		return c.caches.data(pa)
	}
	return c.memory.PageForRead(physmem.Address(pa))
}

// alone has an instruction that touches what is watched executed by itself, so
// that its address is known: false is that it is tried again so.
func (c *CPU) alone() bool {
	if !c.precise {
		c.event, c.precise, c.limit = eventRetry, true, 0
	}
	return c.event == eventNone
}

func (c *CPU) loadCrossing(va uint64, size uint8) (uint64, bool) {
	if _, attributes, ok := c.translate((va|pageMask)+1, accessRead); !ok {
		return 0, false
	} else if attributes == attributeDevice {
		return 0, c.abort(va, accessRead, faultAlignment)
	}
	var v uint64
	for i := range size {
		b, ok := c.loadSlow(va+uint64(i), 1)
		if !ok {
			return 0, false
		}
		v |= b << (8 * i)
	}
	return v, true
}

func (c *CPU) loadSlow128(va uint64) (word128, bool) {
	if va&15 != 0 {
		if _, _, ok := c.locate(va, 16, accessRead); !ok {
			return word128{}, false
		}
	}
	low, ok := c.load64(va)
	if !ok {
		return word128{}, false
	}
	high, ok := c.load64(va + 8)
	return word128{low, high}, ok
}

// storeSlow writes where the translations have nothing.
func (c *CPU) storeSlow(va uint64, size uint8, v uint64) bool {
	pa, attributes, ok := c.locate(va, size, accessWrite)
	if !ok {
		return false
	}
	if va&pageMask+uint64(size) > emulator.PageSize {
		return c.storeCrossing(va, size, v)
	}
	if !c.memory.HasPage(physmem.Address(pa)) {
		return c.writeDevice(va, pa, size, v)
	}
	watched := c.memory.Watched(physmem.Address(pa), emulator.Write)
	if watched && !c.alone() {
		return false
	}
	if watched && !c.memory.Report(c.access(emulator.Write, va, pa, size, v)) {
		return true
	}
	if c.caches != nil && attributes == attributeCacheable {
		return c.storeCached(pa, size, v)
	}
	if c.caches != nil {
		c.storeBeneath(pa, size, v)
		return true
	}
	page := c.memory.PageForWrite(physmem.Address(pa))
	if !watched && attributes != attributeDevice && !c.strict {
		c.tlb.write[va>>pageShift%tlbEntries] = translation{va>>pageShift | tlbValid, page}
	}
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], v)
	copy(page[pa&pageMask:], b[:size])
	return true
}

func (c *CPU) storeCrossing(va uint64, size uint8, v uint64) bool {
	if _, attributes, ok := c.translate((va|pageMask)+1, accessWrite); !ok {
		return false
	} else if attributes == attributeDevice {
		return c.abort(va, accessWrite, faultAlignment)
	}
	for i := range size {
		if !c.storeSlow(va+uint64(i), 1, v>>(8*i)&0xff) {
			return false
		}
	}
	return true
}

func (c *CPU) storeSlow128(va uint64, v word128) bool {
	if va&15 != 0 {
		if _, _, ok := c.locate(va, 16, accessWrite); !ok {
			return false
		}
	}
	if !c.probe(va, 16) {
		return false
	}
	return c.store64(va, v[0]) && c.store64(va+8, v[1])
}

func (c *CPU) access(kind emulator.Kind, va, pa uint64, size uint8, v uint64) emulator.Access {
	return emulator.Access{
		Kind: kind, CPU: c.index, PC: c.pc, Virtual: va, Address: physmem.Address(pa), Size: int(size), Value: truncate(v, size),
	}
}

// truncate cuts v to size bytes.
func truncate(v uint64, size uint8) uint64 {
	if size >= 8 {
		return v
	}
	return v & (1<<(8*size) - 1)
}

// readDevice reads what is not RAM.
func (c *CPU) readDevice(va, pa uint64, size uint8) (uint64, bool) {
	if c.config.Bus == nil {
		return 0, c.abort(va, accessRead, faultExternal)
	}
	var b [8]byte
	found, exit := c.config.Bus.Read(pa, b[:size])
	if exit != nil {
		return 0, c.stop(*exit)
	}
	if !found {
		return 0, c.abort(va, accessRead, faultExternal)
	}
	return binary.LittleEndian.Uint64(b[:]), true
}

func (c *CPU) writeDevice(va, pa uint64, size uint8, v uint64) bool {
	if c.config.Bus == nil {
		return c.abort(va, accessWrite, faultExternal)
	}
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], v)
	found, exit := c.config.Bus.Write(pa, b[:size])
	if exit != nil {
		return c.stopAfter(exit)
	}
	if !found {
		return c.abort(va, accessWrite, faultExternal)
	}
	return true
}

// physical64 reads a descriptor of a translation table.
func (c *CPU) physical64(pa uint64, attributes attribute) (uint64, bool) {
	page := c.dataPage(pa, attributes)
	if page == nil {
		return 0, false
	}
	if c.memory.Watched(physmem.Address(pa), emulator.Read) {
		c.memory.Report(emulator.Access{Kind: emulator.Read, Cause: emulator.Tables, CPU: c.index, PC: c.pc, Address: physmem.Address(pa), Size: 8})
	}
	return page64(page, pa&pageMask), true
}
