package minidump_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log"

	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// exampleDump puts a dump together from its parts: two pages of memory, the
// second of which is dumped.
func exampleDump() []byte {
	available, err := minidump.NewDumpAvail(minidump.PageSize4K, []physmem.Range{{Start: 0x100000, End: 0x102000}})
	if err != nil {
		log.Fatal(err)
	}
	header := minidump.Header{
		Architecture: minidump.AMD64, Version: 3, PageSize: minidump.PageSize4K,
		MessageBufferSize: 64, BitmapSize: 4096, DumpAvailSize: 4096,
		KernelBase: 0xfffffe0000000000, DirectMapBase: 0xfffff80000000000, DirectMapEnd: 0xfffffc0000000000,
	}
	page := func(b []byte, err error) []byte {
		if err != nil {
			log.Fatal(err)
		}
		return append(b, make([]byte, 4096-len(b))...)
	}
	bitmap := make([]byte, 4096)
	bitmap[0] = 1 << 1
	return bytes.Join([][]byte{
		page(header.MarshalBinary()),
		page([]byte("panic: example\n"), nil),
		page(available.AppendBinary(nil)),
		bitmap,
		page([]byte("hello from the dead"), nil),
	}, nil)
}

func Example() {
	file := exampleDump()
	r, err := minidump.Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		log.Fatal(err)
	}
	header := r.Header()
	fmt.Printf("%v %v version %d, %d page(s), complete: %v\n", header.Architecture, r.Format(), header.Version, r.NumPages(), r.Complete())

	messages, err := r.MessageBuffer()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s", messages.Text)

	p := make([]byte, 5)
	if _, err := r.ReadVirtual(p, 0xfffff80000101000); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", p)

	_, err = r.ReadPhysical(p, 0x100000)
	fmt.Println(err)
	// Output:
	// amd64 minidump version 3, 1 page(s), complete: true
	// panic: example
	// hello
	// read physical memory [0x100000, 0x100005): page of 0x100000 (bit 0): not in the page bitmap
}

func ExampleReader_Holes() {
	file := exampleDump()
	cut := file[:len(file)-100]
	r, err := minidump.Open(bytes.NewReader(cut), int64(len(cut)))
	if err != nil {
		log.Fatal(err)
	}
	for hole := range r.Holes() {
		fmt.Println(hole)
	}
	// Output:
	// [0x101f9c, 0x102000) beyond the end of the file
}

func ExampleReader_Trace() {
	file := exampleDump()
	r, err := minidump.Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		log.Fatal(err)
	}
	trace, err := r.Trace(0xfffff80000101004)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%v: physical %v, bit %d, file offset %#x\n", trace.Path, trace.Physical, trace.Bit, trace.FileOffset)
	// Output:
	// direct map: physical 0x101004, bit 1, file offset 0x4004
}

func ExamplePageBitmap() {
	available, err := minidump.NewDumpAvail(minidump.PageSize4K, []physmem.Range{{Start: 0, End: 0x9f000}, {Start: 0x100000, End: 0x8000000}})
	if err != nil {
		log.Fatal(err)
	}
	bitmap, err := minidump.NewPageBitmap(available, make([]uint64, available.NumWords()))
	if err != nil {
		log.Fatal(err)
	}
	bitmap.Set(0x101000) // a page is allocated
	fmt.Println(bitmap.Set(0xa0000), "is no memory")
	bit, _ := available.Index(0x101000)
	fmt.Println("bit", bit, "of", bitmap.Count())
	// Output:
	// false is no memory
	// bit 160 of 1
}

func ExampleEncodeNotes() {
	notes := &minidump.Notes{
		Panic: "page fault",
		Marks: []minidump.Mark{{Part: "environment", Detail: "seal broken"}},
		Holes: []minidump.Hole{{Range: physmem.Range{Start: 0x5000, End: 0x6000}, Reason: minidump.HoleUnreadable}},
	}
	area, err := minidump.EncodeNotes(notes, 4096)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s version %d, %d bytes in use\n", area[:8], binary.LittleEndian.Uint32(area[8:]), binary.LittleEndian.Uint64(area[16:]))
	decoded, err := minidump.DecodeNotes(area)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(decoded.Panic, decoded.Marks, decoded.Holes)
	// Output:
	// RKDNOTES version 1, 160 bytes in use
	// page fault [{environment seal broken}] [[0x5000, 0x6000) unreadable]
}
