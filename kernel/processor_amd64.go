//go:build linux

package kernel

// Layout of control: descriptor tables and stacks. From controlGDT to the end
// of the TSS's I/O bitmap everything becomes read-only; the page of padding on
// either side keeps other variables out of those pages.
const (
	controlGDT            = 0x1000
	controlIDT            = 0x1080
	controlTSS            = 0x1300
	controlProtectedEnd   = 0x3400 // TSS of 0x68 bytes, bitmap of 8192, closing byte
	controlVector         = 0x4400 // FXSAVE area of the exception handler
	controlTLS            = 0x4640 // FS base until the runtime sets its own
	controlRSP0           = 0x4c00 // top of the ring-0 stack
	controlNMI            = 0x4ff0 // tops of the IST stacks, below the word that says whose they are
	controlDoubleFault    = 0x53f0
	controlMachineCheck   = 0x57f0
	controlExceptionStack = 0x6800
	controlSyscallStack   = 0x7800
	controlPanicStack     = 0x8c00
	controlSize           = 0x8c40
)

// Selectors, as Linux has them (kvm_pvm knows no others).
const (
	taskSelector = 0x38
	userCode     = 0x33
	userData     = 0x2b
	vectorCount  = 32
)

// Model-specific registers (SDM 4, table 2-2).
const (
	msrEFER   = 0xc0000080
	msrSTAR   = 0xc0000081
	msrLSTAR  = 0xc0000082
	msrFMASK  = 0xc0000084
	msrFSBase = 0xc0000100
	msrGSBase = 0xc0000101
)

// Operations of the gate beside writing an MSR.
const (
	gateFirst     = 0xfffffff0
	gateRoot      = gateFirst + 0 // CR3 = value
	gateFlushPage = gateFirst + 1 // INVLPG value
	gateReadMSR   = gateFirst + 2 // result = the MSR of number value
	gateEnter     = gateFirst + 3 // jump to value in ring 0, RDI = enterArgument
	gateHalt      = gateFirst + 4
	gateReset     = gateFirst + 5 // triple fault
	gateIdentify  = gateFirst + 6 // CPUID of leaf value
	gateTable     = gateFirst + 7 // LIDT value
	gateWindow    = gateFirst + 8 // RFLAGS.IF = value, 0 or interruptFlag
)

// interruptFlag is RFLAGS.IF.
const interruptFlag = 1 << 9

// processorState is what only this architecture keeps in kernelState.
type processorState struct {
	entryCR4      uintptr
	cr0, cr4      uintptr
	efer, xcr0    uintptr
	fsBase        uintptr
	returnAddress uintptr // of the system call being entered
	scratch       uintptr
	trapFrame     uintptr // address of vector, error code and the CPU's frame
	enterArgument uintptr // RDI for what gateEnter enters
}

// registers is the general state of a thread between system calls. A system
// call loses RCX, R11 and the flags.
type registers struct {
	ax, bx, dx, si, di, bp, sp      uintptr
	r8, r9, r10, r12, r13, r14, r15 uintptr
	ip                              uintptr
}

// savedRegisters is what exceptionUser pushes, lowest address first.
type savedRegisters struct {
	r15, r14, r13, r12, r11, r10, r9, r8, bp, di, si, dx, cx, bx, ax uintptr
}

// trapFrame is what stub and CPU push.
type trapFrame struct {
	vector, code, ip, cs, flags, sp, ss uintptr
}

var (
	control [controlSize]byte // entry_amd64.s
	leave   [10]uintptr       // likewise
)

func entry()
func userStart()
func systemCall()
func systemCallUser()
func vectors()
func exception()
func undefined()
func gateRequest()
func nonMaskable()
func fatal()
func fatalUser()
func exceptionUser()
func gateInstruction()
func clock()
func gate(operation uint32, value uint64) (result uint64)
func ticks() uintptr
func pause()
func cpuid(leaf uint32) (eax, ebx, ecx, edx uint32)
func randomNumber() (value uint64, ok bool)
func fill(address, bytes, value uintptr)
func inputByte(port uint16) byte
func inputWord(port uint16) uint16
func inputLong(port uint16) uint32
func outputByte(port uint16, value byte)
func outputWord(port uint16, value uint16)
func outputLong(port uint16, value uint32)
func outputBytes(port uint16, address, count uintptr)
func symbols() (text, etext, rodata, erodata, end, vectors, clock uintptr)

//go:nosplit
func (r *registers) setReturn(v uintptr) { r.ax = v }

// initProcessor runs first in ring 3: what every later step needs, above all
// the interrupt descriptor table. Until it is there a fault is a triple fault.
//
//go:nosplit
func initProcessor() {
	k.panic.at = addressOf(&k.panic.own)
	k.stats.userTicks = ticks()
	s := &k.symbols
	s.text, s.etext, s.rodata, s.erodata, s.end, s.vectors, s.clock = symbols()
	idt := addressOf(&control) + controlIDT
	for i := uintptr(0); i < vectorCount; i++ {
		// IST 1 to 3 for NMI, #DF, #MC.
		stack := uintptr(0)
		switch i {
		case 2:
			stack = 1
		case 8:
			stack = 2
		case 18:
			stack = 3
		}
		putGate(idt+16*i, s.vectors+16*i, stack)
	}
	k.levels = 4
	if k.entryCR4&(1<<12) != 0 {
		k.levels = 5
	}
	k.root &^= 0xfff
}

//go:nosplit
func (r *registers) setStack(v uintptr) { r.sp = v }

// repeat makes the thread execute its system call once more when it runs next.
// What the wait returns, 0, is RAX again: SYS_READ.
//
//go:nosplit
func (r *registers) repeat() { r.ip -= 2 }

// epollDataOffset is where struct epoll_event, packed here, has its data.
const epollDataOffset = 4

// putGate writes an interrupt gate of DPL 0 (SDM 3A 6.14.1).
//
//go:nosplit
func putGate(p, handler, stack uintptr) {
	store64(p, handler&0xffff|0x10<<16|stack<<32|0x8e00<<32|handler>>16&0xffff<<48)
	store64(p+8, handler>>32)
}

// gigabytePages is hasGigabytePages for a goroutine.
func gigabytePages() bool {
	has, err := call(callGigabyte, 0, 0, 0, 0)
	return err == nil && has != 0
}

// hasGigabytePages reports whether the CPU has leaves of 1 GiB (CPUID 80000001H
// EDX[26]).
//
//go:nosplit
func hasGigabytePages() uintptr {
	if most, _, _, _ := cpuid(0x80000000); most < 0x80000001 {
		return 0
	}
	_, _, _, d := cpuid(0x80000001)
	return uintptr(d >> 26 & 1)
}

// hasRandomNumbers reports whether the CPU has RDRAND (CPUID 1 ECX[30]).
//
//go:nosplit
func hasRandomNumbers() uintptr {
	_, _, c, _ := cpuid(1)
	return uintptr(c >> 30 & 1)
}

// processorFeatures is AT_HWCAP, which Go does not look at here.
//
//go:nosplit
func processorFeatures() uintptr { return 0 }

// unmaskErrors has nothing to do: machine checks are on from the start.
//
//go:nosplit
func unmaskErrors() {}
