package reserve

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Earlier is what an earlier boot left at the place of a reservation.
type Earlier struct {
	Block *handoff.Block
	// Records is the records area, opaque here; no more than 16 MiB of it.
	Records []byte
	// Panic is the panic area, nil if it could not be read.
	Panic *handoff.PanicArea
}

// findEarlier looks for a valid block at base. It finds nothing, without an
// error, where the memory does not hold one.
func findEarlier(memory physmem.Reader, base physmem.Address) (*Earlier, error) {
	block, notFound := readBlock(memory, base)
	if notFound != nil {
		return nil, nil // before the first arming anything may be there
	}
	r := &Reservation{Block: block, memory: memory}
	records := r.Block.Range(handoff.PartRecords)
	earlier := &Earlier{Block: block, Records: make([]byte, min(records.Size(), maxRecords))}
	if _, err := memory.ReadPhysical(earlier.Records, records.Start); err != nil {
		return nil, fmt.Errorf("records of an earlier boot: %w", err)
	}
	if area, err := r.PanicArea(); err == nil {
		earlier.Panic = area
	}
	return earlier, nil
}
