package reader_test

import (
	"bytes"
	"fmt"

	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/record/reader"
)

// What was found on a disk is opened without knowing what it is.
func Example() {
	r := record.Record{Class: record.ClassPanic, Source: "host", Message: "boom", CPU: record.NoCPU, Sequence: 3}
	file, _ := r.AppendBinary(nil)
	result, err := reader.Open(bytes.NewReader(file), int64(len(file)), reader.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range result.Contents.Records {
		back, _ := reader.Decode(s.Data)
		fmt.Println(result.Kind, back.Sequence, back.Class, back.Message)
	}
	// Output: CBOR sequence 3 host.fault.panic boom
}
