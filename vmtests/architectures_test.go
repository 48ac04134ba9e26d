package vmtests

import (
	"slices"
	"testing"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine"
)

// eachArchitecture runs a test of dumps on the machine of each architecture that
// makes them with the least work. Without -full the table's rows on arm64 are
// those that takes lets through.
func eachArchitecture(t *testing.T, test func(t *testing.T, r runner)) {
	t.Helper()
	for _, r := range []runner{dumps(), onEmulatedARM64} {
		t.Run(string(r.architecture), func(t *testing.T) { test(t, r) })
	}
}

// takes reports whether a row is run on this machine: on arm64 each table's first
// ones are by default, since each fault has been on its cheapest machine then.
func (r runner) takes(row string, some ...string) bool {
	return r.architecture == machine.AMD64 || *full || slices.Contains(some, row)
}

// onlyFull skips on arm64 what is run there with -full only.
func (r runner) onlyFull(t *testing.T) {
	t.Helper()
	if r.architecture == machine.ARM64 && !*full {
		t.Skip("on arm64 with -full")
	}
}

// poweredOff is how the machine ends when the guest turns it off.
func (r runner) poweredOff() machine.Reason {
	if r.architecture == machine.ARM64 {
		return machine.PoweredOff
	}
	return machine.DebugExit
}

// serialTarget is the machine's serial line as a target.
func (r runner) serialTarget() handoff.Target {
	if r.architecture == machine.ARM64 {
		return handoff.Target{Kind: handoff.TargetSerial, Bus: handoff.BusMMIO, Address: 0x900_0000, Speed: 115200}
	}
	return handoff.Target{Kind: handoff.TargetSerial, Bus: handoff.BusPort, Address: 0x3f8, Speed: 115200}
}
