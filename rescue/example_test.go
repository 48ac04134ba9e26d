package rescue_test

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/rescue"
	"github.com/seed64aab995/rescuekernel/reserve"
)

// bench is a host of 64 MiB that is not there: what Arm asks of a Platform, and
// no more. A host on package kernel says kernel.Platform{} instead.
type bench struct {
	memory  *physmem.Sparse
	handler handoff.PanicHandler
}

var ram = physmem.NewRanges(physmem.Range{Start: 1 << 20, End: 65 << 20})

func (b *bench) Facts() (handoff.HostFacts, error) {
	memory, err := physmem.NewMemoryMap(physmem.Region{Range: ram[0], Type: physmem.MemoryRAM})
	page := func(start physmem.Address) handoff.Region {
		return handoff.Region{Length: 4096, Extents: []physmem.Range{{Start: start, End: start + 4096}}}
	}
	return handoff.HostFacts{
		Architecture: handoff.AMD64, PagingLevels: 4, Map: memory,
		Used:      physmem.NewRanges(physmem.Range{Start: 1 << 20, End: 16 << 20}), // by the kernel
		Host:      handoff.Host{Name: "bench", CPUs: 1, KernelBase: handoff.KernelBase, KernelEnd: handoff.KernelBase + 1<<30},
		DumpAvail: page(0x110000), Bitmap: page(0x111000), MessageBuffer: page(0x112000),
	}, err
}

func (b *bench) Memory() (physmem.Memory, error)                 { return b.memory, nil }
func (b *bench) VirtualAddress(r physmem.Range) (uintptr, error) { return uintptr(r.Start), nil }
func (b *bench) Reserve(physmem.Range) error                     { return nil }
func (b *bench) Release(physmem.Range) error                     { return nil }
func (b *bench) Protect(physmem.Range, bool) error               { return nil }
func (b *bench) MapIdentity(physmem.Range, bool) error           { return nil }
func (b *bench) UnmapIdentity(physmem.Range) error               { return nil }
func (b *bench) OnPanic(h handoff.PanicHandler) error            { b.handler = h; return nil }
func (b *bench) Panic(message string)                            { fmt.Println("panic:", message) }

// program stands for a file of `rescue build`: an ELF header, one program
// header, one page of text.
func program() *bytes.Reader {
	file := make([]byte, 2*4096)
	copy(file, "\x7fELF\x02\x01\x01")
	for offset, value := range map[int]uint16{16: 2, 18: uint16(handoff.AMD64), 32: 64, 54: 56, 56: 1, 64: 1, 68: 5} {
		binary.LittleEndian.PutUint16(file[offset:], value)
	}
	for offset, value := range map[int]uint64{24: handoff.LinkText, 72: 4096, 80: handoff.LinkText, 96: 4096, 104: 4096} {
		binary.LittleEndian.PutUint64(file[offset:], value)
	}
	return bytes.NewReader(file)
}

// Arm while the host is healthy; all that can fail, fails there.
func ExampleArm() {
	host := &bench{memory: physmem.NewSparse(ram)}
	armed, err := rescue.Arm(rescue.Config{
		Platform: host,
		Image:    program(), // a boot module, an embedded file, an *os.File
		Settings: handoff.Environment{{Name: "finish", Value: "reset"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("armed %v, freeze point %v\n", armed.Reservation(), armed.FreezePoint())

	// A re-arm that fails leaves the arming as it was.
	_, err = armed.Rearm(rescue.Config{Image: program(), Place: reserve.Place{Size: 128 << 20}})
	fmt.Println(err)

	armed.Panic("no way out") // on a real host this does not return
	fmt.Println(armed.Disarm())
	// Output:
	// armed [0x3800000, 0x4000000), freeze point 0x3814000
	// arm: find a reservation: find 0x8000000 bytes aligned to 0x200000 in [0x1000, 0x100000000000): no space: 0x3100000 bytes free, at most 0x3100000 together in [0x1000000, 0x4100000)
	// panic: no way out
	// <nil>
}
