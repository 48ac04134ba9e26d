package arm64_test

import (
	"encoding/binary"
	"fmt"

	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/physmem"
)

func ExampleWalker_Trace() {
	// Two tables by hand: the upper half of 39 bits begins with a 2 MiB block.
	memory := physmem.NewSparse(physmem.NewRanges(physmem.Range{Start: 0, End: 1 << 30}))
	for table, entry := range map[physmem.Address]arm64.Entry{
		0x1000: 0x2000 | arm64.EntryPage,
		0x2000: 0x20_0000 | arm64.EntryValid | arm64.EntryAF | arm64.EntryRO | arm64.EntryUXN,
	} {
		if _, err := memory.WritePhysical(binary.LittleEndian.AppendUint64(nil, uint64(entry)), table); err != nil {
			fmt.Println(err)
		}
	}
	walker, err := arm64.NewWalker(memory, memory.Ranges(), arm64.Paging{Root: 0x1000, VirtualBits: 39, Upper: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	steps, mapping, err := walker.Trace(0xffff_ff80_0001_2345, nil)
	for _, step := range steps {
		fmt.Printf("%s %3d of table %v: %v\n", arm64.LevelName(step.Level), step.Index, step.Table, step.Entry)
	}
	fmt.Printf("%v, writable %v, executable %v, %v\n", mapping.Physical, mapping.Writable, mapping.Executable, err)
	_, _, err = walker.Translate(0xffff_ff80_0020_0000)
	fmt.Println(err)
	// Output:
	// level 1 descriptor   0 of table 0x1000: 0x2003
	// level 2 descriptor   0 of table 0x2000: 0x40000000200481
	// 0x200000, writable false, executable true, <nil>
	// translate 0xffffff8000200000: level 2 descriptor 1 of table 0x2000 is 0x0: not mapped
}

func ExampleBuilder() {
	memory := physmem.NewSparse(physmem.NewRanges(physmem.Range{Start: 0, End: 1 << 30}))
	builder, err := arm64.NewBuilder(memory, &frames{0x10_0000, 0x20_0000}, arm64.Paging{PhysicalBits: 40})
	if err != nil {
		fmt.Println(err)
		return
	}
	text := physmem.Range{Start: 0x40_0000, End: 0x40_3000}
	fmt.Println(builder.Map(text, 0x5000_0041_1000, arm64.Execute|arm64.User, 0))
	fmt.Println(builder.MapIdentity(physmem.Range{Start: 0, End: 1 << 30}, 0, 2<<20))
	fmt.Println(builder.Map(text, 0x7000_0000_0000, arm64.Write|arm64.Execute, 0))
	fmt.Printf("%d tables, root %v\n", builder.Tables(), builder.Paging().Root)
	// Output:
	// <nil>
	// <nil>
	// map 0x700000000000 to [0x400000, 0x403000) (read+write+execute): writable and executable
	// 6 tables, root 0x100000
}
