package gic_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	definitions "github.com/seed64aab995/rescuekernel/device/gic"
	"github.com/seed64aab995/rescuekernel/emulator/gic"
)

// TestSystemRegistersOff: after power-on EL2 has only the register that turns the
// others on; EL1 has what EL2 lets it have.
func TestSystemRegistersOff(t *testing.T) {
	t.Parallel()
	c, err := gic.New(gic.Config{Version: 3, EL2: true})
	require.NoError(t, err)
	type allowed struct{ sre2, hcr2, pmr2, sre1, pmr1, igrpen0, igrpen1 bool }
	look := func() allowed {
		return allowed{
			c.Allows(0, 2, definitions.SREEL2), c.Allows(0, 2, definitions.HCREL2), c.Allows(0, 2, definitions.PMR), c.Allows(0, 1, definitions.SRE),
			c.Allows(0, 1, definitions.PMR), c.Allows(0, 1, definitions.IGRPEN0), c.Allows(0, 1, definitions.IGRPEN1),
		}
	}
	write := func(r definitions.SystemRegister, v uint64) {
		require.True(t, c.WriteSystem(0, r, v))
		got, ok := c.ReadSystem(0, r)
		require.True(t, ok)
		require.Equal(t, v, got)
	}
	require.Equal(t, allowed{sre2: true}, look())
	write(definitions.SREEL2, definitions.SRESystemRegisters)
	require.Equal(t, allowed{sre2: true, hcr2: true, pmr2: true}, look(), "EL1 is still trapped")
	write(definitions.SREEL2, definitions.SRESystemRegisters|definitions.SREEnable)
	write(definitions.HCREL2, definitions.HypervisorTrapCommon)
	require.Equal(t, allowed{true, true, true, true, false, true, true}, look())
	write(definitions.HCREL2, definitions.HypervisorTrapGroup0)
	require.Equal(t, allowed{true, true, true, true, true, false, true}, look())
	write(definitions.HCREL2, definitions.HypervisorTrapGroup1)
	require.Equal(t, allowed{true, true, true, true, true, true, false}, look())
	write(definitions.HCREL2, 0)
	require.Equal(t, allowed{true, true, true, true, true, true, true}, look())
	require.False(t, c.Allows(0, 1, definitions.SREEL2), "EL2's, at EL1")
	require.False(t, c.Allows(1, 1, definitions.PMR), "no such CPU")
	c.Reset()
	require.Equal(t, allowed{sre2: true}, look())
}

// Without EL2 all is on.
func TestSystemRegistersWithoutEL2(t *testing.T) {
	t.Parallel()
	c, err := gic.New(gic.Config{Version: 3})
	require.NoError(t, err)
	require.True(t, c.Allows(0, 1, definitions.PMR))
	require.False(t, c.Allows(0, 1, definitions.SREEL2))
}
