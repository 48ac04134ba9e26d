package ramoops_test

import (
	"fmt"
	"unsafe"

	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/record/ramoops"
)

// A panic path writes a record where the next Linux looks for it.
func Example() {
	region := make([]byte, 1<<20) // of RAM that a reset keeps; too large for a stack, which moves
	zones, err := ramoops.DefaultGeometry().Zones(len(region))
	if err != nil {
		fmt.Println(err)
		return
	}
	zone, _ := ramoops.Choose(region, zones)
	r := record.Record{Class: record.ClassPage, Source: "host", Message: "page fault", CPU: 1}
	data, _ := r.AppendBinary(nil)
	fmt.Println(ramoops.Put(uintptr(unsafe.Pointer(&region[zone.Offset])), uintptr(zone.Size), &ramoops.Entry{
		Seconds: 5, Class: record.ViewString(r.Class), Source: record.ViewString(r.Source), Message: record.ViewString(r.Message),
		Record: record.ViewBytes(data),
	}))

	content, _ := ramoops.Content(region[zone.Offset:][:zone.Size])
	text, _ := ramoops.ParseDump(content)
	data, _ = ramoops.Record(text.Text)
	back, _ := record.Decode(data)
	fmt.Println(text.Time.Unix(), back.Class, back.Message)
	// Output:
	// true
	// 5 host.fault.page page fault
}
