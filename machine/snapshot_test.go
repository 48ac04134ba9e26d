package machine_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

var snapshotRAM = physmem.NewRanges(physmem.Range{End: 8 << 20}, physmem.Range{Start: 1 << 40, End: 1<<40 + 0x3000})

func snapshotOf(t *testing.T, writes map[physmem.Address]string) *machine.Snapshot {
	t.Helper()
	s := &machine.Snapshot{Architecture: machine.AMD64, RAM: snapshotRAM, Memory: physmem.NewSparse(snapshotRAM), Populated: snapshotRAM}
	for at, text := range writes {
		_, err := s.Memory.WritePhysical([]byte(text), at)
		require.NoError(t, err)
	}
	return s
}

func TestChanges(t *testing.T) {
	t.Parallel()
	r := func(start, end physmem.Address) physmem.Range { return physmem.Range{Start: start, End: end} }
	before := map[physmem.Address]string{0x1000: "abcdef", 1<<40 + 0x2ff8: "12345678"}
	for _, test := range []struct {
		name   string
		after  map[physmem.Address]string
		except physmem.Ranges
		limit  int
		want   physmem.Ranges
	}{
		{"none", nil, nil, 0, nil},
		{"one byte", map[physmem.Address]string{0x1002: "X"}, nil, 0, physmem.Ranges{r(0x1002, 0x1003)}},
		{"two runs", map[physmem.Address]string{0x1000: "XXcdXX"}, nil, 0, physmem.Ranges{r(0x1000, 0x1002), r(0x1004, 0x1006)}},
		{"over a chunk", map[physmem.Address]string{0xffffe: "1234"}, nil, 0, physmem.Ranges{r(0xffffe, 0x100002)}},
		{"the last byte", map[physmem.Address]string{1<<40 + 0x2fff: "X"}, nil, 0, physmem.Ranges{r(1<<40+0x2fff, 1<<40+0x3000)}},
		{"excepted", map[physmem.Address]string{0x1000: "XXcdXX"}, physmem.Ranges{r(0x1000, 0x1004)}, 0, physmem.Ranges{r(0x1004, 0x1006)}},
		{"limited", map[physmem.Address]string{0x1000: "XbXdXf"}, nil, 2, physmem.Ranges{r(0x1000, 0x1001), r(0x1002, 0x1003)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			all := map[physmem.Address]string{}
			later := snapshotOf(t, before)
			for at, text := range test.after {
				all[at] = text
				_, err := later.Memory.WritePhysical([]byte(text), at)
				require.NoError(t, err)
			}
			got, err := snapshotOf(t, before).Changes(later, test.except, test.limit)
			require.NoError(t, err)
			require.True(t, test.want.Equal(got), "%v, not %v", got, test.want)
		})
	}
}

func TestChangesOfOtherMemory(t *testing.T) {
	t.Parallel()
	other := snapshotOf(t, nil)
	other.RAM = other.RAM[:1]
	_, err := snapshotOf(t, nil).Changes(other, nil, 0)
	require.ErrorContains(t, err, "different memory")
}

// unreadable fails at one address.
type unreadable struct{ physmem.Memory }

var errUnreadable = errors.New("bad DIMM")

func (u unreadable) ReadPhysical(p []byte, at physmem.Address) (int, error) {
	if (physmem.Range{Start: at, End: at + physmem.Address(len(p))}).Contains(0x5000) {
		return 0, errUnreadable
	}
	return u.Memory.ReadPhysical(p, at)
}

func TestCopyMemory(t *testing.T) {
	t.Parallel()
	from := snapshotOf(t, map[physmem.Address]string{0x3000: "page three", 0x7ff000: "last"})
	to := physmem.NewSparse(snapshotRAM)
	require.NoError(t, machine.CopyMemory(to, from.Memory, snapshotRAM))
	changes, err := machine.Changes(to, from.Memory, snapshotRAM, 0)
	require.NoError(t, err)
	require.Empty(t, changes)
	require.EqualValues(t, 2*4096, to.Resident(), "pages of zeros are not made")

	bad := unreadable{from.Memory}
	require.ErrorIs(t, machine.CopyMemory(physmem.NewSparse(snapshotRAM), bad, snapshotRAM), errUnreadable)
	_, err = machine.Changes(from.Memory, bad, snapshotRAM, 0)
	require.ErrorIs(t, err, errUnreadable)
}

// still is a machine that only has memory and one CPU.
type still struct {
	machine.Machine
	memory *physmem.Sparse
	ram    physmem.Ranges
	state  machine.State
}

func (m *still) Architecture() machine.Architecture        { return machine.AMD64 }
func (m *still) RAM() physmem.Ranges                       { return m.ram }
func (m *still) Memory() physmem.Memory                    { return m.memory }
func (m *still) CPUs() int                                 { return 1 }
func (m *still) State(int) (machine.State, error)          { return m.state, nil }
func (m *still) SetState(_ int, state machine.State) error { m.state = state; return nil }

func TestRestore(t *testing.T) {
	t.Parallel()
	s := snapshotOf(t, map[physmem.Address]string{0x3000: "page three", 0xa0000: "video memory"})
	s.CPUs = []machine.State{&machine.AMD64State{RIP: 0x1234}}
	to := &still{memory: physmem.NewSparse(snapshotRAM), ram: snapshotRAM}
	_, err := to.memory.WritePhysical([]byte("old"), 0x3008)
	require.NoError(t, err)
	require.NoError(t, machine.Restore(to, s))
	require.EqualValues(t, 0x1234, to.state.PC())
	again, err := machine.TakeSnapshot(to, snapshotRAM)
	require.NoError(t, err)
	changes, err := s.Changes(again, nil, 0)
	require.NoError(t, err)
	require.Empty(t, changes)

	// Where this machine has no RAM, only zeros can be left out.
	hole := physmem.Ranges{{Start: 0xa0000, End: 0x100000}}
	smaller := &still{memory: physmem.NewSparse(snapshotRAM), ram: snapshotRAM.Minus(hole)}
	err = machine.Restore(smaller, s)
	require.ErrorIs(t, err, machine.ErrUnsupported)
	require.ErrorContains(t, err, "something at 0xa0000")
	_, err = s.Memory.WritePhysical(make([]byte, 12), 0xa0000)
	require.NoError(t, err)
	require.NoError(t, machine.Restore(smaller, s))
}

func TestCaptured(t *testing.T) {
	t.Parallel()
	s := machine.LongModeState(0x1000, 0x2000)
	for i := range s.Registers {
		s.Registers[i] = uint64(i) + 100
	}
	s.FS.Base, s.GDTR, s.DR7 = 0x5000, machine.DescriptorTable{Base: 0x500, Limit: 0x2f}, 0x401
	got := s.Captured()
	require.EqualValues(t, 0x1000, got.RIP)
	require.EqualValues(t, []uint64{100, 101, 102, 103, 104, 115}, []uint64{got.RAX, got.RCX, got.RDX, got.RBX, got.RSP, got.R15})
	require.EqualValues(t, 0x2000, got.CR3)
	require.EqualValues(t, 0x5000, got.FSBase)
	require.EqualValues(t, 0x10, got.CS)
	require.EqualValues(t, 0x2f, got.GDT.Limit)
	require.EqualValues(t, 0x401, got.Debug[5])
	wire, err := got.AppendBinary(nil)
	require.NoError(t, err)
	require.NotEmpty(t, wire)
}

func TestCheckRAM(t *testing.T) {
	t.Parallel()
	require.NoError(t, machine.CheckRAM(snapshotRAM))
	for _, bad := range []physmem.Ranges{
		nil,
		{{Start: 0x1000, End: 0x1800}},
		{{Start: 0x800, End: 0x2000}},
		{{Start: 0x2000, End: 0x3000}, {Start: 0, End: 0x1000}},
		{{Start: physmem.MaxAddress - 0x1000, End: physmem.MaxAddress + 0x1000}},
	} {
		require.Error(t, machine.CheckRAM(bad), "%v", bad)
	}
}

func TestExitString(t *testing.T) {
	t.Parallel()
	require.Equal(t, "debug exit on CPU 1 at 0x1000, code 3", machine.Exit{Reason: machine.DebugExit, CPU: 1, PC: 0x1000, Code: 3}.String())
	require.Equal(t, "failed on CPU 0 at 0x0: why", machine.Exit{Reason: machine.Failed, Detail: "why"}.String())
	require.Equal(t, "Reason(99)", machine.Reason(99).String())
}
