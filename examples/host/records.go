package main

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/rescue"
)

// tellRecords prints the fault records that earlier boots have left in the
// reservation.
func tellRecords(armed *rescue.Armed) error {
	adopted := armed.Adopted()
	if !adopted.Found {
		return nil
	}
	fmt.Printf("host: boot %d, %d panics in a row, %d records of earlier boots\n", adopted.Boot, adopted.Panics, adopted.Records)
	contents, err := armed.Records().Contents()
	if err != nil {
		return err
	}
	for _, stored := range contents.Records {
		r, err := record.Decode(stored.Data)
		if err != nil {
			return err
		}
		fmt.Printf("host: record %d, CPU %d, %s: %s\n", r.Sequence, r.CPU, r.Class, r.Message)
	}
	return nil
}
