// Package rescuetest lets the tests of who embeds package rescue arm, panic and get
// the minidump, in the test's own process, with no machine but an emulated one.
//
// A Host is a rescue.Platform: a machine's RAM, page tables, page bitmap, message
// buffer and a labelled disk, but no kernel. The test plays the kernel:
//
//	host, err := rescuetest.New(rescuetest.Config{})
//	defer host.Close()
//	armed, err := rescue.Arm(rescue.Config{Platform: host, Image: host.Image(), Targets: host.Targets(), Devices: host.Device})
//	ledger, err := host.Allocate(8192)           // memory of the host, in the dump
//	host.Memory() ...                            // written and read as the kernel would
//	armed.Panic("the ledger is torn")            // the panic path runs, here
//	dump, err := host.Rescue(ctx)                // the rescue program runs, emulated
//	dump.Reader.ReadPhysical(p, ledger.Start)    // what was in memory
//
// Nothing of the hand-off is made up. Arm writes a real reservation; the panic path
// is package rescue's own and runs natively, on the host's memory; the emulated
// machine enters the real trampoline at the freeze point, with the registers and the
// page tables of the host, and runs the real rescue program, which writes to the disk
// what Rescue then reads. Rescue compares every page of the dump, and all memory
// outside of the reservation, with what was there at the freeze point.
//
// # What a Host has not
//
// It has one CPU, no interrupts, and no kernel that could panic by itself: the test
// says when (Panic, or PanicWith for other reasons than a call). Panic returns,
// where on a real host it does not. A notifier that faults or panics is cut off as on
// a real host; one that hangs is left behind on a goroutine, since no interrupt ends
// it. Protect and the identity mappings are done in the page tables, and Memory's
// writes heed what is protected; native code that writes by address does not.
//
// The panic path runs on amd64 and arm64: on other computers Panic is an error. Either
// of those runs hosts of both architectures.
package rescuetest
