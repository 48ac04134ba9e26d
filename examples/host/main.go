// Host is an ordinary Go program that runs as a kernel, works, arms a rescue
// kernel, and panics when told to. It is the example to copy for a unikernel of
// your own; everything that it does with this module is in arm.go.
//
// Its command line is words of the form key=value:
//
//	panic=KIND         how to panic: go, nil, stack, memory, kernel, call, exit, nmi, cpu, cpu2, cpu3, lockup, none
//	cpus=N             CPUs to start before arming; 1
//	notify=NAME,NAME   notifiers that misbehave: fault, hang, panic, allocate, deep, scribble; or do not: table
//	information=all    what is printed to the message buffer at a panic; none
//	patience=DURATION  how long the other CPUs have to stop at a panic; 100ms
//	watchdog=PORT      where a watchdog is patted, by 1 at the panic and 2 from then on
//	quiesce=1          silence the disks before anything else
//	dead=N             a CPU that does not answer at the panic
//	loop.limit=N       panics in a row that are rescued; healthy=1 ends the row
//	ramoops=ADDRESS,SIZE  memory in which Linux's ramoops finds the record of the panic
//	after=DURATION     how long to work before; 10ms
//	reserve.size=N     of the reservation; reserve.limit=ADDRESS, reserve.lowest=1 where it may be
//	targets=checked    refuse disks that are too small for a dump without compression
//	fill=1             dump all RAM, not only the pages in use
//	debug.rescue.X=V   the rescue program's variable X
//
// The first boot module is the rescue program. A dump goes to the disks that
// `dumper prepare` has labelled. Build and boot it with
//
//	go run ./cmd/rescue boot --rescue ./cmd/rescue-kernel --append panic=nil ./examples/host
package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/kernel"
)

func main() {
	environment := arguments()
	armed, err := arm(environment)
	if err != nil {
		fmt.Println("host:", err)
		os.Exit(1)
	}
	fmt.Print(armed.Report())
	fmt.Printf("host: armed %v, freeze point %v\n", armed.Reservation(), armed.FreezePoint())

	if err := tellRecords(armed); err != nil {
		fmt.Println("host:", err)
		os.Exit(1)
	}
	if err := saveRecords(armed); err != nil {
		fmt.Println("host:", err)
		os.Exit(1)
	}
	after, err := time.ParseDuration(lookup(environment, "after", "10ms"))
	if err != nil {
		fmt.Println("host: after:", err)
		os.Exit(1)
	}
	work(after)
	if lookup(environment, "healthy", "") != "" {
		armed.Healthy()
	}
	panicAs(lookup(environment, "panic", "none"), lookup(environment, "dead", ""), armed)
	fmt.Println("host: done")
}

// arguments is the kernel's command line as an environment.
func arguments() handoff.Environment {
	boot, err := kernel.Boot()
	if err != nil {
		fmt.Println("host:", err)
		os.Exit(1)
	}
	var environment handoff.Environment
	for _, word := range strings.Fields(boot.CommandLine) {
		name, value, _ := strings.Cut(word, "=")
		environment = append(environment, handoff.Variable{Name: name, Value: value})
	}
	return environment
}

func lookup(environment handoff.Environment, name, fallback string) string {
	if value, ok := environment.Lookup(name); ok {
		return value
	}
	return fallback
}
