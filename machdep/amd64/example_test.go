package amd64_test

import (
	"encoding/binary"
	"fmt"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/physmem"
)

func ExampleWalker_Trace() {
	// Three tables by hand: address 0 upwards is mapped with one 2 MiB page.
	memory := physmem.NewSparse(physmem.NewRanges(physmem.Range{Start: 0, End: 1 << 30}))
	for table, entry := range map[physmem.Address]uint64{
		0x1000: 0x2000 | uint64(amd64.EntryPresent|amd64.EntryWritable),
		0x2000: 0x3000 | uint64(amd64.EntryPresent|amd64.EntryWritable),
		0x3000: 0x20_0000 | uint64(amd64.EntryPresent|amd64.EntryLarge|amd64.EntryNoExecute),
	} {
		if _, err := memory.WritePhysical(binary.LittleEndian.AppendUint64(nil, entry), table); err != nil {
			fmt.Println(err)
		}
	}
	walker, err := amd64.NewWalker(memory, memory.Ranges(), amd64.Paging{Root: 0x1000})
	if err != nil {
		fmt.Println(err)
		return
	}
	steps, mapping, err := walker.Trace(0x12345, nil)
	for _, step := range steps {
		fmt.Printf("%-5s %3d of table %v: %v\n", amd64.LevelName(step.Level), step.Index, step.Table, step.Entry)
	}
	fmt.Printf("%v, writable %v, executable %v, %v\n", mapping.Physical, mapping.Writable, mapping.Executable, err)
	_, _, err = walker.Translate(0x20_0000)
	fmt.Println(err)
	// Output:
	// PML4E   0 of table 0x1000: 0x2003
	// PDPTE   0 of table 0x2000: 0x3003
	// PDE     0 of table 0x3000: 0x8000000000200081
	// 0x200000, writable false, executable false, <nil>
	// translate 0x200000: PDE 1 of table 0x3000 is 0x0: not mapped
}

func ExampleBuilder() {
	memory := physmem.NewSparse(physmem.NewRanges(physmem.Range{Start: 0, End: 1 << 30}))
	builder, err := amd64.NewBuilder(memory, &frames{0x10_0000, 0x20_0000}, amd64.Paging{PhysicalBits: 40})
	if err != nil {
		fmt.Println(err)
		return
	}
	text := physmem.Range{Start: 0x40_0000, End: 0x40_3000}
	fmt.Println(builder.Map(text, 0x5000_0041_1000, amd64.Execute|amd64.User, 0))
	fmt.Println(builder.MapIdentity(physmem.Range{Start: 0, End: 1 << 30}, 0, 2<<20))
	fmt.Println(builder.Map(text, 0x7000_0000_0000, amd64.Write|amd64.Execute, 0))
	fmt.Printf("%d tables, root %v\n", builder.Tables(), builder.Paging().Root)
	// Output:
	// <nil>
	// <nil>
	// map 0x700000000000 to [0x400000, 0x403000) (read+write+execute): writable and executable
	// 6 tables, root 0x100000
}
