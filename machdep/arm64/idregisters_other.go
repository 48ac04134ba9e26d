//go:build !(linux && arm64)

package arm64

// Snapshot reads the ID registers of the processor that this runs on. It can
// in a program on package kernel, and on Linux, which shows EL0 only what it
// means programs to know: there sizes and granules of addresses are left out.
// Elsewhere it reports false.
func Snapshot() (IDRegisters, bool) { return IDRegisters{}, false }
