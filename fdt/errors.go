package fdt

import (
	"errors"
	"fmt"
)

// Reasons why a tree, or what it says, is not accepted.
var (
	ErrMagic     = errors.New("not a flattened device tree")
	ErrVersion   = errors.New("version not supported")
	ErrSize      = errors.New("sizes do not fit each other")
	ErrStructure = errors.New("malformed structure")
	ErrName      = errors.New("invalid name")
	ErrTooLarge  = errors.New("too large")
)

// Reasons why a property cannot be understood or written.
var (
	ErrMissing     = errors.New("missing")
	ErrValue       = errors.New("invalid value")
	ErrRange       = errors.New("invalid range")
	ErrTranslation = errors.New("no address that the CPU can use")
)

// ErrNotRAM says that a reservation is not free RAM in the tree.
var ErrNotRAM = errors.New("not all of it is RAM")

// ParseError says where in the bytes a tree is broken.
type ParseError struct {
	Offset int // from the start of the tree
	Err    error
}

func (e *ParseError) Error() string {
	return fmt.Sprintf("device tree: at offset %#x: %v", e.Offset, e.Err)
}

// Unwrap returns the cause.
func (e *ParseError) Unwrap() error { return e.Err }

// PropertyError says which property is not what it should be.
type PropertyError struct {
	Path     string // of the node
	Property string
	Err      error
}

func (e *PropertyError) Error() string {
	return fmt.Sprintf("device tree: %s: %s: %v", e.Path, e.Property, e.Err)
}

// Unwrap returns the cause.
func (e *PropertyError) Unwrap() error { return e.Err }

// failed makes a PropertyError of n.
func (n *Node) failed(property string, format string, args ...any) error {
	return &PropertyError{n.Path(), property, fmt.Errorf(format, args...)}
}
