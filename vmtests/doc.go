// Package vmtests has tests only: whole hand-offs, on every machine that is
// here, with faults.
//
// A test boots a host (examples/host) in a machine, lets it panic, stops every
// CPU at the freeze point, copies all memory, lets the rescue program run, and
// compares: what the rescue program says that it saw, and all memory outside of
// the reservation at the end, with the copy. No guest cooperates in that.
//
// The emulated machine comes first, since it is on every computer. There every
// write is seen, so that of each hand-off it is known that nothing but the
// reservation and the message buffer was written from the panic on.
//
// go test ./vmtests takes each kind of panic once, on its cheapest machine:
// emulated for a witness, KVM, where it is there, for a dump.
// go test ./vmtests -full takes every cell and repeats what is to be repeated.
// go test ./vmtests -machine emulated, or kvm, has tests that name no machine
// run on that one: all lists of faults and of hostile hosts.
package vmtests
