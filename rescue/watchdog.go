package rescue

import (
	"fmt"
	"strings"

	"github.com/seed64aab995/rescuekernel/handoff"
)

// Watchdog is a timer that resets the machine unless it is patted: the panic path
// pats it at every step and after every notifier, and the rescue program at its
// beginning and with every block of the dump. How long the longest time between
// two pats was is in the panic area and in the rescue program's report.
type Watchdog struct {
	// Pat pats it at a panic: as a notifier, but nosplit and without loops. Nil:
	// the panic path does not.
	Pat func()
	// Write is how the rescue program pats it; the zero value: it does not.
	Write WatchdogWrite
}

// WatchdogWrite is a write to a register of the watchdog.
type WatchdogWrite struct {
	Bus     handoff.Bus // BusPort or BusMMIO
	Address uint64
	Width   int // bytes: 1, 2 or 4
	Value   uint32
}

// variables are settings for the rescue program. See package capture.
func (a *arming) variables() (handoff.Environment, error) {
	var all handoff.Environment
	if w := a.Watchdog.Write; w != (WatchdogWrite{}) {
		bus := map[handoff.Bus]string{handoff.BusPort: "port", handoff.BusMMIO: "memory"}[w.Bus]
		if bus == "" || w.Width != 1 && w.Width != 2 && w.Width != 4 {
			return nil, fmt.Errorf("watchdog on bus %d, %d bytes wide: %w", w.Bus, w.Width, ErrConfig)
		}
		all = append(all, handoff.Variable{Name: "watchdog", Value: fmt.Sprintf("%s,%#x,%d,%#x", bus, w.Address, w.Width, w.Value)})
	}
	var addresses []string
	for _, address := range a.Quiesce {
		addresses = append(addresses, fmt.Sprintf("%#x", address))
	}
	if len(addresses) > 0 {
		all = append(all, handoff.Variable{Name: "quiesce", Value: strings.Join(addresses, ",")})
	}
	return all, nil
}
