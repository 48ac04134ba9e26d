package machinetest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

func testReset(t *testing.T, c contract) {
	m := c.boot(t, c.reset, machine.Config{})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for i := range uint64(3) {
		exit, err := m.Run(ctx)
		require.NoError(t, err)
		require.Equal(t, machine.Reset, exit.Reason, "%v", exit)
		require.Equal(t, i+1, readWord(t, m, c.data), "RAM outside of the image keeps its contents")
		require.NoError(t, m.Reset())
	}
}

func testSnapshot(t *testing.T, c contract) {
	ctx, m := c.atEntry(t, c.counter, machine.Config{})
	_, err := m.RunTo(ctx, c.loop, c.loopStep)
	require.NoError(t, err)
	before, err := m.Snapshot()
	require.NoError(t, err)
	require.Equal(t, m.RAM(), before.RAM)
	require.Equal(t, c.Architecture, before.Architecture)
	require.Len(t, before.CPUs, 1)
	same, err := machine.Changes(before.Memory, m.Memory(), m.RAM(), 0)
	require.NoError(t, err)
	require.Empty(t, same)
	runUntil(t, m, c.data, readWord(t, m, c.data))
	after, err := m.Snapshot()
	require.NoError(t, err)
	changes, err := before.Changes(after, nil, 0)
	require.NoError(t, err)
	require.NotEmpty(t, changes)
	word := physmem.Range{Start: c.data, End: c.data + 8}
	require.True(t, word.ContainsRange(changes.Bounds()), "only the counter changed, not %v", changes)
	changes, err = before.Changes(after, physmem.Ranges{word}, 0)
	require.NoError(t, err)
	require.Empty(t, changes)
}

// testRestore lets a snapshot go on in a machine that has nothing loaded.
func testRestore(t *testing.T, c contract) {
	ctx, m := c.atEntry(t, c.counter, machine.Config{})
	_, err := m.RunTo(ctx, c.loop, c.loopStep)
	require.NoError(t, err)
	s, err := m.Snapshot()
	require.NoError(t, err)
	other, err := c.New(machine.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, other.Close()) })
	_, err = other.Memory().WritePhysical([]byte("to be cleared"), c.data+0x1000)
	require.NoError(t, err)
	require.NoError(t, machine.Restore(other, s))
	state, err := other.State(0)
	require.NoError(t, err)
	require.Equal(t, s.CPUs[0].PC(), state.PC())
	require.Equal(t, s.CPUs[0].SP(), state.SP())
	copied, err := other.Snapshot()
	require.NoError(t, err)
	changes, err := s.Changes(copied, nil, 0)
	require.NoError(t, err)
	require.Empty(t, changes)
	runUntil(t, other, c.data, readWord(t, other, c.data))
	require.Less(t, readWord(t, m, c.data), uint64(2), "and the first machine stands still")

	wrong := *s
	wrong.Architecture = "vax"
	require.ErrorIs(t, machine.Restore(m, &wrong), machine.ErrUnsupported)
	wrong = *s
	wrong.CPUs = make([]machine.State, 3)
	require.ErrorIs(t, machine.Restore(m, &wrong), machine.ErrUnsupported)
}
