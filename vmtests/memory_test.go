package vmtests

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machine"
)

var hungryProgram = newProgram("./testdata/hungry")

// A rescue program that runs out of memory in the middle of its dump: a word
// about it, a reset, and what was written is found and true.
func TestRescueProgramOutOfMemory(t *testing.T) {
	eachArchitecture(t, func(t *testing.T, r runner) {
		r.onlyFull(t)
		d := freeze(t, scene{on: r.name, sizes: usualScene, rescue: hungryProgram}).goOn(t, fault{})
		require.Contains(t, d.console.String(), "hungry: at")
		require.Contains(t, d.console.String(), "out of memory")
		require.Less(t, d.took, 20*time.Second)
		d.requireUnchanged()
		file, dump, err := d.open(0)
		require.NoError(t, err, "%s", d.console)
		require.False(t, file.Complete() && dump.Complete())
		pages, _ := d.requireTruePages(dump)
		require.Greater(t, pages, 500)
		t.Logf("took %v, %d pages; %s", d.took, pages, firstLine(d.console.String(), "out of memory"))
	})
}

// A reservation that is too small is refused when arming, with what it takes.
func TestReservationTooSmall(t *testing.T) {
	for _, test := range []struct{ size, says string }{
		{"0x400000", "reservation of 4 MiB is too small"},
		{"0x1000", "too small"},
		{"0x10000000", "no space"},
	} {
		t.Run(test.size, func(t *testing.T) {
			h := start(t, witnesses(), machine.Config{}, "panic=call reserve.size="+test.size, rescueProgram)
			exit := h.finish()
			require.Equal(t, machine.Reset, exit.Reason, "%v\n%s", exit, h.console)
			require.Contains(t, h.console.String(), test.says)
			require.NotContains(t, h.console.String(), "rescue-kernel:")
			t.Log(firstLine(h.console.String(), "host: "))
		})
	}
}
