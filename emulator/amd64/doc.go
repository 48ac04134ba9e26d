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
// CPUID does not tell of MMX, of which there is EMMS only. There is no x2APIC, and
// MOV to CR8 is the local APIC's task priority only in what it holds back.
//
// Control-flow enforcement is there as far as a kernel that leaves it needs:
// ENDBR64 is waited for, near calls and returns use the shadow stack, and what
// else would have to change one (interrupts, far branches, SYSCALL) stops the
// machine.
//
// # Caches
//
// Translations stay in the TLB, and tables in the paging-structure caches, until
// the architecture makes the CPU forget them (Intel SDM 3A 4.10.4.1): with PCIDs,
// global pages, INVLPG, INVPCID, and CR3's bit 63. It keeps more, and longer, than
// most CPUs do. So a guest that changes tables and forgets to invalidate is found
// out: it goes on with what the tables said before, and where rights were added
// it gets a fault. Code that is changed is seen at the next instruction.
//
// # Tests
//
// TestDifferential executes instances of every entry of the tables, but for a list
// of exempt ones with reasons, on the real CPU and here, and compares all registers
// and memory. The flag -full has it execute a million and more, -seed others.
// Privileged instructions and page walks are compared with KVM's by the tests of
// machine/emulated.
package amd64
