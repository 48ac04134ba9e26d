package postmortem_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/postmortem"
)

func TestCPUsOfNotes(t *testing.T) {
	t.Parallel()
	x86, err := (&amd64.CPUState{Valid: amd64.StateGeneral | amd64.StateControl, RIP: textBase + 0x20, RSP: stack, RBP: stack + 0x10, CR2: 0xdead}).AppendBinary(nil)
	require.NoError(t, err)
	arm := arm64.CPUState{Valid: arm64.StateGeneral, PC: textBase + 0x20, SP: stack}
	arm.X[29], arm.X[30] = stack+0x10, textBase+0x410
	armState, err := arm.AppendBinary(nil)
	require.NoError(t, err)
	notes := &minidump.Notes{CPUs: []minidump.CPUNote{
		{Number: 2, Architecture: minidump.AMD64, State: x86[:20]},
		{Number: 1, Architecture: minidump.AMD64, State: x86, Flags: minidump.CPUNotStopped},
		{Number: 7, Architecture: minidump.ARM64, State: armState, Flags: minidump.CPUPanicked, Time: 99},
		{Number: 0, Architecture: minidump.MIPS, State: armState},
	}}
	cpus, err := postmortem.CPUs(notes)
	require.NoError(t, err)
	require.Len(t, cpus, 4)
	require.Equal(t, "cpu7 (panicked)", cpus[0].Title())
	require.Equal(t, uint64(99), cpus[0].Time)
	require.ErrorIs(t, cpus[1].Err, postmortem.ErrUnsupported)
	require.Equal(t, "cpu1 (did not stop in time)", cpus[2].Title())
	require.ErrorIs(t, cpus[3].Err, postmortem.ErrDamaged)
	require.Empty(t, cpus[3].Registers.List)

	for _, c := range []postmortem.CPU{cpus[0], cpus[2]} {
		require.NoError(t, c.Err)
		k, m := stackKernel(t, c.Registers.Architecture)
		m.call(stack+0x10, 0, textBase+0x320)
		requireFrames(t, k.Backtrace(c.Registers), "panic+0x20", "faulting+0x20")
	}
	cr2, ok := cpus[2].Registers.Get("cr2")
	require.True(t, ok)
	require.Equal(t, uint64(0xdead), cr2)
	_, ok = cpus[2].Registers.Get("dr7")
	require.False(t, ok, "was not captured")
}
