package main

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/kernel"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/rescue"
	"github.com/seed64aab995/rescuekernel/reserve"
)

// arm arms with the first boot module as the rescue program. It works from the
// first line of main, before any device is up; the module's memory is the
// host's again afterwards.
func arm(environment handoff.Environment) (*rescue.Armed, error) {
	boot, err := kernel.Boot()
	if err != nil {
		return nil, err
	}
	if len(boot.Modules) == 0 {
		return nil, errors.New("there is no boot module with a rescue program")
	}
	module := boot.Modules[0].Range
	program, err := image(module)
	if err != nil {
		return nil, err
	}
	place, err := place(environment)
	if err != nil {
		return nil, err
	}
	disks, spaces, err := targets()
	if err != nil {
		return nil, fmt.Errorf("look for disks: %w", err)
	}
	cpus, err := startCPUs(environment)
	if err != nil {
		return nil, err
	}
	watchdog, err := watchdog(environment)
	if err != nil {
		return nil, err
	}
	var quiesce []uint64
	for _, t := range disks {
		if t.Bus == handoff.BusPCI && lookup(environment, "quiesce", "") != "" {
			quiesce = append(quiesce, t.Address)
		}
	}
	patience, err := time.ParseDuration(lookup(environment, "patience", "0s"))
	if err != nil {
		return nil, fmt.Errorf("patience: %w", err)
	}
	limit, err := strconv.Atoi(lookup(environment, "loop.limit", "0"))
	if err != nil {
		return nil, fmt.Errorf("loop.limit: %w", err)
	}
	ramoops, err := ramoops(environment)
	if err != nil {
		return nil, err
	}
	var platform rescue.Platform = kernel.Platform{}
	if lookup(environment, "fill", "") != "" {
		platform = allPages{}
	}
	return rescue.Arm(rescue.Config{
		Platform:    platform,
		Image:       program,
		ImageRange:  module.AlignOutward(handoff.PageSize),
		Environment: environment,
		Place:       place,
		Targets:     disks,
		PCI:         spaces,
		NMI:         true,
		CPUs:        max(cpus, 2), // one more may be started later
		Notifiers:   notifiers(environment),
		LoopLimit:   limit,
		Patience:    patience,
		Ramoops:     ramoops,
		Watchdog:    watchdog,
		Quiesce:     quiesce,
		Information: map[string]rescue.Information{"all": rescue.InformationAll, "none": rescue.InformationNone}[lookup(environment, "information", "")],
	})
}

// place is where the command line wants the reservation. All zeros is a good
// choice: the least size, as high as it can be.
func place(environment handoff.Environment) (reserve.Place, error) {
	var numbers [3]uint64
	for i, name := range []string{"reserve.size", "reserve.limit", "reserve.lowest"} {
		var err error
		if numbers[i], err = strconv.ParseUint(lookup(environment, name, "0"), 0, 64); err != nil {
			return reserve.Place{}, fmt.Errorf("%s: %w", name, err)
		}
	}
	return reserve.Place{Size: numbers[0], Limit: physmem.Address(numbers[1]), Lowest: numbers[2] != 0}, nil
}
