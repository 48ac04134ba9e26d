package kernel

// Signals that the kernel itself sends or looks at; Linux's numbers, the same
// on both architectures.
const (
	signalIllegal = 4
	signalTrap    = 5
	signalAbort   = 6
	signalBus     = 7
	signalFloat   = 8
	signalSegment = 11
	signalURG     = 23
	maxSignal     = 65
)

// Codes of siginfo (include/uapi/asm-generic/siginfo.h).
const (
	codeKernel      = 0x80 // SI_KERNEL
	codeNotMapped   = 1    // SEGV_MAPERR
	codeNoAccess    = 2    // SEGV_ACCERR
	codeDivide      = 1    // FPE_INTDIV
	codeInstruction = 1    // ILL_ILLOPC
	codeAlignment   = 1    // BUS_ADRALN
	codeBreakpoint  = 1    // TRAP_BRKPT
)

// signalTable is what rt_sigaction has set.
type signalTable struct {
	handler  [maxSignal + 1]uintptr
	flags    [maxSignal + 1]uintptr
	restorer uintptr
}

// action is rt_sigaction: old and new are addresses of struct sigaction or 0.
//
//go:nosplit
func (s *signalTable) action(number, new, old uintptr) uintptr {
	if number == 0 || number > maxSignal {
		return errnoInvalid
	}
	h, f := element(&s.handler[0], number), element(&s.flags[0], number)
	if old != 0 {
		store64(old, *h)
		store64(old+8, *f)
		store64(old+16, s.restorer)
		store64(old+24, 0)
	}
	if new != 0 {
		*h = load64(new)
		*f = load64(new + 8)
		s.restorer = load64(new + 16)
	}
	return 0
}

// taken returns the handler of a signal, 0 if it has none: SIG_DFL is 0,
// SIG_IGN 1.
//
//go:nosplit
func (s *signalTable) taken(number uintptr) uintptr {
	if number == 0 || number > maxSignal {
		return 0
	}
	if h := *element(&s.handler[0], number); h > 1 {
		return h
	}
	return 0
}

// alternate is sigaltstack.
//
//go:nosplit
func (t *thread) alternate(new, old uintptr) {
	const disabled = 2
	if old != 0 {
		store64(old, t.stack)
		store64(old+8, 0)
		if t.stackSize == 0 {
			store64(old+8, disabled)
		}
		store64(old+16, t.stackSize)
	}
	if new != 0 {
		t.stack = load64(new)
		t.stackSize = load64(new + 16)
		if load32(new+8)&disabled != 0 {
			t.stackSize = 0
		}
	}
}

// changeMask is rt_sigprocmask.
//
//go:nosplit
func (t *thread) changeMask(how, new, old uintptr) uintptr {
	before := t.mask
	if new != 0 {
		set := load64(new)
		switch how {
		case 0:
			t.mask |= set
		case 1:
			t.mask &^= set
		case 2:
			t.mask = set
		default:
			return errnoInvalid
		}
	}
	if old != 0 {
		store64(old, before)
	}
	return 0
}
