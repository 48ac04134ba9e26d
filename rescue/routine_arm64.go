package rescue

import (
	"runtime"

	"golang.org/x/sys/cpu"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/record"
)

// crcHardware updates a CRC-32C with the bytes [p, p+n), without the inversions
// before and after. The CPU must have FEAT_CRC32 (DDI 0487 C6.2, CRC32CX).
func crcHardware(crc uint32, p, n uintptr) uint32

// counter reads the virtual counter, CNTVCT_EL0.
func counter() uint64

// panicRoutine chooses the routine for this CPU.
func panicRoutine() func(c *handoff.PanicContext, block, panicArea uintptr) physmem.Address {
	// Every Apple CPU has the instruction; x/sys does not look there.
	if cpu.ARM64.HasCRC32 || runtime.GOOS == "darwin" {
		return panicHardware
	}
	return panicPlain
}

// architecture is that of registers in a record.
const architecture = record.ARM64

// pageFault reports whether an exception is an abort (DDI 0487 D24.2.40, EC).
//
//go:nosplit
func pageFault(c *handoff.PanicContext) bool {
	class := c.Vector >> 26 & 0x3f
	return class == 0x20 || class == 0x21 || class == 0x24 || class == 0x25
}
