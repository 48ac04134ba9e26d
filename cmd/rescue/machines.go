package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/emulated"
	"github.com/seed64aab995/rescuekernel/machine/kvm"
	"github.com/seed64aab995/rescuekernel/machine/qemu"
)

// runner makes machines of one kind.
type runner func(machine.Config) (machine.Machine, error)

// runners make machines by name and architecture.
var runners = map[string]map[handoff.Architecture]runner{
	"emulated": {handoff.AMD64: emulated.New, handoff.ARM64: emulated.NewARM64},
	"kvm":      {handoff.AMD64: kvm.New},
	"qemu":     {handoff.AMD64: qemu.New, handoff.ARM64: qemu.NewARM64},
}

// findRunner is the runner that --machine names.
func findRunner(name string, architecture handoff.Architecture) (runner, error) {
	kinds, ok := runners[name]
	if !ok {
		return nil, unknownMachine(name)
	}
	r, ok := kinds[architecture]
	if !ok {
		return nil, fmt.Errorf("%s has no machines of %v: %w", name, architecture, machine.ErrUnavailable)
	}
	return r, nil
}

func unknownMachine(name string) error {
	return usagef("--machine %s: want %s", name, strings.Join(slices.Sorted(maps.Keys(runners)), ", "))
}

// usualMachine is the machine that boots a host unless the user names one.
func usualMachine(architecture handoff.Architecture) string {
	if architecture == handoff.AMD64 {
		return "kvm"
	}
	return "emulated"
}

// parseArchitecture is --arch.
func parseArchitecture(name string) (handoff.Architecture, error) {
	for _, a := range []handoff.Architecture{handoff.AMD64, handoff.ARM64} {
		if a.String() == name {
			return a, nil
		}
	}
	return 0, usagef("architecture %q: want amd64 or arm64", name)
}
