package machinetest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// patience is how long one test waits for a machine: long beside what any of
// them takes, so that only a hang meets it.
const patience = 60 * time.Second

// Runner is what the contract is about.
type Runner struct {
	New          func(machine.Config) (machine.Machine, error)
	Architecture machine.Architecture

	// DiskArguments tell the guest of the row about disks what it cannot find
	// out: "legacy" to take the legacy interface on PCI where there are two, or
	// the physical addresses of MMIO devices, on arm64 always.
	DiskArguments string
}

// Run checks a runner against the contract of machine.Machine.
func Run(t *testing.T, r Runner) {
	g, ok := guestsOf[r.Architecture]
	require.True(t, ok, "no guests for %q", r.Architecture)
	c := contract{r, g}
	for _, test := range []struct {
		name string
		only machine.Architecture // empty: all
		run  func(t *testing.T, c contract)
	}{
		{"Hello", "", testHello},
		{"Memory", "", testMemory},
		{"Breakpoints", "", testBreakpoints},
		{"Step", "", testStep},
		{"State", "", testState},
		{"ChangedCode", "", testChangedCode},
		{"Deadline", "", testDeadline},
		{"Cancel", "", testCancel},
		{"Reset", "", testReset},
		{"Snapshot", "", testSnapshot},
		{"Restore", "", testRestore},
		{"CPUs", "", testCPUs},
		{"Close", "", testClose},
		{"Refusals", "", testRefusals},
		{"HighMemory", machine.AMD64, testHighMemory},
		{"SparseMemory", machine.AMD64, testSparseMemory},
		{"Halt", machine.AMD64, testHalt},
		{"TripleFault", machine.AMD64, testTripleFault},
		{"NMI", machine.AMD64, testNMI},
		{"NMIStorm", machine.AMD64, testNMIStorm},
		{"PanicEvent", machine.AMD64, testPanicEvent},
		{"Disks", "", testDisks},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.only != "" && test.only != r.Architecture {
				t.Skipf("has no meaning on %s", r.Architecture)
			}
			test.run(t, c)
		})
	}
}

type contract struct {
	Runner
	guests
}

// boot makes a machine with code as its boot image.
func (c contract) boot(t *testing.T, code []byte, config machine.Config) machine.Machine {
	t.Helper()
	config.Boot.Image = c.image(code)
	m, err := c.New(config)
	if errors.Is(err, machine.ErrUnavailable) || errors.Is(err, machine.ErrUnsupported) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

// atEntry makes a machine that is at the code's first instruction.
func (c contract) atEntry(t *testing.T, code []byte, config machine.Config) (context.Context, machine.Machine) {
	t.Helper()
	m := c.boot(t, code, config)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	exit, err := m.RunTo(ctx, c.entry)
	require.NoError(t, err)
	requireExit(t, exit, machine.Breakpoint, c.entry)
	return ctx, m
}

func requireExit(t *testing.T, exit machine.Exit, reason machine.Reason, pc uint64) {
	t.Helper()
	require.Equal(t, reason, exit.Reason, "%v", exit)
	require.Equal(t, pc, exit.PC, "%v", exit)
}

func readWord(t *testing.T, m machine.Machine, a physmem.Address) uint64 {
	t.Helper()
	var b [8]byte
	_, err := m.Memory().ReadPhysical(b[:], a)
	require.NoError(t, err)
	return binary.LittleEndian.Uint64(b[:])
}

func writeWord(t *testing.T, m machine.Machine, a physmem.Address, v uint64) {
	t.Helper()
	_, err := m.Memory().WritePhysical(binary.LittleEndian.AppendUint64(nil, v), a)
	require.NoError(t, err)
}

// runUntil runs a machine until the guest has made a word other than before,
// and stops it.
func runUntil(t *testing.T, m machine.Machine, a physmem.Address, before uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		defer cancel()
		for ctx.Err() == nil {
			var b [8]byte
			if _, err := m.Memory().ReadPhysical(b[:], a); err != nil || binary.LittleEndian.Uint64(b[:]) != before {
				return
			}
			time.Sleep(time.Millisecond)
		}
	})
	exit, err := m.Run(ctx)
	require.NoError(t, err)
	require.Equal(t, machine.Canceled, exit.Reason, "%v", exit)
}

func testHello(t *testing.T, c contract) {
	var serial bytes.Buffer
	ctx, m := c.atEntry(t, c.hello, machine.Config{Serial: &serial})
	serial.Reset() // of what firmware said
	exit, err := m.Run(ctx)
	require.NoError(t, err)
	require.Equal(t, c.end, exit.Reason, "%v", exit)
	if c.end == machine.DebugExit {
		require.EqualValues(t, 42, exit.Code)
	}
	require.Equal(t, "hello\n", serial.String())
}

func testMemory(t *testing.T, c contract) {
	_, m := c.atEntry(t, c.counter, machine.Config{})
	require.True(t, m.RAM().IsNormal())
	require.True(t, m.RAM().Contains(c.data))
	writeWord(t, m, c.data, 1000)
	runUntil(t, m, c.data, 1000)
	require.Greater(t, readWord(t, m, c.data), uint64(1000))

	end := m.RAM()[len(m.RAM())-1].End
	var access *physmem.AccessError
	_, err := m.Memory().ReadPhysical(make([]byte, 16), end-8)
	require.ErrorAs(t, err, &access)
	require.Equal(t, physmem.Range{Start: end, End: end + 8}, access.Range)
}

func testBreakpoints(t *testing.T, c contract) {
	ctx, m := c.atEntry(t, c.counter, machine.Config{})
	for i := range uint64(3) {
		exit, err := m.RunTo(ctx, c.loopStep, c.loop)
		require.NoError(t, err)
		require.Equal(t, machine.Breakpoint, exit.Reason, "%v", exit)
		require.Contains(t, []uint64{c.loop, c.loopStep}, exit.PC)
		exit, err = m.RunTo(ctx, c.loop)
		require.NoError(t, err)
		requireExit(t, exit, machine.Breakpoint, c.loop)
		before := readWord(t, m, c.data)
		exit, err = m.RunTo(ctx, c.loop)
		require.NoError(t, err)
		requireExit(t, exit, machine.Breakpoint, c.loop)
		require.Equal(t, before+1, readWord(t, m, c.data), "round %d: the loop ran once", i)
	}
	runUntil(t, m, c.data, readWord(t, m, c.data)) // no breakpoint is left
}

func testStep(t *testing.T, c contract) {
	ctx, m := c.atEntry(t, c.counter, machine.Config{})
	exit, err := m.RunTo(ctx, c.loop, c.loopStep)
	require.NoError(t, err)
	require.Equal(t, machine.Breakpoint, exit.Reason, "%v", exit)
	exit, err = m.RunTo(ctx, c.loop)
	require.NoError(t, err)
	requireExit(t, exit, machine.Breakpoint, c.loop)
	exit, err = m.Step(ctx, 0)
	require.NoError(t, err)
	requireExit(t, exit, machine.Stepped, c.loopStep)
	state, err := m.State(0)
	require.NoError(t, err)
	require.Equal(t, c.loopStep, state.PC())
	runUntil(t, m, c.data, readWord(t, m, c.data)) // and it no longer steps
}

func testState(t *testing.T, c contract) {
	ctx, m := c.atEntry(t, c.store, machine.Config{})
	state, err := m.State(0)
	require.NoError(t, err)
	require.Equal(t, c.Architecture, state.Architecture())
	require.Equal(t, c.entry, state.PC())
	const first, second, stack = 0x0123456789abcdef, 0xfedcba9876543210, 0x40500000
	switch s := state.(type) {
	case *machine.AMD64State:
		s.Registers[machine.RAX], s.Registers[machine.R15] = first, second
		s.Registers[machine.RSP] = uint64(c.data) + 0x1000
		s.RFLAGS |= 1 // carry
	case *machine.ARM64State:
		s.X[0], s.X[28], s.CurSP = first, second, stack
		s.PSTATE |= 1 << 30 // zero
	}
	require.NoError(t, m.SetState(0, state))
	exit, err := m.RunTo(ctx, c.spin)
	require.NoError(t, err)
	requireExit(t, exit, machine.Breakpoint, c.spin)
	require.EqualValues(t, first, readWord(t, m, c.data))
	require.EqualValues(t, uint64(second), readWord(t, m, c.data+8))
	if c.Architecture == machine.AMD64 {
		require.EqualValues(t, uint64(c.data)+0x1000, readWord(t, m, c.data+16))
		require.EqualValues(t, 1, readWord(t, m, c.data+24)&1)
		return
	}
	require.EqualValues(t, stack, readWord(t, m, c.data+16))
	require.EqualValues(t, 1<<30, readWord(t, m, c.data+24)&(1<<30))
}

// testChangedCode changes instructions that were executed: caches of decoded
// or translated code must not outlive them.
func testChangedCode(t *testing.T, c contract) {
	ctx, m := c.atEntry(t, c.counter, machine.Config{})
	runUntil(t, m, c.data, 0)
	_, err := m.Memory().WritePhysical(c.toItself, physmem.Address(c.loop))
	require.NoError(t, err)
	// Where in the loop it was stopped is not known: let it come to its start.
	long, stop := context.WithTimeout(ctx, 50*time.Millisecond)
	defer stop()
	exit, err := m.Run(long)
	require.NoError(t, err)
	require.Equal(t, machine.TimedOut, exit.Reason, "%v", exit)
	before := readWord(t, m, c.data)
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	exit, err = m.Run(short)
	require.NoError(t, err)
	require.Equal(t, machine.TimedOut, exit.Reason, "%v", exit)
	require.Equal(t, before, readWord(t, m, c.data))
	state, err := m.State(0)
	require.NoError(t, err)
	require.Equal(t, c.loop, state.PC())
}

func testDeadline(t *testing.T, c contract) {
	_, m := c.atEntry(t, c.counter, machine.Config{})
	for range 3 {
		before := readWord(t, m, c.data)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		exit, err := m.Run(ctx)
		cancel()
		require.NoError(t, err)
		require.Equal(t, machine.TimedOut, exit.Reason)
		state, err := m.State(0)
		require.NoError(t, err)
		require.GreaterOrEqual(t, state.PC(), c.entry)
		require.Less(t, state.PC(), c.entry+0x20)
		after := readWord(t, m, c.data)
		require.Greater(t, after, before)
		time.Sleep(10 * time.Millisecond)
		require.Equal(t, after, readWord(t, m, c.data), "the machine stands still")
	}
}

func testCancel(t *testing.T, c contract) {
	_, m := c.atEntry(t, c.counter, machine.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	exit, err := m.Run(ctx)
	require.NoError(t, err)
	require.Equal(t, machine.Canceled, exit.Reason)
}

func testCPUs(t *testing.T, c contract) {
	_, m := c.atEntry(t, c.smp, machine.Config{CPUs: 2, InterruptController: true})
	require.Equal(t, 2, m.CPUs())
	runUntil(t, m, c.data, readWord(t, m, c.data))
	s, err := m.Snapshot()
	require.NoError(t, err)
	require.Len(t, s.CPUs, 2)
	require.NotEqual(t, s.CPUs[0].PC(), s.CPUs[1].PC())
	_, err = m.State(2)
	require.Error(t, err)
}

func testClose(t *testing.T, c contract) {
	m := c.boot(t, c.counter, machine.Config{})
	require.NoError(t, m.Close())
	require.NoError(t, m.Close())
	_, err := m.Run(t.Context())
	require.ErrorIs(t, err, machine.ErrClosed)
	_, err = m.State(0)
	require.ErrorIs(t, err, machine.ErrClosed)
	_, err = m.Snapshot()
	require.ErrorIs(t, err, machine.ErrClosed)
	require.ErrorIs(t, m.Reset(), machine.ErrClosed)
	require.ErrorIs(t, m.NMI(0), machine.ErrClosed)
}

func testRefusals(t *testing.T, c contract) {
	ctx, m := c.atEntry(t, c.counter, machine.Config{})
	_, err := m.RunTo(ctx)
	require.ErrorIs(t, err, machine.ErrUnsupported)
	_, err = m.RunTo(ctx, 1, 2, 3, 4, 5)
	require.ErrorIs(t, err, machine.ErrUnsupported)
	_, err = m.State(-1)
	require.Error(t, err)
	other := machine.State(&machine.AMD64State{})
	if c.Architecture == machine.AMD64 {
		other = &machine.ARM64State{}
	}
	require.ErrorIs(t, m.SetState(0, other), machine.ErrUnsupported)
}
