package reserve

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Earlier is what an earlier boot left at the place of a reservation.
type Earlier struct {
	Block *handoff.Block
	// Records is the records area, opaque here.
	Records []byte
	// Panic is the panic area, nil if it could not be read.
	Panic *handoff.PanicArea
}

// findEarlier looks for a valid block at base. It finds nothing, without an error, where
// the memory does not hold one.
func findEarlier(memory physmem.Reader, base physmem.Address) (*Earlier, error) {
	block, err := readBlock(memory, base)
	if err != nil {
		return nil, nil //nolint:nilerr // anything may be there before the first arming
	}
	earlier := &Earlier{Block: block}
	r := &Reservation{Block: block, memory: memory}
	if size := block.Parts[handoff.PartRecords].Size; size > maxRecords {
		return nil, fmt.Errorf("records of an earlier boot: %#x bytes, at most %#x", size, maxRecords)
	}
	if earlier.Records, err = r.Part(handoff.PartRecords); err != nil {
		return nil, fmt.Errorf("records of an earlier boot: %w", err)
	}
	if area, err := r.PanicArea(); err == nil {
		earlier.Panic = area
	}
	return earlier, nil
}
