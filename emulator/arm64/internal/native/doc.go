// Package native runs single instructions on another arm64 CPU, for tests that
// compare the emulated one with it: on the computer's own where that is an
// arm64 under Linux, and under qemu-aarch64 elsewhere.
//
// What executes them is a program of its own, package child below this one,
// which Start builds and runs. It reads batches of [Case] on its standard input
// and answers with as many [Result] on its standard output.
//
// # A case
//
// A case is up to four instructions, the registers that an EL0 program sees, and
// [MemorySize] bytes of memory. The instructions lie at [Entry] of their slot
// ([Slot]); every other word of the slot is a way out, and the result says which
// one was taken: so branches can be tested too. Before a case runs, memory is
// copied to two windows: the first half lies around the border of two pages at
// [Middle], the second half before [End], behind which nothing is mapped.
//
// An instruction that makes a signal gives its number, its PC and its address,
// with all registers as they were then.
//
// All numbers are little-endian.
package native
