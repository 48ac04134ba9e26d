package machinetest

import (
	"encoding/binary"

	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// guests are the programs of one architecture and what is known about them.
type guests struct {
	image func(code []byte) []byte
	entry uint64          // where the code begins
	data  physmem.Address // where it writes; outside of the image

	hello, counter, store, reset, smp []byte

	end      machine.Reason // how hello ends
	loop     uint64         // an instruction that counter comes by again and again
	loopStep uint64         // the instruction after it
	spin     uint64         // where store stops
	toItself []byte         // an instruction that jumps to itself
}

var guestsOf = map[machine.Architecture]guests{
	machine.AMD64: {
		image: Image, entry: Entry, data: 0x200000,
		hello: amd64Hello, counter: amd64Counter, store: amd64Store, reset: amd64Reset, smp: amd64SMP,
		end: machine.DebugExit, loop: Entry, loopStep: Entry + 8, spin: Entry + 0x20,
		toItself: []byte{0xeb, 0xfe},
	},
	machine.ARM64: {
		image: ARM64Image, entry: ARM64Entry, data: 0x40400000,
		hello: arm64Hello, counter: arm64Counter, store: arm64Store, reset: arm64Reset, smp: arm64SMP,
		end: machine.PoweredOff, loop: ARM64Entry + 4, loopStep: ARM64Entry + 8, spin: ARM64Entry + 0x1c,
		toItself: []byte{0x00, 0x00, 0x00, 0x14},
	},
}

// ARM64Entry is where QEMU's virt board puts the code that ARM64Image wraps:
// 2 MiB above the start of RAM, after the header.
const ARM64Entry = 0x40200000 + arm64Header

const arm64Header = 64

// ARM64Image wraps arm64 code as a boot Image (Linux
// Documentation/arch/arm64/booting.rst, "Call the kernel image"). The code is
// entered with the MMU off.
func ARM64Image(code []byte) []byte {
	const (
		branchOverHeader = 0x14000000 | arm64Header/4
		anywhere         = 1 << 3 // the image may lie anywhere in memory
		pages4K          = 1 << 1
		magic            = 0x644d5241
	)
	order := binary.LittleEndian
	b := make([]byte, arm64Header, arm64Header+len(code))
	order.PutUint32(b, branchOverHeader)
	order.PutUint64(b[16:], uint64(arm64Header+len(code)))
	order.PutUint64(b[24:], anywhere|pages4K)
	order.PutUint32(b[56:], magic)
	return append(b, code...)
}
