package kernel

import "sync/atomic"

var kept atomic.Pointer[any]

// address is the address of a slice's first element. It makes the slice escape
// to the heap, where nothing moves.
func address[T any](s []T) uintptr {
	var v any = s
	kept.Store(&v)
	return addressOf(&s[0])
}
