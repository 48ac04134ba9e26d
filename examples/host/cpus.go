package main

import (
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/kernel"
)

// orders is what each CPU beside the first is to do.
var orders [8]struct {
	started atomic.Uint32
	fault   atomic.Uint32
}

// startCPUs starts the CPUs that the command line wants, and returns how many
// there are then.
func startCPUs(environment handoff.Environment) (int, error) {
	cpus, err := strconv.Atoi(lookup(environment, "cpus", "1"))
	if err != nil || cpus < 1 || cpus > len(orders) {
		return 0, fmt.Errorf("cpus: want 1 to %d: %w", len(orders), err)
	}
	heart.Store(0) // it must be mapped
	others := [...]func(){nil, other1, other2, other3, other4, other5, other6, other7}
	for cpu := 1; cpu < cpus; cpu++ {
		orders[cpu].started.Store(0) // it must be mapped
		if err := kernel.StartCPU(uint32(cpu), others[cpu]); err != nil {
			return 0, err
		}
	}
	return cpus, nil
}

// What another CPU runs has no goroutine, and no argument.

//go:nosplit
func other1() { obey(1) }

//go:nosplit
func other2() { obey(2) }

//go:nosplit
func other3() { obey(3) }

//go:nosplit
func other4() { obey(4) }

//go:nosplit
func other5() { obey(5) }

//go:nosplit
func other6() { obey(6) }

//go:nosplit
func other7() { obey(7) }

// obey waits for the order to fault, or for CPU 0 to stop beating once it has
// begun to.
//
//go:nosplit
func obey(cpu int) {
	const patience = 20_000_000 // rounds
	o := &orders[cpu&7]
	beat, silent := uint32(0), 0
	for o.fault.Load() == 0 && silent < patience {
		o.started.Add(1)
		silent++
		if now := heart.Load(); now != beat || now == 0 {
			beat, silent = now, 0
		}
	}
	wildStore()
}

// heart is CPU 0's beat, 0 before it begins.
var heart atomic.Uint32

// beatForever lets the other CPUs watch this one: they panic when it stands still.
func beatForever() {
	for n := uint32(1); ; n++ {
		heart.Store(2*n + 1)
	}
}

// faultOn lets another CPU fault, one that is started for it if none was.
func faultOn(cpu int) error {
	if cpu < 1 || cpu >= len(orders) {
		return fmt.Errorf("there is no CPU %d that could fault", cpu)
	}
	if orders[cpu].started.Load() == 0 {
		return kernel.StartCPU(uint32(cpu), wildStore)
	}
	orders[cpu].fault.Store(1)
	return nil
}
