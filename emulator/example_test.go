package emulator_test

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// A watch point drops what is written to a range.
func ExampleMemory_Watch() {
	m := emulator.NewMemory(physmem.NewRanges(physmem.Range{End: 1 << 20}))
	m.Watch(&emulator.Watch{
		Ranges: physmem.NewRanges(physmem.Range{Start: 0x1000, End: 0x1008}), Kinds: emulator.Write,
		Seen: func(a emulator.Access) bool {
			fmt.Printf("%d bytes at %v dropped\n", a.Size, a.Address)
			return false
		},
	})
	for _, at := range []physmem.Address{0x1000, 0x2000} {
		if _, err := m.WritePhysical([]byte("data"), at); err != nil {
			fmt.Println(err)
		}
	}
	p := make([]byte, 4)
	for _, at := range []physmem.Address{0x1000, 0x2000} {
		if _, err := m.ReadPhysical(p, at); err != nil {
			fmt.Println(err)
		}
		fmt.Printf("%q\n", p)
	}
	// Output:
	// 4 bytes at 0x1000 dropped
	// "\x00\x00\x00\x00"
	// "data"
}
