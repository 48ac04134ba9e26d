package postmortem

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/symbols"
)

// Errors that callers decide on.
var (
	// ErrNotFreeBSD says that the symbols are not those of a FreeBSD kernel
	// that describes itself to debuggers (12.2 and later).
	ErrNotFreeBSD = errors.New("not the symbols of a FreeBSD kernel")

	// ErrUnsupported says that the architecture is neither amd64 nor arm64.
	ErrUnsupported = errors.New("architecture not supported")

	// ErrDamaged says that a structure in the dump breaks its own rules.
	ErrDamaged = errors.New("damaged")
)

// Memory reads a kernel's virtual memory. It returns how much could be read
// from address on, and an error if that is not all. A *minidump.Reader is one.
type Memory interface {
	ReadVirtual(p []byte, address uint64) (n int, err error)
}

// Kernel is a dumped kernel.
type Kernel struct {
	Memory       Memory
	Architecture minidump.Architecture
	Symbols      *symbols.Table // of the kernel; may be nil
}

func (k *Kernel) supported() error {
	if k.Architecture != minidump.AMD64 && k.Architecture != minidump.ARM64 {
		return fmt.Errorf("%v: %w", k.Architecture, ErrUnsupported)
	}
	return nil
}

// read fills p from address.
func (k *Kernel) read(p []byte, address uint64, what string) error {
	n, err := k.Memory.ReadVirtual(p, address)
	if n >= len(p) {
		return nil
	}
	if err == nil {
		err = errors.New("short read")
	}
	return fmt.Errorf("%s at %#x: %w", what, address, err)
}

func (k *Kernel) uint64(address uint64, what string) (uint64, error) {
	var b [8]byte
	err := k.read(b[:], address, what)
	return binary.LittleEndian.Uint64(b[:]), err
}

func (k *Kernel) int32(address uint64, what string) (int32, error) {
	var b [4]byte
	err := k.read(b[:], address, what)
	return int32(binary.LittleEndian.Uint32(b[:])), err
}

// text reads a zero-ended string of at most size bytes. Bytes that are not
// printable ASCII become '?': names go to terminals.
func (k *Kernel) text(address uint64, size int, what string) (string, error) {
	b := make([]byte, size)
	if err := k.read(b, address, what); err != nil {
		return "", err
	}
	for i, c := range b {
		if c == 0 {
			return string(b[:i]), nil
		}
		if c < ' ' || c > '~' {
			b[i] = '?'
		}
	}
	return string(b), nil
}
