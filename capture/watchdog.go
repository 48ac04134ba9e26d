package capture

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Watchdog is how the host's watchdog is patted: a write to a register. Width 0
// stands for none.
type Watchdog struct {
	Bus     handoff.Bus // BusPort or BusMMIO
	Address uint64
	Width   int // bytes: 1, 2 or 4
	Value   uint32
}

// parseWatchdog reads the setting: port or memory, address, width, value,
// separated by commas.
func parseWatchdog(text string) (w Watchdog, err error) {
	name, rest, more := strings.Cut(text, ",")
	bus := handoff.BusMMIO
	if name == "port" {
		bus = handoff.BusPort
	}
	if name != "port" && name != "memory" || strings.Count(text, ",") != 3 {
		return w, fmt.Errorf("watchdog=%q: want port or memory, address, width, value", text)
	}
	var numbers [3]uint64
	for i := 0; more; i++ {
		var word string
		word, rest, more = strings.Cut(rest, ",")
		if numbers[i], err = strconv.ParseUint(word, 0, [...]int{64, 8, 32}[i]); err != nil {
			return w, fmt.Errorf("watchdog=%q: %w", text, err)
		}
	}
	if n := numbers[1]; n != 1 && n != 2 && n != 4 {
		return w, fmt.Errorf("watchdog=%q: a width of %d bytes", text, n)
	}
	return Watchdog{bus, numbers[0], int(numbers[1]), uint32(numbers[2])}, nil
}

// Patted tells that the watchdog was patted when the counter was at now, and
// returns the longest time between two pats in counter ticks, the panic path's
// among them. Both are kept in the panic area.
func (h *Host) Patted(memory physmem.Writer, now uint64) (longest uint64, err error) {
	if h.Panic == nil {
		return 0, nil
	}
	o := &h.Panic.Orders
	if o.LastPat == 0 {
		o.LastPat = h.Panic.Phases[handoff.PhaseEntered]
	}
	if o.LastPat != 0 && now > o.LastPat {
		o.LongestGap = max(o.LongestGap, now-o.LastPat)
	}
	o.LastPat = now
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], o.LastPat)
	binary.LittleEndian.PutUint64(b[8:], o.LongestGap)
	return o.LongestGap, h.writePanicArea(memory, handoff.PanicOffsetOrders+handoff.OrderOffsetLastPat, b[:])
}
