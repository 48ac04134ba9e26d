//go:build amd64 || arm64

// Package framepointer reads the frame pointer, so that a test can walk a
// true stack of Go's.
package framepointer

// Caller is the frame pointer in the function that calls it: rbp or x29.
func Caller() uint64
