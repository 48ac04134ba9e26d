package emulated_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/emulated"
	"github.com/seed64aab995/rescuekernel/machine/machinetest"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// counter adds 1 to RAX and to the word at 0x200000 for ever.
var counter = []byte{
	0x48, 0xff, 0xc0, // inc rax
	0x48, 0xff, 0x04, 0x25, 0x00, 0x00, 0x20, 0x00, // inc qword [0x200000]
	0xeb, 0xf3, // jmp counter
}

// boot makes a machine that is at the first instruction of code.
func boot(t *testing.T, code []byte) (context.Context, *emulated.Machine) {
	t.Helper()
	m, err := emulated.New(machine.Config{Boot: machine.Boot{Image: machinetest.Image(code)}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	exit, err := m.RunTo(ctx, machinetest.Entry)
	require.NoError(t, err)
	require.Equal(t, machine.Breakpoint, exit.Reason, "%v", exit)
	return ctx, m.(*emulated.Machine)
}

var stopped = &machine.Exit{Reason: machine.PoweredOff}

// TestAt: what is scripted happens between the very instructions.
func TestAt(t *testing.T) {
	t.Parallel()
	ctx, m := boot(t, counter)
	start := m.Instructions()
	before, err := m.State(0)
	require.NoError(t, err)
	rax := before.(*machine.AMD64State).Registers[machine.RAX]
	for _, after := range []uint64{1, 2, 3, 4, 1000, 1001, 54321} {
		m.At(start+after, func(*emulator.Memory) *machine.Exit { return stopped })
		exit, err := m.Run(ctx)
		require.NoError(t, err)
		require.Equal(t, machine.PoweredOff, exit.Reason, "%v", exit)
		require.Equal(t, start+after, m.Instructions())
		s, err := m.State(0)
		require.NoError(t, err)
		require.Equal(t, rax+(after+2)/3, s.(*machine.AMD64State).Registers[machine.RAX], "after %d", after)
	}
}

// TestFlippedBit scribbles over memory by script.
func TestFlippedBit(t *testing.T) {
	t.Parallel()
	ctx, m := boot(t, counter)
	start := m.Instructions()
	m.At(start+3000, func(raw *emulator.Memory) *machine.Exit {
		_, err := raw.WritePhysical([]byte{1}, 0x200004)
		require.NoError(t, err)
		return nil
	})
	m.At(start+6000, func(*emulator.Memory) *machine.Exit { return stopped })
	_, err := m.Run(ctx)
	require.NoError(t, err)
	p := make([]byte, 8)
	_, err = m.Memory().ReadPhysical(p, 0x200000)
	require.NoError(t, err)
	require.Equal(t, []byte{0xd0, 0x07, 0, 0, 1, 0, 0, 0}, p)
}

// TestWatch sees each store with its instruction, and drops one of them.
func TestWatch(t *testing.T) {
	t.Parallel()
	ctx, m := boot(t, counter)
	var seen []emulator.Access
	remove := m.Watch(&emulator.Watch{
		Ranges: physmem.NewRanges(physmem.Range{Start: 0x200000, End: 0x200008}), Kinds: emulator.Write,
		Seen: func(a emulator.Access) bool {
			seen = append(seen, a)
			return len(seen) != 2
		},
	})
	m.At(m.Instructions()+12, func(*emulator.Memory) *machine.Exit { return stopped })
	_, err := m.Run(ctx)
	require.NoError(t, err)
	remove()
	require.Len(t, seen, 4)
	var values []uint64
	for _, a := range seen {
		require.EqualValues(t, machinetest.Entry+3, a.PC)
		require.EqualValues(t, 0x200000, a.Virtual)
		require.Equal(t, 8, a.Size)
		values = append(values, a.Value)
	}
	require.Equal(t, []uint64{1, 2, 2, 3}, values, "the second store was dropped")
	m.At(m.Instructions()+12, func(*emulator.Memory) *machine.Exit { return stopped })
	_, err = m.Run(ctx)
	require.NoError(t, err)
	require.Len(t, seen, 4)
}

// TestMissingInstruction: no guess is made of what is not there.
func TestMissingInstruction(t *testing.T) {
	t.Parallel()
	ctx, m := boot(t, []byte{0xc5, 0xfc, 0x77}) // vzeroall
	exit, err := m.Run(ctx)
	require.NoError(t, err)
	require.Equal(t, machine.Failed, exit.Reason)
	require.EqualValues(t, machinetest.Entry, exit.PC)
	require.Contains(t, exit.Detail, "an instruction that is not there: c5 fc 77 ")
	require.Contains(t, exit.Detail, "rax=")
}

// TestSameAgain: two runs of a guest are equal in every byte.
func TestSameAgain(t *testing.T) {
	t.Parallel()
	var snapshots [2]*machine.Snapshot
	var counts [2]uint64
	for i := range snapshots {
		m, _ := startGuest(t, "collect", nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := m.Run(ctx)
		require.NoError(t, err)
		counts[i] = m.Instructions()
		snapshots[i], err = m.Snapshot()
		require.NoError(t, err)
	}
	require.Equal(t, counts[0], counts[1])
	require.Equal(t, snapshots[0].CPUs, snapshots[1].CPUs)
	changes, err := snapshots[0].Changes(snapshots[1], nil, 0)
	require.NoError(t, err)
	require.Empty(t, changes)
}

// TestWatchWhereExceptionsPush: a frame that the CPU pushes to watched memory is
// a frame as any other.
func TestWatchWhereExceptionsPush(t *testing.T) {
	t.Parallel()
	m, out := startGuest(t, "nil", nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	writes := 0
	m.At(1_000_000, func(raw *emulator.Memory) *machine.Exit {
		raw.Watch(&emulator.Watch{Ranges: m.RAM(), Kinds: emulator.Write, Seen: func(emulator.Access) bool {
			writes++
			return true
		}})
		return nil
	})
	exit, err := m.Run(ctx)
	require.NoError(t, err)
	require.Equal(t, machine.DebugExit, exit.Reason, "%v\n%s", exit, out)
	require.Contains(t, out.String(), "scenario done")
	require.NotZero(t, writes)
}

// TestWatchTellsTheInstruction: of each store in a block, not of the block.
func TestWatchTellsTheInstruction(t *testing.T) {
	t.Parallel()
	ctx, m := boot(t, []byte{
		0x48, 0xff, 0xc0, // inc rax
		0x48, 0x89, 0x04, 0x25, 0x00, 0x00, 0x20, 0x00, // mov [0x200000], rax
		0x48, 0x89, 0x04, 0x25, 0x00, 0x00, 0x21, 0x00, // mov [0x210000], rax
		0x48, 0x89, 0x04, 0x25, 0x08, 0x00, 0x20, 0x00, // mov [0x200008], rax
		0xeb, 0xe3, // jmp to the first
	})
	var seen []uint64
	m.Watch(&emulator.Watch{
		Ranges: physmem.NewRanges(physmem.Range{Start: 0x200000, End: 0x220000}), Kinds: emulator.Write,
		Seen: func(a emulator.Access) bool {
			seen = append(seen, a.PC-machinetest.Entry)
			return true
		},
	})
	m.At(m.Instructions()+10, func(*emulator.Memory) *machine.Exit { return stopped })
	_, err := m.Run(ctx)
	require.NoError(t, err)
	require.Equal(t, []uint64{3, 11, 19, 3, 11, 19}, seen)
}
