package vmtests

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/emulated"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// scripted is a host at its freeze point in an emulated machine, where something
// goes wrong behind so many instructions.
func scripted(t *testing.T, f *frozen, after uint64, what emulated.Fault) *dumped {
	t.Helper()
	d := f.restore(t, fault{on: onEmulator})
	m := d.machine.(*emulated.Machine)
	require.NoError(t, m.Inject(m.Instructions()+after, what))
	return d
}

// A non-maskable interrupt between any two instructions from the freeze point to
// the rescue image's entry: it is reached as if there had been none, and no byte
// of the host has changed. In the first six instructions it is the host's handler
// that takes it, on its stack in the reservation.
func TestNMIAtEveryInstructionOfTheTrampoline(t *testing.T) {
	f := freeze(t, scene{sizes: usualScene, command: "debug.rescue.compress=zstd", on: onEmulator.name})
	step := uint64(9)
	if *full {
		step = 1
	}
	const instructions = 55
	for n := uint64(0); n < instructions; n += step {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			d := scripted(t, f, n, emulated.Fault{Kind: emulated.NMI})
			exit, err := d.machine.RunTo(d.context(), f.opened.Block.Image.Entry)
			require.NoError(t, err)
			require.Equal(t, machine.Breakpoint, exit.Reason, "%v\n%s", exit, d.console)
			d.requireUnchanged()
		})
	}
}

// Faults by script, the same in two machines: their memory and their disks are
// equal in every byte at the end, and the dump is true but for what was hit.
func TestScriptedFaultsReplay(t *testing.T) {
	if !*full {
		t.Skip("two dumps; drill's tests have one")
	}
	f := freeze(t, scene{sizes: usualScene, command: "debug.rescue.compress=zstd", on: onEmulator.name})
	hit := physmem.Range{Start: 0x5000, End: 0x5040}
	var ends [2]*machine.Snapshot
	var disks [2][]byte
	for i := range ends {
		d := scripted(t, f, 1_000_000, emulated.Fault{Kind: emulated.Scribble, Range: hit})
		m := d.machine.(*emulated.Machine)
		require.NoError(t, m.Inject(m.Instructions()+2_000_000, emulated.Fault{Kind: emulated.NMI}))
		d.exit = d.finish()
		d.requireStatus("whole", "0")
		require.Equal(t, physmem.Ranges{hit}, d.changedMemory())
		disks[i] = d.disks[0].content
		var err error
		ends[i], err = d.machine.Snapshot()
		require.NoError(t, err)
	}
	changes, err := ends[0].Changes(ends[1], nil, 0)
	require.NoError(t, err)
	require.Empty(t, changes)
	require.Equal(t, ends[0].CPUs, ends[1].CPUs)
	require.Equal(t, disks[0], disks[1])
}
