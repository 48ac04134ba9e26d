package amd64

import (
	"encoding/binary"

	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// loadSlow reads what the translations do not have: pages seen for the first
// time, device registers, watched pages, and accesses that cross a page.
func (c *CPU) loadSlow(va uint64, size uint8, kind accessKind) (uint64, bool) {
	if va&pageMask+uint64(size) > emulator.PageSize {
		return c.loadCrossing(va, size, kind)
	}
	pa, ok := c.translate(va, kind)
	if !ok {
		return 0, false
	}
	if kind&(system|shadow) == 0 {
		c.dataBreak(va, size, false)
	}
	page := c.memory.PageForRead(physmem.Address(pa))
	if page == nil {
		return c.readDevice(pa, size)
	}
	if c.memory.Watched(physmem.Address(pa), emulator.Read) {
		if !c.alone() {
			return 0, false
		}
		c.memory.Report(c.access(emulator.Read, va, pa, size, 0))
	} else if kind == accessRead && c.dr7&debugEnabled == 0 {
		c.tlb.read[va>>pageShift%fastEntries] = fastTranslation{va>>pageShift | fastValid, page}
	}
	var b [8]byte
	copy(b[:size], page[pa&pageMask:])
	return binary.LittleEndian.Uint64(b[:]), true
}

// alone has an instruction that touches what is watched executed by itself, so
// that its address is known: false is that it is tried again so.
func (c *CPU) alone() bool {
	if !c.precise {
		c.event, c.precise = eventRetry, true
	}
	return c.event == eventNone
}

func (c *CPU) loadCrossing(va uint64, size uint8, kind accessKind) (uint64, bool) {
	first := uint8(emulator.PageSize - va&pageMask)
	if _, ok := c.translate(va, kind); !ok {
		return 0, false
	}
	if _, ok := c.translate(va+uint64(first), kind); !ok {
		return 0, false
	}
	var v uint64
	for i := range size {
		b, ok := c.loadSlow(va+uint64(i), 1, kind)
		if !ok {
			return 0, false
		}
		v |= b << (8 * i)
	}
	return v, true
}

// storeSlow writes where the translations have nothing.
func (c *CPU) storeSlow(va uint64, size uint8, v uint64) bool {
	if va&pageMask+uint64(size) > emulator.PageSize {
		return c.storeCrossing(va, size, v)
	}
	pa, ok := c.translate(va, accessWrite)
	if !ok {
		return false
	}
	c.dataBreak(va, size, true)
	if !c.memory.HasPage(physmem.Address(pa)) {
		return c.writeDevice(pa, size, v)
	}
	watched := c.memory.Watched(physmem.Address(pa), emulator.Write)
	if watched && !c.alone() {
		return false
	}
	if watched && !c.memory.Report(c.access(emulator.Write, va, pa, size, v)) {
		return true
	}
	page := c.memory.PageForWrite(physmem.Address(pa))
	if !watched && c.dr7&debugEnabled == 0 {
		c.tlb.write[va>>pageShift%fastEntries] = fastTranslation{va>>pageShift | fastValid, page}
	}
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], v)
	copy(page[pa&pageMask:], b[:size])
	return true
}

func (c *CPU) storeCrossing(va uint64, size uint8, v uint64) bool {
	if !c.probe(va, uint64(size)) {
		return false
	}
	for i := range size {
		if !c.storeSlow(va+uint64(i), 1, v>>(8*i)&0xff) {
			return false
		}
	}
	return true
}

func (c *CPU) access(kind emulator.Kind, va, pa uint64, size uint8, v uint64) emulator.Access {
	return emulator.Access{
		Kind: kind, CPU: c.index, PC: c.rip, Virtual: va, Address: physmem.Address(pa), Size: int(size), Value: truncate(v, size),
	}
}

// readDevice reads a register of a device: the local APIC, or what is on the
// bus.
func (c *CPU) readDevice(pa uint64, size uint8) (uint64, bool) {
	if c.apic.maps(pa) {
		return c.apicRead(pa&pageMask, size), true
	}
	var b [8]byte
	exit := c.bus.Read(false, pa, b[:size])
	if exit != nil {
		return 0, c.stop(*exit)
	}
	return binary.LittleEndian.Uint64(b[:]), true
}

func (c *CPU) writeDevice(pa uint64, size uint8, v uint64) bool {
	if c.apic.maps(pa) {
		return c.apicWrite(pa&pageMask, uint32(v))
	}
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], v)
	if exit := c.bus.Write(false, pa, b[:size]); exit != nil {
		return c.stopAfter(exit)
	}
	return true
}

// physical64 reads a quadword of RAM for the CPU itself.
func (c *CPU) physical64(pa uint64) (uint64, bool) {
	page := c.memory.PageForRead(physmem.Address(pa))
	if page == nil {
		return 0, false
	}
	if c.memory.Watched(physmem.Address(pa), emulator.Read) {
		c.memory.Report(c.tableAccess(emulator.Read, pa, 0))
	}
	return page64(page, pa&pageMask), true
}

// putPhysical64 writes a quadword of RAM for the CPU itself.
func (c *CPU) putPhysical64(pa, v uint64) {
	if c.memory.Watched(physmem.Address(pa), emulator.Write) && !c.memory.Report(c.tableAccess(emulator.Write, pa, v)) {
		return
	}
	putPage64(c.memory.PageForWrite(physmem.Address(pa)), pa&pageMask, v)
}

func (c *CPU) tableAccess(kind emulator.Kind, pa, v uint64) emulator.Access {
	return emulator.Access{Kind: kind, Cause: emulator.Tables, CPU: c.index, PC: c.rip, Address: physmem.Address(pa), Size: 8, Value: v}
}

// portRead and portWrite are IN and OUT.
func (c *CPU) portRead(port uint16, size uint8) (uint64, bool) {
	var b [8]byte
	if exit := c.bus.Read(true, uint64(port), b[:size]); exit != nil {
		return 0, c.stopAfter(exit)
	}
	return binary.LittleEndian.Uint64(b[:]), true
}

func (c *CPU) portWrite(port uint16, size uint8, v uint64) *machine.Exit {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], v)
	return c.bus.Write(true, uint64(port), b[:size])
}
