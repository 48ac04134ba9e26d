// Package machine is the interface of a machine that hand-offs run on.
//
// A [Machine] has RAM, CPUs, a serial port and a way to stop. It is made by a
// runner - machine/kvm, machine/qemu, machine/emulated - from a [Config], and
// every runner passes the one contract in machine/machinetest. The test
// process is outside of the machine: it reads and writes the machine's memory
// and registers with the CPUs stopped, so nothing that the guest does can
// colour what is seen.
//
// # Life cycle
//
// New of a runner gives a machine that is stopped, with the boot image loaded
// and CPU 0 at its entry; the other CPUs are off. Run, RunTo and Step let it
// go on; each returns when the machine has stopped again, with an [Exit] that
// says why. A machine that has stopped can be looked at, changed, and let go
// on. Close frees all that the machine holds.
//
// Run, RunTo, Step, State, SetState, Reset and Snapshot are for one goroutine
// at a time. Memory may be read at any time, and NMI may be sent at any time.
//
// # Errors
//
// What the guest does is never an error: a triple fault is an Exit. An error
// says that the machine could not be run: [ErrUnavailable] where this computer
// cannot run such machines at all (a test skips), [ErrUnsupported] where this
// runner cannot do one thing, [ErrClosed] after Close.
//
// # Loading
//
// [LoadLinux64] and [LoadPVH] write a boot image and its boot parameters into
// memory and give the CPU's state at the entry, for the runners that have no
// firmware to do it.
//
// Addresses are physical unless they are said to be virtual. Sizes are bytes.
package machine
