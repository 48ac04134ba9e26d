package amd64

import (
	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machine"
)

// What may be set in the control registers: what CPUID tells of, and CET and
// VMXE not.
const (
	cr0Known = uint64(amd64.CR0ProtectionEnable | amd64.CR0MonitorCoprocess | amd64.CR0Emulation | amd64.CR0TaskSwitched |
		amd64.CR0ExtensionType | amd64.CR0NumericError | amd64.CR0WriteProtect | amd64.CR0AlignmentMask |
		amd64.CR0NotWriteThrough | amd64.CR0CacheDisable | amd64.CR0Paging)
	cr4Known = uint64(amd64.CR4TimeStampDisable | amd64.CR4DebugExtensions | amd64.CR4PageSizeExtension | amd64.CR4PhysicalExtension |
		amd64.CR4MachineCheck | amd64.CR4GlobalPages | amd64.CR4FXSAVE | amd64.CR4SIMDExceptions | amd64.CR4UserInstructions |
		amd64.CR4FiveLevels | amd64.CR4FSGSBase | amd64.CR4ProcessContexts | amd64.CR4XSAVE | amd64.CR4SupervisorExecution |
		amd64.CR4SupervisorAccess | amd64.CR4ControlFlow | amd64.CR4ProtectionKeys)
	eferKnown  = eferSCE | eferLME | eferLMA | eferNXE
	debugLocal = 1 << 13 // DR7.GD
)

// operationReadControl is MOV from CRn; DRn is operationReadDebug.
func operationReadControl(c *CPU, in *inst) bool {
	if c.cpl != 0 {
		return c.general(0)
	}
	var v uint64
	switch in.reg {
	case 0:
		v = c.cr0
	case 2:
		v = c.cr2
	case 3:
		v = c.cr3
	case 4:
		v = c.cr4
	case 8:
		v = c.cr8
	default:
		return c.raise(amd64.VectorInvalidOpcode)
	}
	c.set(in.rm, c.controlSize(), v)
	return true
}

func (c *CPU) controlSize() uint8 {
	if c.mode == mode64 {
		return 8
	}
	return 4
}

func operationWriteControl(c *CPU, in *inst) bool {
	if c.cpl != 0 {
		return c.general(0)
	}
	v := c.get(in.rm, c.controlSize())
	ok := true
	switch in.reg {
	case 0:
		ok = c.writeCR0(v)
	case 2:
		c.cr2 = v
	case 3:
		ok = c.writeCR3(v)
	case 4:
		ok = c.writeCR4(v)
	case 8:
		if v > 15 {
			return c.general(0)
		}
		c.cr8 = v
	default:
		return c.raise(amd64.VectorInvalidOpcode)
	}
	c.limit = 0
	return ok && c.end(in)
}

// writeCR3 forgets the translations of the new context, but for global ones,
// unless bit 63 says not to (Intel SDM 3A 4.10.4.1).
func (c *CPU) writeCR3(v uint64) bool {
	keep := c.cr4&cr4PCIDE != 0 && v>>63 != 0
	if c.cr4&cr4PCIDE != 0 {
		v &^= 1 << 63
	}
	if v>>physicalBits != 0 {
		return c.general(0)
	}
	c.cr3 = v
	if keep {
		c.contextSwitched()
	} else {
		c.flushContext(c.context())
	}
	return true
}

// writeCR0 checks as Intel SDM 2B, MOV to control registers, says.
func (c *CPU) writeCR0(v uint64) bool {
	v |= uint64(amd64.CR0ExtensionType)
	on := v &^ c.cr0
	switch {
	case v>>32 != 0, v&cr0PG != 0 && v&cr0PE == 0,
		v&uint64(amd64.CR0NotWriteThrough) != 0 && v&uint64(amd64.CR0CacheDisable) == 0,
		on&cr0PG != 0 && c.efer&eferLME != 0 && c.cr4&cr4PAE == 0,
		v&cr0PG == 0 && c.mode == mode64, v&cr0PG == 0 && c.cr4&cr4PCIDE != 0,
		v&cr0WP == 0 && c.cr4&cr4CET != 0:
		return c.general(0)
	}
	v &= cr0Known
	if on&cr0PG != 0 && c.efer&eferLME != 0 {
		c.efer |= eferLMA
	}
	if v&cr0PG == 0 {
		c.efer &^= eferLMA
	}
	entered, paging := on&cr0PE != 0, (v^c.cr0)&cr0PG != 0
	c.cr0 = v
	if paging {
		c.flushTLB()
	} else {
		c.contextSwitched() // WP is part of what may be done
	}
	if entered { // CS stays as it is until it is loaded: 16-bit
		c.segments[segCS].Access &^= machine.AccessBig | machine.AccessLong
		c.segments[segSS].Access &^= ring3
	}
	c.contextChanged()
	return true
}

func (c *CPU) writeCR4(v uint64) bool {
	on := v &^ c.cr4
	switch {
	case v&^cr4Known != 0,
		c.efer&eferLMA != 0 && (v&cr4PAE == 0 || (v^c.cr4)&cr4LA57 != 0),
		on&cr4PCIDE != 0 && (c.cr3&amd64.CR3ContextMask != 0 || c.efer&eferLMA == 0),
		v&cr4CET != 0 && c.cr0&cr0WP == 0:
		return c.general(0)
	}
	changed, before := v^c.cr4, c.context()
	off := c.cr4 &^ v
	c.cr4 = v
	switch { // Intel SDM 3A 4.10.4.1
	case changed&(cr4PGE|cr4LA57) != 0, off&cr4PCIDE != 0:
		c.flushTLB()
	case changed&cr4PAE != 0, on&cr4SMEP != 0:
		c.cache.forget(func(e *translation) bool { return e.context == before || e.global })
		c.cache.forgetTables(before)
		c.contextSwitched()
	default:
		c.contextSwitched()
	}
	c.contextChanged()
	return true
}

func operationReadDebug(c *CPU, in *inst) bool {
	if !c.debugAllowed() {
		return false
	}
	v := c.dr7
	switch n := in.reg & 7; {
	case n < 4:
		v = c.dr[n]
	case n&1 == 0:
		v = c.dr6
	}
	c.set(in.rm, c.controlSize(), v)
	return true
}

func operationWriteDebug(c *CPU, in *inst) bool {
	if !c.debugAllowed() {
		return false
	}
	v := c.get(in.rm, c.controlSize())
	n := in.reg & 7
	if n >= 4 && v>>32 != 0 {
		return c.general(0)
	}
	switch {
	case n < 4:
		c.dr[n] = v
	case n&1 == 0:
		c.dr6 = v&0xe00f | 0xffff0ff0
	default:
		c.dr7 = v&0xffff2fff | 0x400
		c.rflags &^= flagRF
		c.flushFast()
		c.limit = 0
	}
	return c.end(in)
}

// debugAllowed checks the privilege, and DR7.GD: the access is a #DB that
// clears it (Intel SDM 3B 18.2.4).
func (c *CPU) debugAllowed() bool {
	if c.cpl != 0 {
		return c.general(0)
	}
	if c.dr7&debugLocal != 0 {
		c.dr7 &^= debugLocal
		c.dr6 |= debugLocal // BD
		return c.raise(amd64.VectorDebug)
	}
	return true
}

func operationClearTaskSwitched(c *CPU, in *inst) bool {
	if c.cpl != 0 {
		return c.general(0)
	}
	c.cr0 &^= cr0TS
	c.contextChanged()
	return true
}

func operationInvalidatePage(c *CPU, in *inst) bool {
	if c.cpl != 0 {
		return c.general(0)
	}
	if va := c.address(in); c.canonical(va) {
		c.invalidate(va, c.context(), true)
	}
	return c.end(in)
}

// operationPrivileged is an instruction that has no effect here: WBINVD, INVD.
func operationPrivileged(c *CPU, in *inst) bool {
	if c.cpl != 0 {
		return c.general(0)
	}
	return true
}

func operationHalt(c *CPU, in *inst) bool {
	if c.cpl != 0 {
		return c.general(0)
	}
	c.activity = machine.Waiting
	c.limit = 0
	return c.end(in)
}

// operationInterruptFlag is CLI (op 0) and STI (op 1).
func operationInterruptFlag(c *CPU, in *inst) bool {
	if uint64(c.cpl) > c.rflags>>12&3 {
		return c.general(0)
	}
	if in.op == 0 {
		c.rflags &^= flagIF
		return true
	}
	c.shadow = c.rflags&flagIF == 0
	c.rflags |= flagIF
	c.limit = 0
	return c.end(in)
}

// operationAccessFlag is CLAC (op 0) and STAC (op 1).
func operationAccessFlag(c *CPU, in *inst) bool {
	if c.cpl != 0 || c.mode == modeReal {
		return c.raise(amd64.VectorInvalidOpcode)
	}
	c.rflags = c.rflags&^flagAC | uint64(in.op)*flagAC
	c.selectTLB()
	return true
}

// portAllowed checks IOPL and the I/O bitmap of the TSS (Intel SDM 1 19.5).
func (c *CPU) portAllowed(port uint16, size uint8) bool {
	if c.mode == modeReal || uint64(c.cpl) <= c.rflags>>12&3 {
		return true
	}
	if c.tr.Limit < 0x67 {
		return c.general(0)
	}
	base, ok := c.loadSlow(c.tr.Base+0x66, 2, accessRead|system)
	if !ok {
		return false
	}
	at := base + uint64(port)/8
	if at+1 > uint64(c.tr.Limit) {
		return c.general(0)
	}
	bits, ok := c.loadSlow(c.tr.Base+at, 2, accessRead|system)
	if !ok {
		return false
	}
	if bits>>(port&7)&(1<<size-1) != 0 {
		return c.general(0)
	}
	return true
}

func operationReadTime(c *CPU, in *inst) bool {
	if c.cr4&cr4TSD != 0 && c.cpl != 0 {
		return c.general(0)
	}
	t := c.now() + uint64(in.ordinal) + c.tscOffset
	c.set(machine.RAX, 4, t)
	c.set(machine.RDX, 4, t>>32)
	if in.op == 1 { // RDTSCP
		c.set(machine.RCX, 4, c.msr.tscAux)
	}
	return true
}

func operationSwapGS(c *CPU, in *inst) bool {
	if c.mode != mode64 {
		return c.raise(amd64.VectorInvalidOpcode)
	}
	if c.cpl != 0 {
		return c.general(0)
	}
	c.segments[segGS].Base, c.msr.kernelGSBase = c.msr.kernelGSBase, c.segments[segGS].Base
	c.r[regGS] = c.segments[segGS].Base
	return true
}

// operationSegmentBase is RDFSBASE, RDGSBASE, WRFSBASE, WRGSBASE: op 0 to 3.
func operationSegmentBase(c *CPU, in *inst) bool {
	if c.mode != mode64 || c.cr4&cr4FSGSBASE == 0 {
		return c.raise(amd64.VectorInvalidOpcode)
	}
	s := &c.segments[segFS+int(in.op&1)]
	if in.op < 2 {
		c.set(in.rm, in.size, s.Base)
		return true
	}
	v := c.get(in.rm, in.size)
	if !c.canonical(v) {
		return c.general(0)
	}
	s.Base = v
	c.r[regFS+in.op&1] = v
	return true
}

// operationExtendedControl is XGETBV (op 0) and XSETBV (op 1).
func operationExtendedControl(c *CPU, in *inst) bool {
	if c.cr4&cr4OSXSAVE == 0 {
		return c.raise(amd64.VectorInvalidOpcode)
	}
	if uint32(c.r[machine.RCX]) != 0 || in.op == 1 && c.cpl != 0 {
		return c.general(0)
	}
	if in.op == 0 {
		c.set(machine.RAX, 4, c.xcr0)
		c.set(machine.RDX, 4, c.xcr0>>32)
		return true
	}
	v := c.get(machine.RDX, 4)<<32 | c.get(machine.RAX, 4)
	if v&1 == 0 || v&^3 != 0 { // x87 and SSE are all that there is
		return c.general(0)
	}
	c.xcr0 = v
	return true
}

// operationProtectionKeys is RDPKRU (op 0) and WRPKRU (op 1).
func operationProtectionKeys(c *CPU, in *inst) bool {
	if c.cr4&cr4PKE == 0 {
		return c.raise(amd64.VectorInvalidOpcode)
	}
	if uint32(c.r[machine.RCX]) != 0 || in.op == 1 && uint32(c.r[machine.RDX]) != 0 {
		return c.general(0)
	}
	if in.op == 0 {
		c.set(machine.RAX, 4, uint64(c.pkru))
		c.set(machine.RDX, 4, 0)
		return true
	}
	c.pkru = uint32(c.r[machine.RAX])
	c.contextSwitched()
	return true
}
