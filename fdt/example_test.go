package fdt_test

import (
	"fmt"
	"os"

	"github.com/seed64aab995/rescuekernel/fdt"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// A host's tree becomes that of a rescue program: its reservation is all the
// RAM there is, in whatever node the host had it.
func ExampleTree_Restrict() {
	data, err := os.ReadFile("testdata/board.dtb")
	if err != nil {
		fmt.Println(err)
		return
	}
	host, err := fdt.Parse(data)
	if err != nil {
		fmt.Println(err)
		return
	}
	reservation := physmem.Range{Start: 0x60000000, End: 0x60800000}
	restricted, err := host.Restrict(reservation, fdt.WithBootargs("dump.target=ttyAMA0"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, tree := range []*fdt.Tree{host, restricted} {
		memory, err := tree.MemoryMap()
		fmt.Println(memory.RAM(), err)
	}
	console, options, _ := restricted.Console()
	fmt.Println(console.Path(), options)
	_, err = host.Restrict(physmem.Range{Start: 0x41000000, End: 0x42001000})
	fmt.Println(err)
	// Output:
	// [0x40000000, 0x42000000) [0x42200000, 0x48000000) [0x48010000, 0x58000000) [0x5c000000, 0x70000000) [0x880000000, 0x8c0000000) <nil>
	// [0x60000000, 0x60800000) <nil>
	// /soc/serial@9000000 115200n8
	// restrict device tree to [0x41000000, 0x42001000): not all of it is RAM
}

// Registers come at the addresses that the CPU sees.
func ExampleNode_Reg() {
	tree := fdt.New()
	soc, _ := tree.Root().AddNode("soc")
	_ = soc.SetUint32("#address-cells", 1)
	_ = soc.SetCells("ranges", 0x0, 0x1, 0x80000000, 0x10000) // 64 KiB at 0x180000000
	port, _ := soc.AddNode("serial@2000")
	_ = port.SetCells("reg", 0x2000, 0x100)
	fmt.Println(port.Reg())
	// Output: [[0x180002000, 0x180002100)] <nil>
}
