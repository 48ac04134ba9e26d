package emulated

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/emulator"
	emulated "github.com/seed64aab995/rescuekernel/emulator/arm64"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// newComputer is a board without devices.
func newComputer(t *testing.T, o Options, cpus int) *computer {
	t.Helper()
	o.Architecture = machine.ARM64
	v, err := newVirt(o)
	require.NoError(t, err)
	config := machine.Config{CPUs: cpus, MemorySize: 1 << 20}
	require.NoError(t, v.complete(&config))
	c := &computer{virt: v, memory: emulator.NewMemory(config.RAM)}
	for i := range cpus {
		c.cpus = append(c.cpus, emulated.New(i, c.memory, emulated.Config{Affinity: v.affinity(i), EL2: o.EL2, Firmware: c.firmware}))
	}
	c.cpus[0].PowerOn(virtMemory, 0)
	return c
}

func TestPSCI(t *testing.T) {
	t.Parallel()
	const entry = virtMemory + 0x1000
	for _, test := range []struct {
		name string
		call [4]uint64
		want arm64.PSCIResult
	}{
		{"version", [4]uint64{arm64.PSCIVersion}, 0x10001},
		{"features", [4]uint64{arm64.PSCIFeatures, arm64.PSCICPUOn}, psciSuccess},
		{"features that are not there", [4]uint64{arm64.PSCIFeatures, 0x84000012}, psciNotSupported},
		{"on", [4]uint64{arm64.PSCICPUOn, 1, entry, 7}, psciSuccess},
		{"on, in 32 bits", [4]uint64{psciCPUOn32, 0xffffffff_00000001, entry, 7}, psciSuccess},
		{"already on", [4]uint64{arm64.PSCICPUOn, 0, entry}, psciAlreadyOn},
		{"no such CPU", [4]uint64{arm64.PSCICPUOn, 2, entry}, psciInvalid},
		{"no affinity", [4]uint64{arm64.PSCICPUOn, 1<<31 | 1, entry}, psciInvalid},
		{"entry that is no RAM", [4]uint64{arm64.PSCICPUOn, 1, 0x1000}, psciInvalidAddress},
		{"entry that is odd", [4]uint64{arm64.PSCICPUOn, 1, entry + 2}, psciInvalidAddress},
		{"affinity of who is on", [4]uint64{arm64.PSCIAffinityInfo, 0}, psciAffinityOn},
		{"affinity of who is off", [4]uint64{psciAffinityInfo32, 1}, psciIsOff},
		{"affinity of nobody", [4]uint64{arm64.PSCIAffinityInfo, 9}, psciInvalid},
		{"affinity of a cluster", [4]uint64{arm64.PSCIAffinityInfo, 0, 1}, psciInvalid},
		{"suspend", [4]uint64{psciCPUSuspend}, psciSuccess},
		{"trusted OS", [4]uint64{psciMigrateType}, psciNoTrusted},
		{"anything else", [4]uint64{0xc2000000}, psciNotSupported},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newComputer(t, Options{}, 2)
			for i, v := range test.call {
				c.cpus[0].SetX(i, v)
			}
			handled, exit := c.firmware(c.cpus[0], emulated.ConduitHVC)
			require.True(t, handled)
			require.Nil(t, exit)
			require.Equal(t, uint64(int64(test.want)), c.cpus[0].X(0), "%v", test.want)
			if test.want == psciSuccess && test.call[2] == entry {
				require.Equal(t, machine.Running, c.cpus[1].Activity())
				require.EqualValues(t, entry, c.cpus[1].PC())
				require.EqualValues(t, 7, c.cpus[1].X(0))
			}
		})
	}
}

// TestPSCIEnds are the calls that do not come back, and the instruction that is
// none.
func TestPSCIEnds(t *testing.T) {
	t.Parallel()
	for function, want := range map[uint64]machine.Reason{arm64.PSCISystemOff: machine.PoweredOff, arm64.PSCISystemReset: machine.Reset} {
		c := newComputer(t, Options{EL2: true}, 1)
		c.cpus[0].SetX(0, function)
		handled, _ := c.firmware(c.cpus[0], emulated.ConduitHVC)
		require.False(t, handled, "with EL2 HVC is the guest's own")
		handled, exit := c.firmware(c.cpus[0], emulated.ConduitSMC)
		require.True(t, handled)
		require.Equal(t, &machine.Exit{Reason: want}, exit)
	}
	c := newComputer(t, Options{}, 1)
	c.cpus[0].SetX(0, arm64.PSCICPUOff)
	handled, exit := c.firmware(c.cpus[0], emulated.ConduitHVC)
	require.True(t, handled)
	require.Nil(t, exit)
	require.Equal(t, machine.Off, c.cpus[0].Activity())
	require.True(t, c.memory.HasPage(physmem.Address(virtMemory)))
}
