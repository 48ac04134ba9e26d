package pci_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/device/pci"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// opened is functions of a fabric.
func opened(t *testing.T, all ...*function) []*pci.Function {
	t.Helper()
	fabric := &fabric{functions: map[pci.Address]*function{}}
	var list []*pci.Function
	for i, f := range all {
		for n := range pci.BARs {
			if _, ok := f.bars[uint64(pci.RegisterBAR+4*n)]; !ok {
				f.bar(n, 0, 0) // not implemented
			}
		}
		at := pci.NewAddress(0, 0, uint8(i), 0)
		fabric.functions[at] = f
		one, err := pci.Open(fabric.ports(), at)
		require.NoError(t, err)
		list = append(list, one)
	}
	return list
}

// bar gives a function a BAR: mask are the bits that can be written.
func (f *function) bar(i int, mask, kind uint32) *function {
	at := uint64(pci.RegisterBAR + 4*i)
	f.bars[at] = mask
	f.bytes[at] = byte(kind)
	return f
}

func TestAssign(t *testing.T) {
	t.Parallel()
	// As QEMU's virtio-blk-pci has them: I/O, 4 KiB of memory, 16 KiB of 64 bits.
	disk := func() *function {
		return newFunction(0x1af4, 0x1042).bar(0, 0xffffff80, pci.BARIO).bar(1, 0xfffff000, 0).
			bar(4, 0xffffc000, pci.BARType64|pci.BARPrefetchable).bar(5, 0xffffffff, 0)
	}
	functions := opened(t, disk(), disk(), newFunction(1, 2))
	require.NoError(t, functions[0].SetBAR(1, 0x1000_0000))
	windows := physmem.NewRanges(physmem.Range{Start: 0x1000_0000, End: 0x1001_0000})
	require.NoError(t, pci.Assign(functions, windows))
	var seen physmem.Ranges
	for _, f := range functions[:2] {
		for i, size := range map[int]uint64{1: 4096, 4: 16384} {
			b, err := f.BAR(i)
			require.NoError(t, err)
			r, ok := physmem.NewRange(physmem.Address(b.Address), size)
			require.True(t, ok)
			require.Zero(t, b.Address%size)
			require.True(t, windows.ContainsRange(r), "%v", r)
			require.True(t, seen.Intersect(physmem.NewRanges(r)).IsEmpty(), "%v twice", r)
			seen = seen.Union(physmem.NewRanges(r))
		}
		b, err := f.BAR(0)
		require.NoError(t, err)
		require.Zero(t, b.Address, "I/O")
	}
	kept, err := functions[0].BAR(1)
	require.NoError(t, err)
	require.EqualValues(t, 0x1000_0000, kept.Address)

	require.NoError(t, pci.Assign(functions, nil), "nothing is missing any more")
}

// A window that is full, and one that 32 bits do not reach.
func TestAssignRefuses(t *testing.T) {
	t.Parallel()
	var space *physmem.SpaceError
	for _, window := range []physmem.Range{{Start: 0x1000_0000, End: 0x1000_0800}, {Start: 1 << 32, End: 1<<32 + 1<<20}} {
		functions := opened(t, newFunction(1, 2).bar(1, 0xfffff000, 0))
		require.ErrorAs(t, pci.Assign(functions, physmem.NewRanges(window)), &space)
	}
	functions := opened(t, newFunction(1, 2).bar(1, 0xffff_f000, pci.BARType64).bar(2, 0xffff_ffff, 0))
	require.NoError(t, pci.Assign(functions, physmem.NewRanges(physmem.Range{Start: 1 << 32, End: 1<<32 + 1<<20})))
}
