package target_test

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/container/kerneldump"
	"github.com/seed64aab995/rescuekernel/container/target"
)

// A disk becomes a dump target; later a dump is written to it.
func Example() {
	device := newDisk(8<<20, 512)
	label, err := target.Prepare(device, target.PrepareOptions{ID: target.ID{0xd0, 15: 1}, Size: device.Size()})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("room for", label.Capacity(), "bytes, label", label.ID)

	w, err := target.NewWriter(target.WriterOptions{Device: device, Label: label, Header: kerneldump.Header{HostName: "anvil"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = w.Begin([]target.Section{{Kind: target.KindNotes, Data: []byte("what happened")}})
	if err == nil {
		_, err = w.Write([]byte("the dump"))
	}
	if err == nil {
		err = w.Close()
	}
	fmt.Println(w.Written(), err)
	// Output:
	// room for 7797760 bytes, label d0000000000000000000000000000001
	// 8 <nil>
}
