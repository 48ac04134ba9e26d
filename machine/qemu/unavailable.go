//go:build !unix

package qemu

import (
	"fmt"
	"runtime"

	"github.com/seed64aab995/rescuekernel/machine"
)

// New needs a Unix, and gives machine.ErrUnavailable elsewhere.
func (o Options) New(config machine.Config) (machine.Machine, error) {
	if _, _, err := o.complete(); err != nil {
		return nil, fmt.Errorf("qemu: %w", err)
	}
	if err := check(&config); err != nil {
		return nil, fmt.Errorf("qemu: %w", err)
	}
	return nil, fmt.Errorf("qemu on %s: %w", runtime.GOOS, machine.ErrUnavailable)
}
