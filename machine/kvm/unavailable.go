//go:build !linux || !amd64

package kvm

import (
	"fmt"
	"runtime"

	"github.com/seed64aab995/rescuekernel/machine"
)

// New needs Linux on amd64, and gives machine.ErrUnavailable elsewhere.
func (Options) New(machine.Config) (machine.Machine, error) {
	return nil, fmt.Errorf("kvm on %s/%s: %w", runtime.GOOS, runtime.GOARCH, machine.ErrUnavailable)
}
