package reserve

import (
	"encoding/binary"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Search looks for reservations in a copy of a machine's memory: every page of
// the ranges at which a valid block says that it lies there. It is for tools
// that were not told where to look. Pages that cannot be read hold none.
func Search(memory physmem.Reader, where physmem.Ranges) []physmem.Address {
	var found []physmem.Address
	var start [8]byte
	for _, r := range where.AlignInward(handoff.PageSize) {
		for at := r.Start; at < r.End; at += handoff.PageSize {
			if _, err := memory.ReadPhysical(start[:], at); err != nil || binary.LittleEndian.Uint64(start[:]) != handoff.Magic {
				continue
			}
			if _, err := readBlock(memory, at); err == nil {
				found = append(found, at)
			}
		}
	}
	return found
}
