package capture_test

import (
	"fmt"
	"testing"

	"github.com/seed64aab995/rescuekernel/capture"
	"github.com/seed64aab995/rescuekernel/container/target"
	"github.com/seed64aab995/rescuekernel/handoff"
)

// What a rescue program does, over a copy of a machine's memory.
func Example() {
	disk := newDisk(4 << 20)
	machine := newMachine(&testing.T{}, machineOptions{targets: []handoff.Target{disk.prepare(&testing.T{}, 0, 0)}})

	host, err := capture.Open(machine.memory, machine.block.Reservation.Start)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("host panicked:", host.PanicMessage())
	dumper, err := host.NewDumper(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	result := host.Run(dumper, capture.Options{
		Disk: func(handoff.Target) (target.Device, error) { return disk, nil },
	})
	fmt.Println("whole:", result.Whole(), result.Err())
	fmt.Println("then:", host.Settings.Finish)
	// Output:
	// host panicked: the books do not balance
	// whole: true <nil>
	// then: reset
}
