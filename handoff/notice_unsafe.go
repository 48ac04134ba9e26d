package handoff

import "unsafe"

// Print appends text to the host's message buffer, as all methods of a Notice do.
// It allocates nothing.
//
//go:nosplit
func (n *Notice) Print(text string) {
	if n.Output != nil {
		n.Output(uintptr(unsafe.Pointer(unsafe.StringData(text))), uintptr(len(text)))
	}
}

// PrintHex prints a number with 0x before it.
//
//go:nosplit
func (n *Notice) PrintHex(v uint64) {
	n.Print("0x")
	shift := 60
	for shift > 0 && v>>shift == 0 {
		shift -= 4
	}
	for ; shift >= 0; shift -= 4 {
		n.digit(v >> shift & 15)
	}
}

// PrintDecimal prints a number.
//
//go:nosplit
func (n *Notice) PrintDecimal(v uint64) {
	d := uint64(1)
	for v/d >= 10 {
		d *= 10
	}
	for ; d > 0; d /= 10 {
		n.digit(v / d % 10)
	}
}

const hexDigits = "0123456789abcdef"

//go:nosplit
func (n *Notice) digit(v uint64) {
	if n.Output != nil {
		n.Output(uintptr(unsafe.Pointer(unsafe.StringData(hexDigits)))+uintptr(v&15), 1)
	}
}
