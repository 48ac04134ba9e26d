// Package rescue is the host's side of a rescue kernel: it arms, and when the
// host panics it hands the machine over.
//
// # Life cycle
//
// Arm, while the host is healthy, finds a contiguous block of memory (the
// reservation), puts the rescue program, its environment and its page tables
// into it, seals all of it, and tells the host's kernel what to do at a panic.
// All that can fail, fails here; Armed.Report says what each part costs. Then
// the reservation is read-only to the host, but for the pages that a panic is
// written to: a stray write faults.
//
// When the kernel panics, by itself or by Armed.Panic, the panic path writes
// reason and registers into the reservation's panic area, checks the seals and
// gives back where the trampoline is. It allocates nothing, takes no lock, uses no
// memory of the host's heap and runs on a stack in the reservation. Where a seal
// is broken there is no hand-off, and the panic area says which.
//
// Armed.Rearm replaces the rescue program at run time; one that fails leaves
// the earlier arming in force. Armed.Disarm gives the memory back.
//
// # Platform
//
// The machine is reached through Platform alone. Package kernel has one
// (kernel.Platform); a host on another bare-metal Go runtime, or on an
// operating system, brings its own. This package builds and plans everywhere; the
// panic path runs on amd64 and arm64.
//
// A host on package kernel arms in its first lines of main, with its first boot
// module as the rescue program:
//
//	boot, err := kernel.Boot()
//	memory, err := kernel.Memory()
//	armed, err := rescue.Arm(rescue.Config{
//		Platform:   kernel.Platform{},
//		Image:      physmem.NewExtentReader(memory, []physmem.Range{boot.Modules[0].Range}),
//		ImageRange: boot.Modules[0].Range, // is the host's again
//	})
//
// What an Arm does not do: start the other CPUs, find devices, choose targets.
// The host knows; Config takes it. With Config.Devices it reads the labels of the
// disks that the host names; Armed.Estimate says what a dump would take now.
package rescue
