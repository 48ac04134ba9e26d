package reserve_test

import (
	"bytes"
	"fmt"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/reserve"
)

// The way of a reservation, over memory that is not a machine's: find, plan,
// populate; then open it as the rescue program does, before and after a byte
// of the image was changed.
func Example() {
	ram := physmem.Range{Start: 0x100000, End: 0x10000000}
	memoryMap, err := physmem.NewMemoryMap(physmem.Region{Range: ram, Type: physmem.MemoryRAM})
	if err != nil {
		fmt.Println(err)
		return
	}
	place := reserve.Place{Size: reserve.LeastSize(ram.Size()), Limit: 1 << 32}
	found, err := reserve.Find(memoryMap, nil, place)
	if err != nil {
		fmt.Println(err)
		return
	}
	image, err := reserve.OpenImage(bytes.NewReader(makeELF(textAt+0x1000, standard())))
	if err != nil {
		fmt.Println(err)
		return
	}
	memory := physmem.NewSparse(memoryMap.RAM())
	plan, err := reserve.New(memory, reserve.Request{
		Reservation: found,
		Image:       image,
		Memory:      memoryMap.RAM(),
		Host:        handoff.Host{Name: "anvil"},
		Bitmap:      handoff.Region{Length: 8192, Extents: []physmem.Range{{Start: 0x200000, End: 0x202000}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(plan.Report())
	if err := plan.Populate(memory); err != nil {
		fmt.Println(err)
		return
	}
	r, err := reserve.Open(memory, found.Start, reserve.StageBoth)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Block.Host.Name, r.Block.Range(handoff.PartImage))
	if _, err := memory.WritePhysical([]byte{0x90}, r.Block.Range(handoff.PartImage).Start+0x1003); err != nil {
		fmt.Println(err)
		return
	}
	_, err = reserve.Open(memory, found.Start, reserve.StageFirst)
	fmt.Println(err)
	// Output:
	// reservation of 8 MiB for a host of 255 MiB; it needs at least 8 MiB
	//      4 KiB  hand-off block
	//     12 KiB  panic area
	//     64 KiB  records
	//      4 KiB  trampoline
	//      4 KiB  trampoline data
	//     48 KiB  page tables
	//     16 KiB  entry stack
	//     32 KiB  panic stack
	//     12 KiB  IST stacks
	//      4 KiB  environment
	//     28 KiB  image
	//      8 KiB  bitmap snapshot
	//      4 KiB  index
	//   7952 KiB  program memory
	// memory limit of the rescue program: 6702 KiB
	// anvil [0xf832000, 0xf839000)
	// open reservation at 0xf800000: image in [0xf832000, 0xf839000): seal is broken: 85863ee6, want a06ca15b
}
