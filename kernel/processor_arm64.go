//go:build linux

package kernel

import (
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
)

// Layout of control: stacks, from the lowest address on. EL1 itself has none.
const (
	controlExceptionStack = 0x2000
	controlSyscallStack   = 0x3000
	controlPanicStack     = 0x4400
	controlNMI            = controlPanicStack // there is nothing that needs one of its own
	controlDoubleFault    = controlPanicStack
	controlMachineCheck   = controlPanicStack
	controlSize           = 0x4440
)

// Operations of the gate.
const (
	gateFlush      = 0 // the whole TLB, on every CPU; if the argument is not 0 instruction caches too
	gateEnter      = 1 // jump to the first argument at EL1, X0 the second
	gateHalt       = 2
	gateHypervisor = 3  // HVC with the arguments in X0 to X3
	gateMonitor    = 4  // SMC
	gateSwitch     = 5  // this CPU's TTBR0, VBAR and SP_EL1
	gateInterface  = 6  // the CPU interface of GICv3, with a priority mask
	gateSend       = 7  // ICC_SGI1R_EL1
	gateMask       = 8  // DAIF of EL0
	gateTimer      = 9  // so many ticks of the virtual timer, 0: off
	gateWait       = 10 // for the interrupt that stops this CPU
	gateGuard      = 11 // the vectors of the CPU that panics
)

// Immediates of SVC: system calls have 0, as Linux's.
const (
	svcGate   = 1
	svcReturn = 2 // to the trapped context
)

// idCount is how many ID registers there are, 16 rows of 8 (DDI 0487
// D18.2, table D18-2): op0 3, op1 0, CRn 0; those that the kernel keeps are in
// idKept.
const idCount = 13

// processorState is what only this architecture keeps in kernelState.
type processorState struct {
	trap       trapFrame  // of the last exception
	scratch    [2]uintptr // X16 and X17 while a stub runs
	panicStack uintptr    // top
	id         [idCount]uintptr
	sctlr      uintptr
	tcr        uintptr
	mair       uintptr
	cpacr      uintptr
	conduit    uintptr   // handoff.Conduit
	restorer   uintptr   // where signal handlers return to
	pstate     uintptr   // of EL0
	first      secondary // of CPU 0, as long as it is the only one
	controller controller
}

// trapFrame is what the stub saves that exceptionUser cannot see.
type trapFrame struct {
	pc, pstate, sp, x18, esr, far uintptr
}

// registers is the general state of a thread between system calls. A system
// call loses X16 to X18, which no caller keeps anything in, and the flags.
type registers struct {
	x      [31]uintptr
	sp, ip uintptr
}

// savedRegisters is what exceptionUser keeps of the trapped context beside
// k.trap, which x[18] comes from.
type savedRegisters struct {
	x [31]uintptr
}

var control [controlSize]byte

func entry()
func userStart()
func systemCallUser()
func vectors()
func exception()
func gateRequest()
func trapReturn()
func exceptionUser()
func gateInstruction()
func clock()
func signalRestorer()
func gate(operation, a0, a1, a2, a3 uintptr) (result uintptr)
func ticks() uintptr
func pause()
func publish()
func signalEvent()
func counterFrequency() uintptr
func randomNumber() (value uint64, ok bool)
func fill(address, bytes, value uintptr)
func cleanCache(address, bytes uintptr)
func symbols() (text, etext, rodata, erodata, end, vectors, clock, restorer uintptr)

//go:nosplit
func (r *registers) setReturn(v uintptr) { r.x[0] = v }

//go:nosplit
func (r *registers) setStack(v uintptr) { r.sp = v }

// repeat makes the thread execute its system call once more when it runs next.
// What the wait returns, 0, is also the file's number: standard input.
//
//go:nosplit
func (r *registers) repeat() { r.ip -= 4 }

// epollDataOffset is where struct epoll_event has its data.
const epollDataOffset = 8

// initProcessor runs first at EL0.
//
//go:nosplit
func initProcessor() {
	k.panic.at = addressOf(&k.panic.own)
	k.stats.userTicks = ticks()
	s := &k.symbols
	s.text, s.etext, s.rodata, s.erodata, s.end, s.vectors, s.clock, k.restorer = symbols()
	k.levels = 4
	k.panicStack = addressOf(&control) + controlPanicStack
	k.pstate = entryPSTATE
	k.first.place, k.first.cpu = 1, k.cpu
}

// The ID registers that are kept, in the order of machdep/arm64.IDRegisters but
// for those that EL0 can read. CRm and op2 of each.
const (
	idMIDR  = 0
	idMPIDR = 1
	idPFR0  = 2
	idPFR1  = 3
	idMMFR0 = 4
	idMMFR1 = 5
	idMMFR2 = 6
	idISAR0 = 7
	idISAR1 = 8
	idDFR0  = 9
)

// idRegister is the value of an ID register by its CRm and op2; those that are
// not kept read as zero, which stands for nothing there.
//
//go:nosplit
func idRegister(crm, op2 uintptr) uintptr {
	i := uintptr(idCount - 1) // never written
	switch crm<<3 | op2 {
	case 0:
		i = idMIDR
	case 5:
		i = idMPIDR
	case 4 << 3:
		i = idPFR0
	case 4<<3 | 1:
		i = idPFR1
	case 5 << 3:
		i = idDFR0
	case 6 << 3:
		i = idISAR0
	case 6<<3 | 1:
		i = idISAR1
	case 7 << 3:
		i = idMMFR0
	case 7<<3 | 1:
		i = idMMFR1
	case 7<<3 | 2:
		i = idMMFR2
	}
	return *element(&k.id[0], i)
}

// gigabytePages: every CPU has blocks of 1 GiB with 4 KiB granules.
func gigabytePages() bool { return true }

// hasRandomNumbers reports whether the CPU has RNDR (ID_AA64ISAR0_EL1.RNDR).
//
//go:nosplit
func hasRandomNumbers() uintptr {
	if k.id[idISAR0]>>60 != 0 {
		return 1
	}
	return 0
}

// processorFeatures is AT_HWCAP (Linux arch/arm64/include/uapi/asm/hwcap.h):
// what Go's libraries look for. Without HWCAP_CPUID nobody reads ID registers.
//
//go:nosplit
func processorFeatures() uintptr {
	features := uintptr(1<<0 | 1<<1) // FP, ASIMD
	isar := k.id[idISAR0]
	if aes := isar >> 4 & 15; aes >= 1 {
		features |= 1 << 3
		if aes >= 2 {
			features |= 1 << 4 // PMULL
		}
	}
	if isar>>8&15 >= 1 {
		features |= 1 << 5 // SHA1
	}
	if sha2 := isar >> 12 & 15; sha2 >= 1 {
		features |= 1 << 6
		if sha2 >= 2 {
			features |= 1 << 21 // SHA512
		}
	}
	if isar>>16&15 >= 1 {
		features |= 1 << 7 // CRC32
	}
	if isar>>20&15 >= 2 {
		features |= 1 << 8 // atomics
	}
	return features
}

// entryPSTATE is what EL0 runs with: everything masked; takingPSTATE that of a
// host with an interrupt controller.
const (
	entryPSTATE  = uintptr(arm64.PSTATEAllMasked)
	takingPSTATE = entryPSTATE &^ uintptr(arm64.PSTATEIRQ)
)

// unmaskErrors has a host's CPU 0 take SErrors, what this architecture has in place of
// machine checks. Until then one would come before there is a panic path, and in a
// rescue program nothing must stop the dump.
//
//go:nosplit
func unmaskErrors() { setMask(k.pstate &^ uintptr(arm64.PSTATESError)) }

// setMask sets what of CPU 0's exceptions EL0 masks.
//
//go:nosplit
func setMask(pstate uintptr) {
	k.pstate = pstate
	gate(gateMask, pstate, 0, 0, 0)
}
