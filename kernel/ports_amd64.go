//go:build linux

package kernel

// In8 reads an I/O port. Ports are for drivers that poll, in a program that
// this kernel runs; under Linux the access is a fault.
//
//go:nosplit
func In8(port uint16) uint8 { return inputByte(port) }

// In16 reads a 16-bit I/O port.
//
//go:nosplit
func In16(port uint16) uint16 { return inputWord(port) }

// In32 reads a 32-bit I/O port.
//
//go:nosplit
func In32(port uint16) uint32 { return inputLong(port) }

// Out8 writes an I/O port.
//
//go:nosplit
func Out8(port uint16, v uint8) { outputByte(port, v) }

// Out16 writes a 16-bit I/O port.
//
//go:nosplit
func Out16(port uint16, v uint16) { outputWord(port, v) }

// Out32 writes a 32-bit I/O port.
//
//go:nosplit
func Out32(port uint16, v uint32) { outputLong(port, v) }
