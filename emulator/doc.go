// Package emulator is what pure-Go machines are made of, whatever their CPU:
// [Memory], with watch points and with notice for those who cache what is in
// it, and [Machine], which lets CPUs take turns in virtual time.
//
// The CPUs are in packages below this one: emulator/amd64 and emulator/arm64. A
// runner (machine/emulated) joins memory, CPUs and devices and gives them the
// interface of package machine.
//
// # Determinism
//
// All CPUs of a machine run on one goroutine, one after the other, [Slice]
// instructions each. Time is virtual: it is the number of instructions that
// were executed, plus what CPUs that wait skip. Nothing reads the computer's
// clock and nothing is random, so two runs from the same state are equal in
// every byte.
//
// Nothing in this package takes a lock. A Memory and a Machine are for one
// goroutine at a time; the runner sees to that.
//
// Addresses are physical, sizes are bytes, times are ticks of virtual time.
package emulator
