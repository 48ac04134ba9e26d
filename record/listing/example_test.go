package listing_test

import (
	"fmt"
	"os"
	"time"

	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/record/listing"
)

// What a service has lost to panics since yesterday.
func Example() {
	layout := record.DefaultLayout()
	area, err := record.Format(make([]byte, layout.Size()), layout, record.ID{0x5f, 0x0c})
	if err != nil {
		fmt.Println(err)
		return
	}
	task, err := area.Source("task")
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := area.Add(task, &record.Record{Class: record.ClassTaskPanic, Source: "ledger", CPU: record.NoCPU, Message: "torn"}); err != nil {
		fmt.Println(err)
		return
	}
	filter, err := listing.ParseFilter([]string{"class=task.fault", "since=24h"}, time.Now())
	if err != nil {
		fmt.Println(err)
		return
	}
	contents, err := area.Contents()
	if err != nil {
		fmt.Println(err)
		return
	}
	entries, _ := listing.Select(contents, filter)
	if err := listing.WriteText(os.Stdout, entries); err != nil {
		fmt.Println(err)
	}
	// Output: 5f0c0000    2  time not known            task.fault.panic  ledger  torn
}
