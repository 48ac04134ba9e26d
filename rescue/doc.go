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
// Armed.Rearm replaces the rescue program at run time; one that fails leaves
// the earlier arming in force. Armed.Disarm gives the memory back.
//
// # At a panic
//
// When the kernel panics, by itself or by Armed.Panic, the panic path runs on a
// stack in the reservation. It allocates nothing, takes no lock, uses no memory of
// the host's heap, and writes to the reservation and the message buffer only. Its
// steps are always these:
//
//  1. the minimal record: reason, message and own registers, into the panic area
//     and, valid by itself, into the record area
//  2. the other CPUs are stopped, with one deadline for all (Config.Patience); each
//     saves its registers into its slot. Those that do not answer are counted
//  3. the rest: page tables, position of the message buffer; the record is
//     written again, whole, beside the minimal one
//  4. the notifiers that come before the hand-off (Config.Level)
//  5. the seals are checked, and the trampoline is entered
//  6. where a seal is broken, or there were too many panics in a row
//     (Config.LoopLimit): the other notifiers. Then the kernel prints what it
//     knows and resets
//
// A panic on the panic path leaves a tombstone, and the path goes on with the next
// step; a third resets at once. How long each step took, what came of each
// notifier, and which seals were broken is in the panic area (handoff.PanicArea),
// which the rescue program and `rescue inspect` read.
//
// A host that is not armed, or not any more, has none of this: its kernel stops the
// other CPUs, prints, and resets. There are no notifiers and no record then, and
// that is a decision: both need what arming makes, pages that the host cannot
// write over, stacks there, and addresses that were checked while it was healthy.
// A host that wants them and no dump arms a rescue program with one target,
// handoff.TargetRecord.
//
// # Notifiers
//
// A Notifier is in one of four lists, each with one meaning: hypervisor and
// firmware, informational, before a reset, last of all. It runs as Go code on a
// stack in the reservation, outside of any goroutine: what needs the runtime
// faults. One that faults, or that has not returned when its budget is over, is
// cut off; the next one follows. The cut-off is a one-shot timer around the
// notifier, the only time that interrupts are on after a panic. Where the
// platform has no such timer, only notifiers that are LoopFree are called before
// the hand-off.
//
// What Linux's panic_print gives is here Config.Information, each item an
// informational notifier. It goes to the message buffer, so into the dump. With
// package kernel, and InformationAll (`dumper bt` has the
// names of the calls):
//
//	panic: exit on CPU 0: the program ended with exit code 2
//	panic: calls: 0x500000492f2b 0x50000049006a
//	panic: CPU 0 rax 0xe7 rcx 0x500000492f2b rdx 0x5000005b1eb8 rbx 0x50000071a8a0
//	panic:   rsp 0x50000278bf78 rbp 0x50000278bf88 rsi 0x50000071a8a0 rdi 0x2
//	...
//	panic: goroutine 1 waiting: 0x50000048b9ce 0x50000046cbc6 0x500000548e7f
//	panic: goroutine 12 running: 0x500000490008 0x5000004573a5 0x50000048b52f
//	panic: memory in KiB: of programs 57892, free 47368, least ever free 44080, writable addresses 77812, page tables 88; page faults 180, system calls 285
//	panic: thread 1 running
//	panic: thread 2 asleep until 18997381 ns
//	panic: thread 3 futex 0x50004b950960
//	panic: record 2, panics in a row 1
//	panic: boot 1 record 1: ledger: task.fault.panic: index out of range
//
// # Records
//
// The record area is a part of the reservation. Arming looks first whether an
// earlier boot left one at the same place and goes on with it: its records stay
// until somebody acknowledges them (Armed.Records), and so does the count of
// panics in a row. Armed.Healthy ends the row.
//
// Two stores outlive the reservation. Config.Ramoops is memory that the panic path
// writes the record to, for Linux to find. Armed.SaveRecords copies to firmware's
// variables what earlier boots have left, while the host is healthy: why not at
// the panic is said in package record/efivar.
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
