package machinetest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// testHighMemory has RAM on both sides of 4 GiB.
func testHighMemory(t *testing.T, c contract) {
	const size = 5 << 30
	_, m := c.atEntry(t, c.counter, machine.Config{MemorySize: size})
	top := m.RAM()[len(m.RAM())-1].End
	require.Greater(t, top, physmem.Address(5<<30), "RAM is on both sides of a hole: %v", m.RAM())
	writeWord(t, m, top-8, 99)
	s, err := m.Snapshot()
	require.NoError(t, err)
	require.Less(t, s.Populated.Size(), uint64(64<<20), "untouched memory takes nothing")
	require.EqualValues(t, 99, readWord(t, m, top-8))
	changes, err := machine.Changes(s.Memory, m.Memory(), physmem.Ranges{{Start: top - 0x1000, End: top}}, 0)
	require.NoError(t, err)
	require.Empty(t, changes)
}

// testSparseMemory has 64 GiB of RAM with holes of the caller's choice.
func testSparseMemory(t *testing.T, c contract) {
	ram := physmem.NewRanges(
		physmem.Range{Start: 0, End: 0x8000000},
		physmem.Range{Start: 0x9000000, End: 0xa000000},
		physmem.Range{Start: 4 << 30, End: 64 << 30},
	)
	_, m := c.atEntry(t, c.counter, machine.Config{RAM: ram})
	require.Equal(t, ram, m.RAM())
	for i, r := range ram {
		writeWord(t, m, r.End-8, uint64(i)+1)
	}
	runUntil(t, m, c.data, readWord(t, m, c.data))
	s, err := m.Snapshot()
	require.NoError(t, err)
	require.Less(t, s.Populated.Size(), uint64(64<<20))
	for i, r := range ram {
		require.EqualValues(t, i+1, readWord(t, m, r.End-8))
	}
}

func testHalt(t *testing.T, c contract) {
	ctx, m := c.atEntry(t, amd64Halt, machine.Config{})
	for range 2 { // it stays halted
		exit, err := m.Run(ctx)
		require.NoError(t, err)
		require.Equal(t, machine.Halted, exit.Reason, "%v", exit)
		require.EqualValues(t, 1, readWord(t, m, c.data))
		state, err := m.State(0)
		require.NoError(t, err)
		require.Equal(t, machine.Waiting, state.(*machine.AMD64State).Activity)
	}
}

func testTripleFault(t *testing.T, c contract) {
	ctx, m := c.atEntry(t, amd64Crash, machine.Config{})
	exit, err := m.Run(ctx)
	require.NoError(t, err)
	// A PC resets when a CPU shuts down, and some boards tell only of that.
	require.Contains(t, []machine.Reason{machine.TripleFault, machine.Reset}, exit.Reason, "%v", exit)
}

func testNMI(t *testing.T, c contract) {
	_, m := c.atEntry(t, amd64NMI, machine.Config{})
	runUntil(t, m, c.data, 0)
	require.EqualValues(t, 0, readWord(t, m, c.data+8))
	require.NoError(t, m.NMI(0)) // while it stands still
	runUntil(t, m, c.data+8, 0)
	require.EqualValues(t, 1, readWord(t, m, c.data+8))

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := make(chan error, 1)
	go func() { // and while it runs
		done <- m.NMI(0)
	}()
	runUntil(t, m, c.data+8, 1)
	require.NoError(t, <-done)
	require.NoError(t, ctx.Err())
	require.EqualValues(t, 2, readWord(t, m, c.data+8))
}

// testNMIStorm sends NMIs without a pause, from more senders than the machine
// has CPUs: Run still ends when its context does.
func testNMIStorm(t *testing.T, c contract) {
	_, m := c.atEntry(t, amd64NMI, machine.Config{})
	runUntil(t, m, c.data, 0)
	const senders = 4
	stop, done := make(chan struct{}), make(chan error, senders)
	for range senders {
		go func() {
			var err error
			for err == nil {
				select {
				case <-stop:
					done <- nil
					return
				default:
					err = m.NMI(0)
				}
			}
			done <- err
		}()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	begin := time.Now()
	exit, err := m.Run(ctx)
	close(stop)
	require.NoError(t, err)
	require.Equal(t, machine.TimedOut, exit.Reason, "%v", exit)
	require.Less(t, time.Since(begin), patience)
	for range senders {
		require.NoError(t, <-done)
	}
	require.NoError(t, m.NMI(0))
	runUntil(t, m, c.data+8, readWord(t, m, c.data+8)) // it is taken as ever
}

func testPanicEvent(t *testing.T, c contract) {
	var events []byte
	ctx, m := c.atEntry(t, amd64Panic, machine.Config{PanicEvent: func(e byte) { events = append(events, e) }})
	exit, err := m.Run(ctx)
	require.NoError(t, err)
	require.Equal(t, machine.DebugExit, exit.Reason, "%v", exit)
	require.EqualValues(t, 2, exit.Code)
	require.EqualValues(t, 3, readWord(t, m, c.data))
	require.Equal(t, []byte{2}, events)
}
