// Package kvm runs machines on Linux's KVM, on amd64: the real CPU's rules.
//
// It is a small virtual machine of its own on gokvm's ioctl layer
// (github.com/bobuhiro11/gokvm/kvm). gokvm's own machine always has the
// in-kernel interrupt controller, so HLT never comes back from it, and cannot
// be closed; this one has it only where [machine.Config].InterruptController
// asks for it.
//
// The machine has RAM where the Config says (default: one range from 0, split
// at 3 GiB with the rest from 4 GiB on), a 16550 at 0x3f8, debug exit at 0xf4,
// pvpanic at 0x505, resets at 0xcf9 and 0x64, and the Config's Devices. There
// is no firmware: an ELF64 boot image is entered by the Linux 64-bit protocol,
// or by PVH where the Boot asks for it.
//
// Disks are virtio block devices ([Options] says which kind), answered for by
// this process: disk i is 00:(i+1).0 on a PCI bus that is reached through I/O
// ports 0xcf8 and 0xcfc, with its BARs assigned: I/O ports 0xc000 + 128*i,
// memory from 0xfe000000; or on MMIO, its registers at 0xfeb00000 + 512*i. There
// must be no RAM at those addresses. Without disks there is no PCI. With
// the interrupt controller the disks share I/O APIC input 11. The
// function Blocks of package emulator/device gives their models, with counters.
//
// CPUID leaf 0x40000010 names the TSC's frequency in kHz in EAX.
//
// Without the interrupt controller a machine is Halted when all CPUs that are
// on have executed HLT, whatever their interrupt flag; CPUs other than 0 are
// off until SetState turns them on. With it, they are started by INIT and
// SIPI, and Halted means that all are in HLT with interrupts off; it is looked
// for every 50 ms, in which all CPUs stop for some 0.1 ms.
//
// # Limits of some hosts
//
// Where KVM is kvm_pvm (nested, no VMX), ring 0 is emulated at about 1 us an
// instruction and knows few of them, breakpoints and single steps work in ring
// 0 only, and 5-level paging is refused. spec/libraries.md has the list.
//
// /dev/kvm missing or not permitted, and every other operating system and
// architecture, give machine.ErrUnavailable.
package kvm
