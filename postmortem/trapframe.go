package postmortem

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/seed64aab995/rescuekernel/minidump"
)

// ErrUserMode ends a back-trace where the kernel was entered from user mode,
// by a system call or an exception: the stack before it is the process's.
var ErrUserMode = errors.New("entered from user mode")

// Exception entry code of FreeBSD calls its handlers with the interrupted
// function's frame pointer still in place, so that a walk along frame
// pointers alone would leave out the function that matters most. The entry
// code is known by name, as it is to ddb (amd64/db_trace.c,
// arm64/db_trace.c), and the registers it saved are next to the frame.

// entry is what a piece of entry code is entered for.
type entry struct {
	kind string // of exception
	user bool   // always from user mode
	end  bool   // nothing called it
}

var entries = map[string]entry{
	"fork_trampoline": {end: true},
	// amd64
	"calltrap": {kind: "trap"}, "alltraps": {kind: "trap"}, "alltraps_with_regs_pushed": {kind: "trap"},
	"nmi_calltrap": {kind: "nmi"}, "mchk_calltrap": {kind: "machine check"}, "Xdblfault": {kind: "double fault"},
	"Xtimerint": {kind: interrupt}, "Xipi_intr_bitmap_handler": {kind: interrupt}, "Xcpustop": {kind: interrupt},
	"Xcpususpend": {kind: interrupt}, "Xrendezvous": {kind: interrupt},
	"Xfast_syscall": {user: true}, "fast_syscall_common": {user: true}, "int0x80_syscall_common": {user: true},
	// arm64
	"handle_el1h_sync": {kind: "exception"}, "handle_el1h_irq": {kind: interrupt},
	"handle_serror": {kind: "system error"}, "handle_empty_exception": {kind: "unhandled exception"},
	"handle_el0_sync": {user: true}, "handle_el0_irq": {user: true},
}

const interrupt = "interrupt"

// interruptPrefixes begin the names of amd64's interrupt entry points that
// are numbered.
var interruptPrefixes = []string{"Xatpic_intr", "Xapic_isr"}

func findEntry(function string) (entry, bool) {
	if e, ok := entries[function]; ok {
		return e, true
	}
	for _, prefix := range interruptPrefixes {
		if strings.HasPrefix(function, prefix) {
			return entry{kind: interrupt}, true
		}
	}
	return entry{}, false
}

// interrupted returns the frame in which the exception was taken whose entry
// code f is; false where f is no entry code, or its trap frame cannot be made
// out.
func (k *Kernel) interrupted(f Frame) (Frame, bool, error) {
	e, ok := findEntry(f.Function)
	switch {
	case !ok:
		return Frame{}, false, nil
	case e.end:
		return Frame{}, false, fmt.Errorf("%s: %w", f.Function, ErrEndOfStack)
	case e.user:
		return Frame{}, false, fmt.Errorf("%s: %w", f.Function, ErrUserMode)
	case k.Architecture == minidump.ARM64:
		frame, ok := k.interruptedARM64(f, e.kind)
		return frame, ok, nil
	}
	return k.interruptedAMD64(f, e.kind)
}

// Offsets in amd64's struct trapframe (x86/include/frame.h).
const (
	trapAMD64FP      = 64  // tf_rbp
	trapAMD64Number  = 120 // tf_trapno, u32
	trapAMD64Address = 128 // tf_addr
	trapAMD64Error   = 144 // tf_err
	trapAMD64PC      = 152 // tf_rip
	trapAMD64CS      = 160 // tf_cs; tf_rflags follows, and on a change of ring tf_rsp, tf_ss
	trapAMD64Size    = 176
)

// interruptedAMD64 reads the trap frame that lies where the stack pointer of
// the entry code was when it called its handler.
func (k *Kernel) interruptedAMD64(f Frame, kind string) (Frame, bool, error) {
	data := make([]byte, trapAMD64Size)
	if f.sp == 0 || k.read(data, f.sp, "trap frame") != nil {
		return Frame{}, false, nil
	}
	word := func(offset int) uint64 { return binary.LittleEndian.Uint64(data[offset:]) }
	description := kind
	if kind != interrupt {
		description = fmt.Sprintf("%s %d, address %#x, error %#x", kind,
			binary.LittleEndian.Uint32(data[trapAMD64Number:]), word(trapAMD64Address), word(trapAMD64Error))
	}
	if word(trapAMD64CS)&3 != 0 {
		return Frame{}, false, fmt.Errorf("%s: %s: %w", f.Function, description, ErrUserMode)
	}
	interrupted := k.frame(word(trapAMD64PC), word(trapAMD64FP), true)
	interrupted.Exception = description
	return interrupted, true, nil
}

// trapLayout is one of the two forms of arm64's struct trapframe
// (arm64/include/frame.h), which ends where the entry code's frame pointer
// points: sp, lr, elr, then spsr and esr of 4 bytes each or, in newer
// kernels, spsr, esr and far of 8 bytes each, then x0 to x29.
type trapLayout struct {
	size uint64
	esr  int
}

const trapARM64PC = 16 // tf_elr

var trapLayoutsARM64 = []trapLayout{{size: 288, esr: 32}, {size: 272, esr: 28}}

// interruptedARM64 tells the two layouts apart by which has a function where
// the pc should be: in the other one that word is a stack pointer or a
// syndrome.
func (k *Kernel) interruptedARM64(f Frame, kind string) (Frame, bool) {
	for _, layout := range trapLayoutsARM64 {
		data := make([]byte, layout.size)
		if f.FP < layout.size || k.read(data, f.FP-layout.size, "trap frame") != nil {
			continue
		}
		pc := binary.LittleEndian.Uint64(data[trapARM64PC:])
		if s, _, ok := k.Symbols.Find(pc); !ok || !s.Function {
			continue
		}
		interrupted := k.frame(pc, binary.LittleEndian.Uint64(data[layout.size-8:]), true)
		interrupted.Exception = kind
		if kind != interrupt {
			interrupted.Exception += fmt.Sprintf(", esr %#x", binary.LittleEndian.Uint32(data[layout.esr:]))
		}
		return interrupted, true
	}
	return Frame{}, false
}
