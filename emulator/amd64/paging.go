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
const system accessKind = 1 << 7

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
	w := walk{cpu: c, va: va, kind: kind &^ system, user: c.cpl == 3 && kind&system == 0}
	pa, code := w.run()
	if code != 0 {
		return 0, c.pageFault(va, code&^walkFailed)
	}
	return pa, true
}

func (c *CPU) pageFault(va, code uint64) bool {
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
}

// walkFailed is set in every failure's code, that of an absent page being 0.
const walkFailed = 1 << 32

// run gives the physical address, or an error code with walkFailed.
func (w *walk) run() (pa, code uint64) {
	c := w.cpu
	level := 4
	if c.cr4&cr4LA57 != 0 {
		level = 5
	}
	reserved := uint64(entryReserved)
	if c.efer&eferNXE == 0 {
		reserved |= entryNX
	}
	table := c.cr3 & entryAddress
	rights := uint64(entryWrite | entryUser)
	nx := uint64(0)
	for ; ; level-- {
		shift := 3 + 9*level
		slot := table + w.va>>shift&511*8
		entry, ok := c.physical64(slot)
		if !ok || entry&entryPresent == 0 { // the bus answers with ones, which have reserved bits
			if !ok {
				return 0, w.code(uint64(amd64.PageFaultPresent | amd64.PageFaultReserved))
			}
			return 0, w.code(0)
		}
		large := entry&entryLarge != 0 && level > 1
		if entry&reserved != 0 || large && (level > 3 || entry&(1<<shift-1<<13) != 0) {
			return 0, w.code(uint64(amd64.PageFaultPresent | amd64.PageFaultReserved))
		}
		w.slots[w.n], w.old[w.n] = slot, entry
		w.n++
		rights &= entry
		nx |= entry & entryNX
		if level > 1 && !large {
			table = entry & entryAddress
			continue
		}
		if !w.allowed(rights, nx) {
			return 0, w.code(uint64(amd64.PageFaultPresent))
		}
		w.mark()
		offset := uint64(1)<<shift - 1
		return entry&entryAddress&^offset | w.va&offset, 0
	}
}

// code completes the error code of a failed walk (Intel SDM 3A 4.7).
func (w *walk) code(code uint64) uint64 {
	if w.kind == accessWrite {
		code |= uint64(amd64.PageFaultWrite)
	}
	if w.user {
		code |= uint64(amd64.PageFaultUser)
	}
	if w.kind == accessExecute && (w.cpu.efer&eferNXE != 0 || w.cpu.cr4&cr4SMEP != 0) {
		code |= uint64(amd64.PageFaultInstruction)
	}
	return code | walkFailed
}

// allowed checks the rights that the tables give (Intel SDM 3A 4.6).
func (w *walk) allowed(rights, nx uint64) bool {
	c := w.cpu
	userPage := rights&entryUser != 0
	if w.kind == accessExecute && nx != 0 {
		return false
	}
	if w.user {
		return userPage && (w.kind != accessWrite || rights&entryWrite != 0)
	}
	if w.kind == accessExecute {
		return !userPage || c.cr4&cr4SMEP == 0
	}
	if userPage && c.cr4&cr4SMAP != 0 && (c.rflags&flagAC == 0 || c.cpl == 3) {
		return false
	}
	return w.kind != accessWrite || rights&entryWrite != 0 || c.cr0&cr0WP == 0
}

// mark sets accessed flags on the way and the dirty flag at its end (Intel SDM
// 3A 4.8).
func (w *walk) mark() {
	for i := range w.n {
		set := uint64(entryAccessed)
		if i == w.n-1 && w.kind == accessWrite {
			set |= entryDirty
		}
		if w.old[i]&set != set {
			w.cpu.putPhysical64(w.slots[i], w.old[i]|set)
		}
	}
}
