//go:build !amd64 && !arm64

package rescue

import (
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/record"
)

// No host runs here: the package plans and inspects.

func crcHardware(crc uint32, p, n uintptr) uint32 { return crcBits(crc, p, n) }

func counter() uint64 { return 0 }

func panicRoutine() func(c *handoff.PanicContext, block, panicArea uintptr) physmem.Address {
	return panicPlain
}

const architecture = record.Architecture(0)

func pageFault(*handoff.PanicContext) bool { return false }
