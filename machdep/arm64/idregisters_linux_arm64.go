package arm64

// readIDRegisters reads the ID registers in the order of the struct: at EL1, or
// at EL0 where the kernel lets a program have them.
//
//go:noescape
func readIDRegisters(id *IDRegisters)

// Snapshot reads the ID registers of the processor that this runs on. It can
// in a program on package kernel, and on Linux, which shows EL0 only what it
// means programs to know: there sizes and granules of addresses are left out.
// Elsewhere it reports false.
func Snapshot() (IDRegisters, bool) {
	var id IDRegisters
	readIDRegisters(&id)
	return id, true
}
