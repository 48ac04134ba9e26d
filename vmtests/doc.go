// Package vmtests has tests only: whole hand-offs, on every machine that is
// here, with faults.
//
// A test boots a host (examples/host) in a machine, lets it panic, stops every
// CPU at the freeze point, copies all memory, lets the rescue program run, and
// compares: what the rescue program says that it saw, and all memory outside of
// the reservation at the end, with the copy. No guest cooperates in that.
//
// go test ./vmtests takes each kind of panic once, on its cheapest machine.
// go test ./vmtests -full takes every cell and repeats what is to be repeated.
package vmtests
