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
	var d disks
	if d.candidates, d.spaces, err = candidates(); err != nil {
		return nil, fmt.Errorf("look for disks: %w", err)
	}
	targets, err := d.targets()
	if err != nil {
		return nil, fmt.Errorf("look for disks: %w", err)
	}
	c := rescue.Config{
		Platform:    kernel.Platform{},
		Image:       program,
		ImageRange:  module.AlignOutward(handoff.PageSize),
		Environment: environment,
		Place:       place,
		Targets:     targets,
		PCI:         d.spaces,
		NMI:         true,
		Notifiers:   notifiers(environment),
	}
	if lookup(environment, "targets", "") == "checked" {
		c.Devices = d.open // a host of your own does that always
	}
	if lookup(environment, "fill", "") != "" {
		c.Platform = allPages{}
	}
	if err := atPanic(&c); err != nil {
		return nil, err
	}
	return rescue.Arm(c)
}

// atPanic sets what the command line wants of the panic path. All zeros is a good
// choice here, too.
func atPanic(c *rescue.Config) error {
	cpus, err := startCPUs(c.Environment)
	if err != nil {
		return err
	}
	c.CPUs = max(cpus, 2) // one more may be started later
	if c.Watchdog, err = watchdog(c.Environment); err != nil {
		return err
	}
	if c.Ramoops, err = ramoops(c.Environment); err != nil {
		return err
	}
	if c.Patience, err = time.ParseDuration(lookup(c.Environment, "patience", "0s")); err != nil {
		return fmt.Errorf("patience: %w", err)
	}
	if c.LoopLimit, err = strconv.Atoi(lookup(c.Environment, "loop.limit", "0")); err != nil {
		return fmt.Errorf("loop.limit: %w", err)
	}
	for _, t := range c.Targets {
		if t.Bus == handoff.BusPCI && lookup(c.Environment, "quiesce", "") != "" {
			c.Quiesce = append(c.Quiesce, t.Address)
		}
	}
	c.Information = map[string]rescue.Information{
		"all": rescue.InformationAll, "none": rescue.InformationNone,
	}[lookup(c.Environment, "information", "")]
	return nil
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
