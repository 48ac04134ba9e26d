package postmortem

import (
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/minidump"
)

// Why a back-trace ends. Any other reason is the error of reading the frame
// that would have been next.
var (
	// ErrEndOfStack: a frame pointer or return address of zero, which is how
	// entry code marks the outermost frame.
	ErrEndOfStack = errors.New("end of the stack")
	// ErrNoFramePointer: there are no registers to begin with.
	ErrNoFramePointer = errors.New("no program counter or frame pointer")
	// ErrBadFramePointer: a frame pointer that is no multiple of 8.
	ErrBadFramePointer = errors.New("bad frame pointer")
	// ErrFrameCycle: the chain comes back to a frame it went through.
	ErrFrameCycle = errors.New("the chain of frames is a circle")
	// ErrTooManyFrames: there are more than MaxFrames.
	ErrTooManyFrames = errors.New("too many frames")
)

// MaxFrames bounds a back-trace.
const MaxFrames = 1024

// Frame is one call on a stack.
type Frame struct {
	PC uint64 // where it is, or where its callee returns to
	FP uint64 // the frame pointer in it

	// Exact says that PC is the instruction being run, not the one after a
	// call: in the innermost frame and where an exception was taken.
	Exact bool
	// Exception describes the exception that was taken in this frame, which
	// the frames before it handle; empty where there was none.
	Exception string

	Function string // "" if no symbol has PC
	Offset   uint64 // of PC in Function
	File     string // of Go functions
	Line     int

	sp uint64 // amd64: the stack pointer when the callee returns
}

// Backtrace is the calls on a stack, innermost first.
type Backtrace struct {
	Frames []Frame
	Stop   error // why there are no more; never nil
}

// Backtrace walks the frame pointers from registers on. Both architectures,
// FreeBSD and Go alike, keep at the frame pointer the caller's frame pointer
// and after it the return address (AMD64 ABI 3.2.2, AAPCS64 6.4.6; Go's
// abi-internal.md).
func (k *Kernel) Backtrace(registers Registers) Backtrace {
	var b Backtrace
	if err := k.supported(); err != nil {
		b.Stop = err
		return b
	}
	pc, okPC := registers.PC()
	fp, okFP := registers.FP()
	if !okPC || !okFP {
		b.Stop = ErrNoFramePointer
		return b
	}
	type place struct{ pc, fp uint64 } // an interrupted function has its handler's fp
	seen := map[place]bool{}
	frame := k.frame(pc, fp, true)
	if caller, ok := k.callerOfEntry(frame, registers); ok {
		b.Frames = append(b.Frames, frame)
		frame = k.frame(caller, fp, false)
	}
	for {
		b.Frames = append(b.Frames, frame)
		switch {
		case len(b.Frames) >= MaxFrames:
			b.Stop = fmt.Errorf("%w: more than %d", ErrTooManyFrames, MaxFrames)
			return b
		case seen[place{frame.PC, frame.FP}]:
			b.Stop = fmt.Errorf("frame pointer %#x: %w", frame.FP, ErrFrameCycle)
			return b
		}
		seen[place{frame.PC, frame.FP}] = true
		next, err := k.caller(frame)
		if err != nil {
			b.Stop = err
			return b
		}
		frame = next
	}
}

// frame looks up the names for a frame. A return address is looked up one
// byte before itself: a call that does not return may be a function's last
// instruction.
func (k *Kernel) frame(pc, fp uint64, exact bool) Frame {
	f := Frame{PC: pc, FP: fp, Exact: exact}
	at := pc
	if !exact && at > 0 {
		at--
	}
	if s, offset, ok := k.Symbols.Find(at); ok {
		f.Function, f.Offset = s.Name, offset+(pc-at)
	}
	f.File, f.Line, _ = k.Symbols.Line(at)
	return f
}

// caller reads the frame that called f, or that an exception interrupted when
// f is its handler's entry code.
func (k *Kernel) caller(f Frame) (Frame, error) {
	if interrupted, ok, err := k.interrupted(f); ok || err != nil {
		return interrupted, err
	}
	if f.FP == 0 {
		return Frame{}, ErrEndOfStack
	}
	if f.FP%8 != 0 {
		return Frame{}, fmt.Errorf("frame pointer %#x: %w", f.FP, ErrBadFramePointer)
	}
	fp, err := k.uint64(f.FP, "frame")
	if err != nil {
		return Frame{}, err
	}
	pc, err := k.uint64(f.FP+8, "return address")
	if err != nil {
		return Frame{}, err
	}
	if pc == 0 {
		return Frame{}, fmt.Errorf("return address at %#x: %w", f.FP+8, ErrEndOfStack)
	}
	next := k.frame(k.stripAuthentication(pc), fp, false)
	next.sp = f.FP + 16
	return next, nil
}

// stripAuthentication removes the pointer authentication code that arm64
// puts in the upper bits of return addresses (DDI 0487 D8.8): bit 55 says which
// half of the address space it is, and with 48-bit addresses all bits from 48 on
// are then alike.
func (k *Kernel) stripAuthentication(pc uint64) uint64 {
	if k.Architecture != minidump.ARM64 {
		return pc
	}
	const upper = uint64(0xffff) << 48
	if pc&(1<<55) != 0 {
		return pc | upper
	}
	return pc &^ upper
}

// callerOfEntry finds the caller of an innermost frame that has not set up
// its frame pointer yet: a function at its first instruction, or a call to
// nowhere. The return address is still where the call put it.
func (k *Kernel) callerOfEntry(f Frame, registers Registers) (uint64, bool) {
	const nowhere = 4096 // a call through nil, or nil and a field's offset
	if f.PC >= nowhere && (f.Function == "" || f.Offset != 0) {
		return 0, false
	}
	if k.Architecture == minidump.ARM64 {
		lr, ok := registers.Get("x30")
		return k.stripAuthentication(lr), ok && lr != 0 && lr != f.PC
	}
	sp, ok := registers.SP()
	if !ok {
		return 0, false
	}
	pc, err := k.uint64(sp, "return address")
	return pc, err == nil && pc != 0
}
