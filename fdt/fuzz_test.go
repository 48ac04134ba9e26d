package fdt_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/fdt"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// FuzzParse: whatever is read can be asked anything, is written, and is then the
// same.
func FuzzParse(f *testing.F) {
	f.Add(boardBytes(f))
	f.Add(build([]uint32{nop, begin, noName, prop, 5, 0, 1 << 24, 2 << 24, begin, nameA, end, end, finish}, "name\x00"))
	f.Add([]byte{0xd0, 0x0d, 0xfe, 0xed})
	f.Fuzz(func(t *testing.T, data []byte) {
		tree, err := fdt.Parse(data)
		if err != nil {
			require.Nil(t, tree)
			return
		}
		written := write(t, tree)
		again := parse(t, written)
		requireEqual(t, tree, again)
		require.Equal(t, written, write(t, again))
		askAll(tree)
	})
}

// askAll calls everything that reads properties.
func askAll(tree *fdt.Tree) {
	_, _ = tree.Chosen()
	_, _, _ = tree.Console()
	_, _ = tree.CPUs()
	_, _ = tree.PSCI()
	_, _ = tree.InterruptControllers()
	_, _ = tree.SerialPorts()
	_, _ = tree.VirtioMMIO()
	_, _ = tree.PCIHosts()
	_, _ = tree.MemoryMap()
	for n := range tree.Nodes() {
		_, _ = n.Reg()
		_, _ = tree.Lookup(n.Path())
	}
}

// FuzzRestrict: a tree that can be restricted has then no other RAM than the
// reservation, and is otherwise as it was.
func FuzzRestrict(f *testing.F) {
	f.Add(boardBytes(f), uint64(0x60000000), uint64(0x1000))
	f.Add(boardBytes(f), uint64(0x5e000000), uint64(0x4000000))
	f.Add(boardBytes(f), uint64(0x58000000), uint64(0x4000000))
	f.Fuzz(func(t *testing.T, data []byte, start, size uint64) {
		tree, err := fdt.Parse(data)
		if err != nil {
			return
		}
		reservation, ok := physmem.NewRange(physmem.Address(start), size)
		if !ok {
			return
		}
		before := flatten(tree)
		restricted, err := tree.Restrict(reservation,
			fdt.WithBootargs("dump"), fdt.WithInitrd(reservation), fdt.WithUsableMemory(reservation))
		require.Equal(t, before, flatten(tree))
		if err != nil {
			require.Nil(t, restricted)
			return
		}
		memory, err := parse(t, write(t, restricted)).MemoryMap()
		require.NoError(t, err)
		require.Equal(t, physmem.NewRanges(reservation), memory.RAM())
		was, err := tree.MemoryMap()
		require.NoError(t, err)
		require.Equal(t, was.OfType(physmem.MemoryReserved), memory.OfType(physmem.MemoryReserved))
	})
}
