package minidump_test

import (
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"io"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// exampleSource is a host of 1 MiB that wants two pages dumped.
func exampleSource() minidump.Source {
	ram := physmem.NewSparse(physmem.NewRanges(physmem.Range{Start: 0, End: 1 << 20}))
	_, _ = ram.WritePhysical([]byte("hello from the host"), 0x42000)

	available, _ := minidump.NewDumpAvail(minidump.PageSize4K, ram.Ranges())
	words := make([]uint64, available.NumWords())
	bitmap, _ := minidump.NewPageBitmap(available, words)
	bitmap.Set(0x42000)
	bitmap.Set(0x43000)
	dumpAvail, _ := available.AppendBinary(nil)

	return minidump.Source{
		Architecture:  minidump.AMD64,
		Memory:        ram,
		Readable:      ram.Ranges(),
		DumpAvail:     bytes.NewReader(dumpAvail),
		Bitmap:        minidump.NewBitmapReader(bitmap),
		AMD64:         amd64.Paging{Root: 0x1000},
		DirectMapBase: 0xfffff80000000000,
		DirectMapEnd:  0xfffffc0000000000,
		MessageBuffer: minidump.MessageBuffer{Content: bytes.NewReader([]byte("panic: example\n")), Positioned: true, Position: 15},
	}
}

// A dump is a file before it is written: its size is known, and it can be read
// at any offset.
func ExampleNewDumper() {
	d, err := minidump.NewDumper(exampleSource())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(d.Size(), "bytes,", d.Bitmap().Count(), "pages")

	r, err := minidump.Open(d, d.Size())
	if err != nil {
		fmt.Println(err)
		return
	}
	text := make([]byte, 19)
	_, err = r.ReadPhysical(text, 0x42000)
	fmt.Printf("%s %v\n", text, err)
	// Output:
	// 24576 bytes, 2 pages
	// hello from the host <nil>
}

// What the host's memory map does not have, or the host wants kept back, is
// zero in the dump and listed.
func ExampleDumper_Holes() {
	s := exampleSource()
	s.Redact = physmem.NewRanges(physmem.Range{Start: 0x43000, End: 0x43800})
	d, err := minidump.NewDumper(s)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, _ = io.Copy(io.Discard, d)
	holes, omitted := d.Holes()
	fmt.Println(holes, omitted)
	// Output: [[0x43000, 0x43800) redacted] 0
}

// An ELF core is made of a dump as it is read, by whoever reads ELF.
func ExampleNewELFCore() {
	d, err := minidump.NewDumper(exampleSource())
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := minidump.Open(d, d.Size())
	if err != nil {
		fmt.Println(err)
		return
	}
	core, err := minidump.NewELFCore(context.Background(), r)
	if err != nil {
		fmt.Println(err)
		return
	}
	f, err := elf.NewFile(core)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(f.Type, f.Machine)
	for _, p := range f.Progs {
		fmt.Printf("%v virtual %#x physical %#x\n", p.Type, p.Vaddr, p.Paddr)
	}
	// Output:
	// ET_CORE EM_X86_64
	// PT_NOTE virtual 0x0 physical 0x0
	// PT_LOAD virtual 0xfffff80000042000 physical 0x42000
}
