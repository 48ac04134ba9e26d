package emulated_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/emulated"
)

// runGuestARM64 runs a scenario to its end, and gives what it wrote.
func runGuestARM64(t testing.TB, o emulated.Options, scenario string, ends machine.Reason, change func(*machine.Config)) string {
	t.Helper()
	o.Architecture = machine.ARM64
	m, out := startGuestOn(t, o, scenario, change)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	exit, err := m.Run(ctx)
	require.NoError(t, err)
	text := strings.ReplaceAll(out.String(), "\r\n", "\n")
	require.Equal(t, ends, exit.Reason, "%v\n%s", exit, text)
	if ends == machine.PoweredOff {
		require.Contains(t, text, "scenario done\n")
	}
	return text
}

// Scenarios of package kernel's guest on each CPU, at EL1 and EL2, with either
// interrupt controller. What they check is in that package.
func TestGuestScenariosARM64(t *testing.T) {
	t.Parallel()
	for scenario, o := range map[string]emulated.Options{
		"hello": {}, "run": {CPU: "max", EL2: true}, "collect": {CPU: "cortex-a72", GIC: 3}, "nil": {CPU: "neoverse-n1", EL2: true, GIC: 3},
		"sleep": {GIC: 3}, "memory": {CPU: "cortex-a53"}, "files": {CPU: "max"},
	} {
		t.Run(fmt.Sprintf("%s %s EL2 %t GIC %d", scenario, o.CPU, o.EL2, o.GIC), func(t *testing.T) {
			t.Parallel()
			runGuestARM64(t, o, scenario, machine.PoweredOff, nil)
		})
	}
}

// What the board hands over, as the guest has read it.
func TestGuestBootFactsARM64(t *testing.T) {
	t.Parallel()
	out := runGuestARM64(t, emulated.Options{}, "boot one variable=value two", machine.PoweredOff, func(c *machine.Config) {
		c.Boot.Modules = []machine.Module{{Data: []byte("a module's bytes")}}
	})
	require.Contains(t, out, `command line "boot one variable=value two"`)
	require.Contains(t, out, "map [0x40000000, 0x44000000) type 1\n")
	require.Contains(t, out, `"a module"`)
	require.Contains(t, out, "CNTFRQ_EL0")
}

// A panic of either CPU stops both, with PSCI by HVC and by SMC.
func TestGuestSecondCPUARM64(t *testing.T) {
	t.Parallel()
	for where, want := range map[string]uint8{"here": uint8(handoff.ReasonCall), "there": uint8(handoff.ReasonUserFault) | 1<<4} {
		for _, el2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s EL2 %t", where, el2), func(t *testing.T) {
				t.Parallel()
				out := runGuestARM64(t, emulated.Options{EL2: el2}, "cpu "+where, machine.Reset, func(c *machine.Config) { c.CPUs = 2 })
				require.Contains(t, out, fmt.Sprintf(": #%02x", want))
			})
		}
	}
}

// The ends that a guest can come to, as QEMU has them.
func TestGuestEndsARM64(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		scenario string
		want     []string
	}{
		"wild access":       {"wild", []string{"unexpected fault address 0x123456789000", "main.poke", "kernel: panic: exit"}},
		"endless recursion": {"recursion", []string{"kernel: panic: out of memory"}},
		"explicit call":     {"panic", []string{"kernel: panic: explicit call: as asked for"}},
		"handler, EL1":      {"hook gate", []string{fmt.Sprintf(": #%02x", uint8(handoff.ReasonKernelFault))}},
		"handler, nested":   {"hook call nested", []string{fmt.Sprintf(": #%02x", uint8(handoff.ReasonUserFault)|0x80)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := runGuestARM64(t, emulated.Options{}, test.scenario, machine.Reset, nil)
			for _, want := range test.want {
				require.Contains(t, out, want)
			}
		})
	}
}

// Small memory, and much of it.
func TestGuestMemorySizesARM64(t *testing.T) {
	t.Parallel()
	for _, size := range []uint64{16 << 20, 4 << 30} {
		t.Run(fmt.Sprintf("%d MiB", size>>20), func(t *testing.T) {
			t.Parallel()
			runGuestARM64(t, emulated.Options{}, "figures", machine.PoweredOff, func(c *machine.Config) { c.MemorySize = size })
		})
	}
}

// The guest hands over to itself.
func TestGuestHandOffARM64(t *testing.T) {
	t.Parallel()
	out := runGuestARM64(t, emulated.Options{EL2: true, CPU: "max"}, "arm gate", machine.PoweredOff, func(c *machine.Config) {
		c.Boot.Modules = []machine.Module{{Data: needGuest(t, machine.ARM64).file}}
	})
	require.Contains(t, out, fmt.Sprintf(": %v, ", handoff.ReasonKernelFault))
	require.Contains(t, out, `greeting "hello from the host"`)
}

// TestSameAgainARM64: two runs of a guest from power-on are equal in every byte,
// also with faults by script, which make them different from one without.
func TestSameAgainARM64(t *testing.T) {
	t.Parallel()
	var snapshots [4]*machine.Snapshot
	var counts [4]uint64
	for i := range snapshots {
		m, _ := startGuestOn(t, emulated.Options{Architecture: machine.ARM64, GIC: 3}, "collect", func(c *machine.Config) { c.CPUs = 2 })
		if i >= 2 {
			require.NoError(t, m.Inject(300_000, emulated.Fault{Kind: emulated.NMI}))
			require.NoError(t, m.Inject(350_000, emulated.Fault{Kind: emulated.Interrupt, Vector: 40}))
			require.NoError(t, m.Inject(400_000, emulated.Fault{Kind: emulated.Scribble, Range: bytesAt(0x43f00000, 100)}))
			require.NoError(t, m.Inject(500_001, emulated.Fault{Kind: emulated.Flip, Range: bytesAt(0x43f00200, 1), Bit: 1}))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		_, err := m.Run(ctx)
		require.NoError(t, err)
		counts[i] = m.Instructions()
		snapshots[i], err = m.Snapshot()
		require.NoError(t, err)
	}
	for _, i := range []int{0, 2} {
		require.Equal(t, counts[i], counts[i+1])
		require.Equal(t, snapshots[i].CPUs, snapshots[i+1].CPUs)
		changes, err := snapshots[i].Changes(snapshots[i+1], nil, 0)
		require.NoError(t, err)
		require.Empty(t, changes)
	}
	changes, err := snapshots[0].Changes(snapshots[2], nil, 0)
	require.NoError(t, err)
	require.NotEmpty(t, changes)
}
