package vmtests

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/container"
	"github.com/seed64aab995/rescuekernel/emulator/device"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/savecore"
)

// olderScene has a larger dump of an earlier boot on its disk.
var olderScene = scene{sizes: usualScene, older: true}

// The dump ends at whichever write: the disk fails from there on, tears that
// write, or the machine stops right after it. What was written is found and
// true, and never less than with fewer writes. It is never taken for whole, and
// the older dump never for it.
func TestDumpEndsAtEachWrite(t *testing.T) {
	eachArchitecture(t, func(t *testing.T, r runner) {
		s := olderScene
		s.on = r.name
		f := freeze(t, s)
		older := f.disks[0].identity()
		require.NotZero(t, older, "there is no older dump")
		whole := f.goOn(t, fault{})
		_, all := whole.requireWhole(0)
		require.NotEqual(t, older, whole.disks[0].identity())
		writes := device.Blocks(whole.machine)[0].Counters().Writes
		require.Greater(t, writes, uint64(20))

		for _, test := range []struct {
			name   string
			ends   machine.Reason
			faults func(uint64) device.Faults
			kept   uint64 // writes that are there for n
			some   []uint64
		}{
			{"fails", machine.Reset, func(n uint64) device.Faults { return device.Faults{Fail: device.AfterWrites(n)} }, 0, []uint64{0, 1, 2, 7, writes / 2, writes - 1}},
			{"torn", machine.Reset, func(n uint64) device.Faults { return device.Faults{Tear: device.AfterWrites(n)} }, 0, []uint64{0, 1, writes / 3}},
			{"stops", machine.PoweredOff, func(n uint64) device.Faults { return device.Faults{Stop: device.AtWrite(n)} }, 1, []uint64{0, 1, 9, writes / 2, writes - 2}},
		} {
			numbers := test.some
			if r.architecture == machine.ARM64 {
				numbers = []uint64{test.some[1], test.some[len(test.some)-1]}
			}
			if *full {
				numbers = nil
				for n := range writes - test.kept {
					numbers = append(numbers, n)
				}
			}
			t.Run(test.name, func(t *testing.T) {
				last := 0
				for _, n := range numbers {
					t.Run(fmt.Sprint(n), func(t *testing.T) { // what it holds is free afterwards
						d := f.goOn(t, fault{disks: map[int]device.Faults{0: test.faults(n)}, ends: test.ends})
						if test.ends == machine.Reset {
							d.requireStatus("failed", "-1")
						}
						pages := d.requireSalvaged(older, n+test.kept)
						require.GreaterOrEqual(t, pages, last, "there was more before")
						last = pages
					})
				}
				require.Greater(t, last, all/5)
				t.Logf("%d of %d writes tried, %d of %d pages after the last", len(numbers), writes, last, all)
			})
		}
	})
}

// An uncompressed dump does not tell by itself where it was cut: it is not taken
// for whole either, and where its end is known its pages are true.
func TestUncompressedDumpEndsAtEachWrite(t *testing.T) {
	eachArchitecture(t, func(t *testing.T, r runner) {
		r.onlyFull(t)
		s := olderScene
		s.on = r.name
		s.sizes, s.command = "80", "debug.rescue.compress=none"
		f := freeze(t, s)
		older := f.disks[0].identity()
		whole := f.goOn(t, fault{})
		whole.requireWhole(0)
		writes := device.Blocks(whole.machine)[0].Counters().Writes
		step := writes / 5
		if *full {
			step = 1
		}
		known, last := 0, 0
		for n := uint64(0); n < writes-1; n += step {
			t.Run(fmt.Sprint(n), func(t *testing.T) { // what it holds is free afterwards
				d := f.goOn(t, fault{disks: map[int]device.Faults{0: {Stop: device.AtWrite(n)}}, ends: machine.PoweredOff})
				file, dump, err := d.open(0)
				if err != nil || n < writesBefore {
					return // the older dump loses its headers first
				}
				require.NotEqual(t, older, d.disks[0].identity(), "the older dump is found")
				require.False(t, file.Complete() && dump.Complete(), "it is taken for whole")
				if errors.Is(errors.Join(file.Problems()...), container.ErrUnknownEnd) {
					return
				}
				pages, _ := d.requireTruePages(dump)
				require.GreaterOrEqual(t, pages, last, "there was more before")
				known, last = known+1, pages
			})
		}
		require.NotZero(t, known, "no dump told where it was cut")
		t.Logf("%d writes, %d cuts with a known end, %d pages after the last", writes, known, last)
	})
}

// writesBefore is how many writes come before the older dump has lost both its
// headers: those of the records ahead of it.
const writesBefore = 4

// requireSalvaged requires what can be required of a disk on which so many
// writes of the dump were done, and gives the number of pages that can be read.
func (d *dumped) requireSalvaged(older uint32, writes uint64) (pages int) {
	d.t.Helper()
	file, dump, err := d.open(0)
	if writes == 0 {
		require.NoError(d.t, err)
		require.True(d.t, file.Complete())
		require.Equal(d.t, older, d.disks[0].identity(), "nothing was written: the older dump is still there")
		return 0
	}
	if writes > writesBefore {
		require.NotEqual(d.t, older, d.disks[0].identity(), "%d writes: the older dump is found", writes)
	}
	if err != nil || d.disks[0].identity() == older {
		return 0
	}
	require.False(d.t, file.Complete() && dump.Complete(), "%d writes: it is taken for whole", writes)
	pages, _ = d.requireTruePages(dump)
	if pages > 0 {
		require.Equal(d.t, pages, d.saved(), "%d writes: savecore saves something else", writes)
	}
	d.requireUnchanged()
	return pages
}

// saved is how many pages of the dump are there after savecore.
func (d *dumped) saved() int {
	d.t.Helper()
	directory := d.t.TempDir()
	result, err := savecore.Save(d.t.Context(), d.disks[0], d.disks[0].Size(), savecore.Options{Directory: directory, Device: "disk0"})
	require.NoError(d.t, err)
	information, err := os.ReadFile(fmt.Sprintf("%s/info.%d", directory, result.Number))
	require.NoError(d.t, err)
	require.Contains(d.t, string(information), "incomplete")
	saved, err := os.Open(result.Path)
	require.NoError(d.t, err)
	defer saved.Close()
	file, err := container.Open(saved, result.Size)
	require.NoError(d.t, err)
	defer file.Close()
	dump, err := minidump.Open(file, file.Size())
	require.NoError(d.t, err)
	pages, _ := d.requireTruePages(dump)
	return pages
}
