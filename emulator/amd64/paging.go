package amd64

import (
	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machine"
)

// Bits of control registers that the CPU itself looks at (Intel SDM 3A 2.5).
const (
	cr0PE = uint64(amd64.CR0ProtectionEnable)
	cr0EM = uint64(amd64.CR0Emulation)
	cr0TS = uint64(amd64.CR0TaskSwitched)
	cr0WP = uint64(amd64.CR0WriteProtect)
	cr0PG = uint64(amd64.CR0Paging)

	cr4TSD      = uint64(amd64.CR4TimeStampDisable)
	cr4PAE      = uint64(amd64.CR4PhysicalExtension)
	cr4OSFXSR   = uint64(amd64.CR4FXSAVE)
	cr4UMIP     = uint64(amd64.CR4UserInstructions)
	cr4LA57     = uint64(amd64.CR4FiveLevels)
	cr4FSGSBASE = uint64(amd64.CR4FSGSBase)
	cr4PCIDE    = uint64(amd64.CR4ProcessContexts)
	cr4OSXSAVE  = uint64(amd64.CR4XSAVE)
	cr4SMEP     = uint64(amd64.CR4SupervisorExecution)
	cr4SMAP     = uint64(amd64.CR4SupervisorAccess)
	cr4PGE      = uint64(amd64.CR4GlobalPages)
	cr4PKE      = uint64(amd64.CR4ProtectionKeys)
	cr4CET      = uint64(amd64.CR4ControlFlow)

	eferSCE = uint64(amd64.EFERSystemCall)
	eferLME = uint64(amd64.EFERLongModeEnable)
	eferLMA = uint64(amd64.EFERLongModeActive)
	eferNXE = uint64(amd64.EFERNoExecute)
)

// Bits of a page-table entry (Intel SDM 3A 4.5.4).
const (
	entryPresent  = 1 << 0
	entryWrite    = 1 << 1
	entryUser     = 1 << 2
	entryAccessed = 1 << 5
	entryDirty    = 1 << 6
	entryLarge    = 1 << 7
	entryGlobal   = 1 << 8
	entryNX       = 1 << 63
	entryAddress  = (1<<physicalBits - 1) &^ pageMask
	entryReserved = 1<<52 - 1<<physicalBits
)

// accessKind is what a translation is for.
type accessKind uint8

const (
	accessRead accessKind = iota
	accessWrite
	accessExecute
)

// system marks accesses that the CPU makes by itself to descriptor tables and
// stacks of inner rings: they are the supervisor's whatever the privilege.
// shadow marks those to a shadow stack (Intel SDM 3A 4.6.1).
const (
	system accessKind = 1 << 7
	shadow accessKind = 1 << 6
)

// canonical reports whether va is sign-extended from the linear width.
func (c *CPU) canonical(va uint64) bool {
	shift := 64 - 48
	if c.cr4&cr4LA57 != 0 {
		shift = 64 - 57
	}
	return uint64(int64(va)<<shift>>shift) == va
}

// translate gives the physical address of va, or raises what the CPU would:
// #GP for what is not canonical, #PF for the rest.
func (c *CPU) translate(va uint64, kind accessKind) (uint64, bool) {
	if c.cr0&cr0PG == 0 {
		return va & 0xffffffff, true
	}
	if c.efer&eferLMA == 0 {
		return 0, c.stop(machine.Exit{Reason: machine.Failed, Detail: "paging outside of long mode is not there"})
	}
	if c.mode != mode64 {
		va &= 0xffffffff
	}
	if !c.canonical(va) {
		return 0, c.general(0)
	}
	user := c.cpl == 3 && kind&system == 0
	kind &^= system
	if e := c.cache.find(va, c.context()); e != nil && (kind&^shadow != accessWrite || e.dirty) {
		if code := c.denied(e, kind, user); code != 0 {
			return 0, c.pageFault(va, code)
		}
		return e.at(va), true
	}
	w := walk{cpu: c, va: va, kind: kind, user: user}
	w.reached = w.found[:0]
	e, code := w.run()
	if code != 0 {
		return 0, c.pageFault(va, code&^walkFailed)
	}
	return e.at(va), true
}

// at is the physical address of va, which the entry is for.
func (e *translation) at(va uint64) uint64 {
	mask := uint64(pageMask)
	if e.shift > pageShift {
		mask = 1<<largeShift - 1
	}
	return e.physical | va&mask
}

// pageFault raises #PF. It makes the CPU forget what it knows of the address
// (Intel SDM 3A 4.10.4.1), so that a fault that came of that comes once.
func (c *CPU) pageFault(va, code uint64) bool {
	c.forgetFaulted(va)
	c.fault = fault{vector: amd64.VectorPageFault, code: code, hasCode: true, address: va}
	c.event = eventFault
	return false
}

// walk is one walk through the page tables (Intel SDM 3A 4.5).
type walk struct {
	cpu   *CPU
	va    uint64
	kind  accessKind
	user  bool
	slots [5]uint64 // addresses of the entries on the way
	old   [5]uint64 // what they hold
	n     int

	found   [4]tableEntry // for the paging-structure caches
	reached []tableEntry
}

// walkFailed is set in every failure's code, that of an absent page being 0.
const walkFailed = 1 << 32

// run gives a translation, which it keeps, or an error code with walkFailed.
func (w *walk) run() (e translation, code uint64) {
	c := w.cpu
	context := c.context()
	reserved := uint64(entryReserved)
	if c.efer&eferNXE == 0 {
		reserved |= entryNX
	}
	level, table, rights, nx := w.start(context)
	for ; ; level-- {
		shift := 3 + 9*level
		slot := table + w.va>>shift&511*8
		entry, ok := c.physical64(slot)
		if !ok { // the bus answers with ones, which have reserved bits
			return e, w.code(uint64(amd64.PageFaultPresent | amd64.PageFaultReserved))
		}
		if entry&entryPresent == 0 {
			return e, w.code(0)
		}
		large := entry&entryLarge != 0 && level > 1
		if entry&reserved != 0 || large && (level > 3 || entry&(1<<shift-1<<13) != 0) {
			return e, w.code(uint64(amd64.PageFaultPresent | amd64.PageFaultReserved))
		}
		w.slots[w.n], w.old[w.n] = slot, entry
		w.n++
		upper := rights
		rights &= uint8(entry)
		nx = nx || entry&entryNX != 0
		if level > 1 && !large {
			table = entry & entryAddress
			w.reached = append(w.reached, tableEntry{table: table, rights: rights, noExec: nx, context: context})
			continue
		}
		offset := uint64(1)<<shift - 1
		e = translation{
			physical: entry&entryAddress&^offset | w.va&offset&^pageMask, context: context, rights: rights, key: uint8(entry >> 59 & 15),
			shift: uint8(shift), noExec: nx, global: entry&entryGlobal != 0 && c.cr4&cr4PGE != 0,
			dirty:  entry&entryDirty != 0 || w.kind&^shadow == accessWrite,
			shadow: c.cr4&cr4CET != 0 && upper&entryWrite != 0 && entry&(entryWrite|entryDirty) == entryDirty,
		}
		if code := c.denied(&e, w.kind, w.user); code != 0 {
			return e, code | walkFailed
		}
		w.mark()
		w.keep(e, level)
		return e, 0
	}
}

// start is where the walk begins: at the table that the paging-structure caches
// have for the address, or at the root.
func (w *walk) start(context uint16) (level int, table uint64, rights uint8, noExec bool) {
	c := w.cpu
	level = 4
	if c.cr4&cr4LA57 != 0 {
		level = 5
	}
	for l := 2; l <= level; l++ {
		if e, tag := c.cache.tableAt(l, w.va, context); e.tag == tag && e.context == context {
			return l - 1, e.table, e.rights, e.noExec
		}
	}
	return level, c.cr3 & entryAddress, entryWrite | entryUser, false
}

// keep enters what the walk found into TLB and paging-structure caches. The
// walk ended at a level.
func (w *walk) keep(e translation, level int) {
	for i := range w.reached { // the last one leads to this level's table
		l := level + len(w.reached) - i
		at, tag := w.cpu.cache.tableAt(l, w.va, e.context)
		*at = w.reached[i]
		at.tag = tag
	}
	w.cpu.cache.enter(w.va, e)
}

// code completes the error code of a failed walk.
func (w *walk) code(code uint64) uint64 {
	return w.cpu.faultCode(code, w.kind, w.user) | walkFailed
}

// faultCode completes an error code (Intel SDM 3A 4.7).
func (c *CPU) faultCode(code uint64, kind accessKind, user bool) uint64 {
	if kind&^shadow == accessWrite {
		code |= uint64(amd64.PageFaultWrite)
	}
	if user {
		code |= uint64(amd64.PageFaultUser)
	}
	if kind == accessExecute && (c.efer&eferNXE != 0 || c.cr4&cr4SMEP != 0) {
		code |= uint64(amd64.PageFaultInstruction)
	}
	if kind&shadow != 0 {
		code |= faultShadow
	}
	return code
}

// Bits of a page fault's error code that package machdep/amd64 has no use for.
const (
	faultKey    = 1 << 5
	faultShadow = 1 << 6
)

// denied checks the rights of an access, and gives the error code of a page
// fault where there are none (Intel SDM 3A 4.6).
func (c *CPU) denied(e *translation, kind accessKind, user bool) uint64 {
	if c.allowed(e, kind, user) {
		if kind == accessExecute || e.rights&entryUser == 0 || c.cr4&cr4PKE == 0 || c.keyAllows(e.key, kind, user) {
			return 0
		}
		return c.faultCode(uint64(amd64.PageFaultPresent)|faultKey, kind, user)
	}
	return c.faultCode(uint64(amd64.PageFaultPresent), kind, user)
}

// keyAllows checks the protection key of a user page (Intel SDM 3A 4.6.2).
func (c *CPU) keyAllows(key uint8, kind accessKind, user bool) bool {
	bits := c.pkru >> (2 * key)
	if bits&1 != 0 {
		return false
	}
	return kind&^shadow != accessWrite || bits&2 == 0 || !user && c.cr0&cr0WP == 0
}

func (c *CPU) allowed(e *translation, kind accessKind, user bool) bool {
	userPage := e.rights&entryUser != 0
	if kind&shadow != 0 {
		return e.shadow && userPage == user
	}
	if kind == accessExecute && e.noExec {
		return false
	}
	if user {
		return userPage && (kind != accessWrite || e.rights&entryWrite != 0)
	}
	if kind == accessExecute {
		return !userPage || c.cr4&cr4SMEP == 0
	}
	if userPage && c.cr4&cr4SMAP != 0 && (c.rflags&flagAC == 0 || c.cpl == 3) {
		return false
	}
	return kind != accessWrite || e.rights&entryWrite != 0 || c.cr0&cr0WP == 0
}

// mark sets accessed flags on the way and the dirty flag at its end (Intel SDM
// 3A 4.8).
func (w *walk) mark() {
	for i := range w.n {
		set := uint64(entryAccessed)
		if i == w.n-1 && w.kind&^shadow == accessWrite {
			set |= entryDirty
		}
		if w.old[i]&set != set {
			w.cpu.putPhysical64(w.slots[i], w.old[i]|set)
		}
	}
}
