package rescue

import (
	"golang.org/x/sys/cpu"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/record"
)

// crcHardware updates a CRC-32C with the bytes [p, p+n), without the inversions
// before and after. The CPU must have SSE4.2 (Intel SDM 2A, CRC32).
func crcHardware(crc uint32, p, n uintptr) uint32

// counter reads the time stamp counter.
func counter() uint64

// panicRoutine chooses the routine for this CPU.
func panicRoutine() func(c *handoff.PanicContext, block, panicArea uintptr) physmem.Address {
	if cpu.X86.HasSSE42 {
		return panicHardware
	}
	return panicPlain
}

// architecture is that of registers in a record.
const architecture = record.AMD64

// pageFault reports whether an exception is one.
//
//go:nosplit
func pageFault(c *handoff.PanicContext) bool { return c.Vector == 14 }
