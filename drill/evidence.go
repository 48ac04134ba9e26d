package drill

import (
	"bytes"
	"fmt"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine/emulated"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/symbols"
)

// panicWork is how much of the panic stack's part package kernel uses to note
// who panics: the first that it writes.
const panicWork = 0x800

// guard watches the host's memory from the panic's first instruction on, in
// machines that see every write.
func (d *drill) guard() {
	m, ok := d.machine.(*emulated.Machine)
	if !ok {
		return
	}
	work := d.block.Range(handoff.PartPanicStack)
	work.End = min(work.End, work.Start+panicWork)
	d.evidence = m.Guard(
		physmem.NewRanges(work, d.block.Range(handoff.PartPanicArea)),
		physmem.NewRanges(append(d.block.MessageBuffer.Extents, d.block.Reservation)...))
}

// checkEvidence requires that nothing but the reservation and the message buffer
// was written since the panic. What the ways into it saved on the stack that
// they interrupted is not counted, nor what other CPUs did before they knew.
func (d *drill) checkEvidence() error {
	if d.evidence == nil {
		return nil
	}
	if _, began := d.evidence.Began(); !began {
		return fmt.Errorf("the panic was not seen to begin: nothing was written to %v", d.block.Range(handoff.PartPanicArea))
	}
	var found []emulated.Breach
	breaches, _ := d.evidence.Breaches()
	for _, b := range breaches {
		if !b.OnStack() && !b.Unaware {
			found = append(found, b)
		}
	}
	writes := uint64(len(found))
	d.result.HostWrites = &writes
	if writes == 0 {
		return nil
	}
	table, _ := symbols.Open(bytes.NewReader(d.Host)) // nil has no symbols
	return fmt.Errorf("%d writes to the host's memory since the panic, the first in %s: %v", writes, table.Format(found[0].PC), found[0])
}
