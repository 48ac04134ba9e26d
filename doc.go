// Package rescuekernel is the root of a crash-dump system for Go on amd64 and
// arm64, after FreeBSD's rescue kernel. It holds no code; its packages do.
//
// Who has a dump reads it with package minidump, or with the command
// cmd/dumper. Who writes one, from whatever can read a machine's memory,
// begins at minidump.NewDumper. The packages below those two are building
// stones and may be used alone: physmem (physical addresses, ranges, maps,
// access), machdep/amd64 and machdep/arm64 (page tables, registers), container
// (what a dump is wrapped in).
//
// The README shows it in use. Imports go down one house of rows, which
// house_test.go holds and checks.
package rescuekernel
