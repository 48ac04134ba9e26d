package capture

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/device/pci"
)

// Quiesce silences the PCI devices that the host has named: no kind of
// interrupt, and no access to memory from now on. It is the first thing to do,
// and nothing depends on it: a device that is not there is a mark, which it
// returns as an error too.
func (h *Host) Quiesce(open func(pci.Address) (*pci.Function, error)) (errs []error) {
	for _, a := range h.Settings.Quiesce {
		f, err := open(pci.Address(a))
		if err != nil {
			h.mark("quiesce", err.Error())
			errs = append(errs, fmt.Errorf("quiesce: %w", err))
			continue
		}
		f.DisableInterrupts()
		f.Disable(pci.CommandBusMaster)
	}
	return errs
}
