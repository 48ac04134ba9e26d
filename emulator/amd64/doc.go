// Package amd64 is an amd64 CPU in Go: instructions, paging, exceptions and the
// local APIC, as machdep/amd64 names them and the Intel SDM defines them.
//
// A [CPU] decodes an instruction once, into a compact form that is kept with
// the others of its basic block for as long as the page they lie in does not
// change. Loads and stores find their page in arrays of translations. Flags are
// computed when somebody looks at them.
//
// # What there is
//
// 64-bit mode whole, as far as programs for GOAMD64=v1 and kernels for them
// go: the integer instructions, SSE and SSE2, and of later sets those that
// CPUID tells of; of x87 its state, and the loads, stores and control
// instructions that need no arithmetic. Protected mode and real mode as
// far as the way into 64-bit mode needs them: segment limits are not checked
// there, and interrupts and exceptions are delivered in 64-bit mode only.
//
// An instruction that is not there stops the machine: reason machine.Failed,
// with its bytes, its disassembly, where it is and all registers. So does what
// is outside of the model: rounding modes other than to nearest, flush to zero.
// The exception flags in MXCSR are not set by arithmetic.
//
// CPUID tells of SSE4.1, of which DPPS, DPPD, INSERTPS, MPSADBW and PHMINPOSUW
// stop the machine so; of MMX there is EMMS only. Breakpoints that a guest sets
// in DR0 to DR3 never hit; DR7.GD does. There is no x2APIC, and MOV to CR8 is the
// local APIC's task priority only in what it holds back.
//
// # Caches
//
// Translations are kept no longer than the architecture allows: MOV to CR3
// and CR4, INVLPG and the rest drop them all, global ones too, so a guest that
// forgets to invalidate one may be found out later than on another CPU. Code
// that is changed is seen at the next instruction.
package amd64
