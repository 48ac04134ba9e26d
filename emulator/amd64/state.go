package amd64

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// State is a copy of the CPU's registers.
func (c *CPU) State() machine.State {
	s := &machine.AMD64State{
		Activity: c.activity, RIP: c.rip, RFLAGS: c.getFlags(),
		ES: c.segments[segES], CS: c.segments[segCS], SS: c.segments[segSS], DS: c.segments[segDS], FS: c.segments[segFS], GS: c.segments[segGS],
		TR: c.tr, LDTR: c.ldtr, GDTR: c.gdtr, IDTR: c.idtr,
		CR0: c.cr0, CR2: c.cr2, CR3: c.cr3, CR4: c.cr4, CR8: c.cr8, EFER: c.efer,
		DR: c.dr, DR6: c.dr6, DR7: c.dr7,
		KernelGSBase: c.msr.kernelGSBase, STAR: c.msr.star, LSTAR: c.msr.lstar, CSTAR: c.msr.cstar, FMASK: c.msr.fmask,
		PAT: c.msr.pat, TSC: c.now() + c.tscOffset, XCR0: c.xcr0, FXSAVE: c.fxsave(),
		NMIBlocked: c.nmiBlocked, NMIPending: c.nmiPending,
	}
	copy(s.Registers[:], c.r[:16])
	return s
}

// SetState gives the CPU its registers.
func (c *CPU) SetState(state machine.State) error {
	s, ok := state.(*machine.AMD64State)
	if !ok {
		return fmt.Errorf("a state of %s for an amd64 CPU: %w", state.Architecture(), machine.ErrUnsupported)
	}
	copy(c.r[:16], s.Registers[:])
	c.rip = s.RIP
	c.segments = [6]machine.Segment{segES: s.ES, segCS: s.CS, segSS: s.SS, segDS: s.DS, segFS: s.FS, segGS: s.GS}
	c.tr, c.ldtr, c.gdtr, c.idtr = s.TR, s.LDTR, s.GDTR, s.IDTR
	c.cr0, c.cr2, c.cr3, c.cr4, c.cr8, c.efer = s.CR0, s.CR2, s.CR3, s.CR4, s.CR8, s.EFER
	c.dr, c.dr6, c.dr7 = s.DR, s.DR6, s.DR7
	c.msr.kernelGSBase, c.msr.star, c.msr.lstar, c.msr.cstar, c.msr.fmask = s.KernelGSBase, s.STAR, s.LSTAR, s.CSTAR, s.FMASK
	c.msr.pat = s.PAT
	c.tscOffset = s.TSC - c.now()
	if s.XCR0 != 0 {
		c.xcr0 = s.XCR0
	}
	if s.FXSAVE != [512]byte{} {
		c.fxrstor(&s.FXSAVE)
	}
	c.nmiBlocked, c.nmiPending = s.NMIBlocked, s.NMIPending
	c.activity, c.waitSIPI = s.Activity, s.Activity == machine.Off
	c.event, c.pendingExit, c.shadow, c.passed = eventNone, nil, false, false
	c.setFlags(s.RFLAGS)
	c.dataBreaks = 0
	c.contextChanged()
	c.flushTLB()
	return nil
}

// PC is the address of the next instruction.
func (c *CPU) PC() uint64 { return c.rip }

// Activity says what the CPU does.
func (c *CPU) Activity() machine.Activity { return c.activity }

// Instructions is how many the CPU has executed, exceptions included.
func (c *CPU) Instructions() uint64 { return c.count }

// NMI makes a non-maskable interrupt pending.
func (c *CPU) NMI() { c.nmiPending = true }

// Interrupt makes an interrupt of a vector pending, as an interrupt controller
// on the CPU's INTR pin does: it is taken when RFLAGS.IF lets it.
func (c *CPU) Interrupt(vector uint8) { c.externalPending, c.externalVector = true, vector }

// Wakeable reports whether a CPU that waits can go on by itself: something is
// pending or its timer runs, and it would be taken.
func (c *CPU) Wakeable() bool {
	if c.nmiPending && !c.nmiBlocked {
		return true
	}
	return c.rflags&flagIF != 0 && (c.externalPending || highest(&c.apic.irr) >= 0 || c.apic.deadline != 0)
}

// SetSiblings tells the CPU of all CPUs of its machine, itself included.
func (c *CPU) SetSiblings(all []*CPU) { c.siblings = all }

// SetBreakpoints makes the CPU stop before it executes instructions at virtual
// addresses; none takes them off. Where it stands now does not count.
func (c *CPU) SetBreakpoints(addresses []uint64) {
	c.breaks = nil
	for _, a := range addresses {
		if c.breaks == nil {
			c.breaks = map[uint64]bool{}
		}
		c.breaks[a] = true
	}
	c.passed = c.breaks[c.rip]
	c.blocks.dropAll()
}

// Peek reads a byte of memory as the CPU would at its present privilege,
// without leaving a trace.
func (c *CPU) Peek(va uint64) (byte, bool) {
	pa, ok := c.look(va)
	if !ok {
		return 0, false
	}
	page := c.memory.PageForRead(physmem.Address(pa))
	if page == nil {
		return 0, false
	}
	return page[pa&(emulator.PageSize-1)], true
}

// look translates as the CPU would, TLB first, without setting flags in the
// tables, and without regard to rights.
func (c *CPU) look(va uint64) (uint64, bool) {
	if c.cr0&cr0PG == 0 {
		return va & 0xffffffff, true
	}
	if e := c.cache.find(va, c.context()); e != nil {
		return e.at(va), true
	}
	level := 4
	if c.cr4&cr4LA57 != 0 {
		level = 5
	}
	table := c.cr3 & entryAddress
	for ; level > 0; level-- {
		shift := 3 + 9*level
		page := c.memory.PageForRead(physmem.Address(table))
		if page == nil {
			return 0, false
		}
		entry := page64(page, va>>shift&511*8)
		if entry&entryPresent == 0 {
			return 0, false
		}
		if level == 1 || entry&entryLarge != 0 {
			offset := uint64(1)<<shift - 1
			return entry&entryAddress&^offset | va&offset, true
		}
		table = entry & entryAddress
	}
	return 0, false
}

// SetTime tells the CPU what time it is before it runs.
func (c *CPU) SetTime(t uint64) {
	c.timeBase = t - c.count
	c.apic.tick(c)
}

// Time is the CPU's time.
func (c *CPU) Time() uint64 { return c.now() }

// now is virtual time at the start of the current block.
func (c *CPU) now() uint64 { return c.timeBase + c.count }
