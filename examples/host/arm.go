package main

import (
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/kernel"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/rescue"
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
	memory, err := kernel.Memory()
	if err != nil {
		return nil, fmt.Errorf("the rescue program's module: %w", err)
	}
	module := boot.Modules[0].Range
	return rescue.Arm(rescue.Config{
		Platform:    kernel.Platform{},
		Image:       physmem.NewExtentReader(memory, []physmem.Range{module}),
		ImageRange:  module.AlignOutward(handoff.PageSize),
		Environment: environment,
		NMI:         true,
	})
}
