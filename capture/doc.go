// Package capture is what a rescue program does: it opens the hand-off, describes
// the host that panicked as a minidump source, and streams the dump to the first
// target that takes it. cmd/rescue-kernel is this package on package kernel with
// drivers; a rescue program of your own is the same with other parts.
//
// # Life cycle
//
//	host, err := capture.Open(memory, reservation)  // checks the seals
//	dumper, err := host.NewDumper(storage)          // what the dump will be
//	result := host.Run(dumper, capture.Options{Disk: ..., Serial: ...})
//
// Memory is reached through package physmem, devices through functions that the
// caller has, so all of it runs on any machine: over the real memory in a rescue
// program, over a copy of it in a test, and with the same dump.
//
// # What is not to be trusted
//
// Open checks the second-stage seals (package reserve). A part whose seal is
// broken is not used, and the dump is made and marked with its name:
//
//   - environment: the settings are the defaults;
//   - dump parameters: the host's page bitmap, dump_avail, message buffer and
//     memory map are not used. All memory that can be reached is dumped. What is
//     redacted stays so, and a target is still one only with its label on it;
//   - metadata, text, read-only data: marked; there is nothing to do without them;
//   - panic area: no registers, no page tables.
//
// Only a hand-off block that cannot be relied on, or no memory, is an error.
//
// # Determinism
//
// The dump depends on the memory at the freeze point alone: its notes tell the
// time of the panic, not that of the dump.
package capture
