// Package postmortem explains a dumped kernel: who ran where, with which
// registers, and what code that was.
//
// A [Kernel] is a dump's virtual memory, its architecture and the kernel's
// symbols. From it come
//
//   - the threads of a FreeBSD kernel ([Kernel.Threads]), found through the
//     symbols that FreeBSD keeps for debuggers (proc_off_…, thread_off_…),
//   - the registers of CPUs that the dump notes of our own dumps hold ([CPUs]),
//   - back-traces along the frame pointers ([Kernel.Backtrace]), across the trap
//     frames of FreeBSD's exception handlers,
//   - disassembly with names for the addresses in it ([Kernel.Disassemble]).
//
// amd64 and arm64 are known, on any machine. Numbers in memory are little-endian,
// as both architectures' kernels have them.
//
// Everything in a dump may be wrong: the kernel has crashed, pages are
// missing, and a live dump is no snapshot. Lists are followed for a bounded number
// of elements and cycles are noticed; what cannot be read is reported beside what
// can, and stops nothing else.
package postmortem
