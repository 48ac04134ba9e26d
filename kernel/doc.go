// Package kernel runs a Go program as a kernel: the program that imports it, on
// the bare machine, with the stock toolchain and runtime. The program is a host
// (it arms by package rescue) or a rescue program; both are the same here.
//
// # Use
//
// A program imports the package, for its functions or just so, and is linked for
// the kernel window with the package's entry point:
//
//	GOOS=linux CGO_ENABLED=0 go build -ldflags '-E github.com/seed64aab995/rescuekernel/kernel.entry -T 0x500000411000'
//
// The file is a rescue image as it is; package bootimage wraps it as a host that
// boots. Started by Linux it is an ordinary program: [Running] says which it is,
// and what only the kernel can do returns [ErrNotRunning].
//
// Of Linux the runtime gets what it needs and no more: memory, threads that
// switch when one waits, futexes, one poller, signals for faults, clocks, random
// numbers, and files 0, 1 and 2, which are the console. Everything else is ENOSYS
// or ENOENT. A host's arguments and variables come from the boot loader's command
// line as Linux's init gets them (hostname=NAME names the host); a rescue
// program's variables are those of the hand-off block.
//
// There is one CPU for Go, and there are no interrupts: a goroutine that computes
// without calls is not preempted, and idling spins. [StartCPU] gives one function
// another CPU. Drivers poll, with [In8] and its kin and [MapDevice].
//
// # Rings
//
// Nearly all of the kernel is Go in ring 3, on page tables that it can write.
// Ring 0 is the entry (under 90 instructions), seven instructions of a system
// call, ten of an exception, and the gate: a UD2 at one address that asks for a
// model-specific register, the page-table root, a flush, or a jump that leaves
// for good. This is the smallest ring 0 there can be, and where a hypervisor
// emulates ring 0 it is also the fastest.
//
// Functions that run for the kernel are nosplit, keep addresses as uintptr,
// allocate nothing and do not panic. They run on stacks of their own: a system
// call, and so every exported function that changes the kernel's state, is
// atomic. Their state is one variable of initialized data, because .bss is not
// mapped when they begin.
//
// # Address space
//
// Package handoff has the constants. The direct map is RAM and nothing else: a
// host's all of it, writable but for the program's text; a rescue program's the
// host's RAM, read-only, and the reservation. One window has image, stack, heap:
// mmap is answered from its lowest free place, never at random, and the window is
// at most as large as RAM and 4 GiB. Pages are made when they are touched, in
// blocks of up to 8, and given back by madvise and munmap. No page is writable
// and executable. Descriptor tables, task state and text are read-only once the
// kernel is up, at every address that they have; the page tables are not.
//
// An access to what is not mapped becomes a Go panic where Go makes one of it
// (nil dereference; debug.SetPanicOnFault) and ends the program otherwise.
//
// # Panics
//
// The kernel panics when the program exits with a status other than 0 or raises a
// signal that nobody handles (so for every fatal error of the runtime, whose text
// is in the message buffer by then), for an exception that no handler takes, in
// ring 3 or 0, a double fault, a machine check, an NMI if asked for, when no
// frame is left, and by [Panic]. All end in one routine, on the panic stack, with
// a handoff.PanicContext that has the registers of the context that panicked: the
// trapped one's, or the caller's. [OnPanic] says what is done then, and in which
// order (see package rescue, "At a panic"); without a handler the kernel stops the
// other CPUs, prints the context and resets. A second panic calls the handler once
// more, a third resets. os.Exit(0) turns the machine off.
//
// The handler has from the kernel what Facts().Panic lists. Other CPUs are stopped
// by an NMI, which each takes on a stack in the reservation, saves its registers
// and halts. A notifier is called with a g that has no m; exceptions then go
// through a table in the reservation, and the local APIC's timer, the one
// interrupt that its task priority lets through, ends a notifier that hangs.
// Nothing of the host's memory is written for any of it.
//
// # For a dump
//
// A host keeps FreeBSD's page bitmap in its frame allocator, a dump_avail page,
// and a message buffer (struct msgbuf behind the ring) behind files 1 and 2.
// [Facts] says where they are; [Platform] is all of this as package rescue wants
// it.
//
// # Requirements
//
// amd64 with NX; 4 or 5 levels of page tables. arm64 with 4 KiB granules, entered
// at EL1. RAM below 512 GiB is used, more is left alone. On other platforms the
// package builds, and its functions say that they are not in the kernel. A program
// that calls unsafe code can break the kernel: ring 3 protects against accidents,
// not against malice.
//
// # arm64
//
// All of this holds with EL1 for ring 0 and EL0 for ring 3: a system call takes
// 13 instructions at EL1, an exception 28 and 27 back, on no stack. The gate is an SVC at one
// address. A host finds memory, command line, modules, console (PL011), clock
// (PL031) and PSCI in the device tree; a rescue program has the last ones from
// the block and reads no tree. There are no ports: drivers use [MapDevice]. [StartCPU]
// starts CPUs by PSCI, or by the address of a spin table. There is no NMI: a panic
// stops other CPUs by an SGI of the highest priority, through a GICv2 or GICv3, and
// takes the kernel's mappings away from those that have not answered at half the
// time, whatever they have masked. So a host's EL0 runs with interrupts unmasked,
// and all but that one and the timer of notifiers are off; a rescue program leaves
// interrupt controllers alone. Memory that LPIs and the ITS use is told of in
// [Facts]. The direct map has 4 KiB pages. Writes through [PhysicalMemory] are cleaned to the point of coherency.
//
// # UEFI
//
// A host that firmware has started as an EFI application (package bootimage) takes
// its memory from the map that boot services ended with: conventional, loader and
// boot services memory that can be cached. On arm64 it finds console (SPCR), PSCI
// (FADT), interrupt controller and CPUs (MADT) and timer (GTDT) in ACPI's tables if
// there is no device tree. [Firmware] is the memory that has such tables, for package
// acpi. [EFIVariables] are reached by runtime services, which are called with their
// memory at its physical addresses: SetVirtualAddressMap is never called.
//
// Sizes are bytes, times nanoseconds, addresses physical where they are
// physmem.Address.
package kernel
