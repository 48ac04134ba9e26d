package record_test

import (
	"context"
	"fmt"

	"github.com/seed64aab995/rescuekernel/record"
)

// A host keeps an area in memory that survives a warm reset. After the next boot
// it finds the records there, and the reader acknowledges them.
func Example() {
	memory := make([]byte, 64<<10)
	area, _, err := record.Adopt(memory, memory, record.DefaultLayout(), record.ID{1})
	if err != nil {
		fmt.Println(err)
		return
	}
	task, _ := area.Source("task")
	_, err = area.Add(task, &record.Record{Class: record.ClassTaskPanic, CPU: record.NoCPU, Message: "index out of range"})
	fmt.Println("recorded:", err == nil)

	// The machine is reset.
	area, adopted, err := record.Adopt(memory, memory, record.DefaultLayout(), record.ID{2})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("boot", adopted.Boot, "found", adopted.Records)
	contents, _ := area.Contents()
	for _, s := range contents.Records {
		r, _ := record.Decode(s.Data)
		fmt.Println(r.Sequence, r.Class, r.Source, r.Message)
		_, _ = area.Acknowledge(s.RestartID, s.Sequence)
	}
	contents, _ = area.Contents()
	fmt.Println("left:", len(contents.Records))
	// Output:
	// recorded: true
	// boot 2 found 2
	// 1 record.loss record what was recorded before this boot is not known
	// 2 task.fault.panic task index out of range
	// left: 0
}

// A supervisor reports that a task panicked and restarts it, whether or not the
// report came off.
func ExampleReporter() {
	area, _ := record.Format(make([]byte, 64<<10), record.DefaultLayout(), record.ID{1})
	reporter := &record.Reporter{Area: area}
	run := func(generation uint32) {
		defer func() {
			if v := recover(); v != nil {
				_ = reporter.Report(context.Background(), "task", record.Record{
					Source: "resolver", CPU: record.NoCPU, Message: fmt.Sprint(v), Generation: generation,
				})
			}
		}()
		panic("no answer")
	}
	run(0)
	contents, _ := area.Contents()
	r, _ := record.Decode(contents.Records[1].Data)
	fmt.Println(r.Class, r.Source, r.Message)
	// Output: task.fault.panic resolver no answer
}
