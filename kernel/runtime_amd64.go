//go:build linux

package kernel

import (
	"encoding/binary"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// runtimeTables makes the tables that runtime services run on.
func runtimeTables(memory *PhysicalMemory, regions []runtimeRegion) (physmem.Address, error) {
	b, err := amd64.NewBuilder(memory, tableAllocator{}, amd64.Paging{Levels: int(k.levels)})
	if err != nil {
		return 0, err
	}
	b.AllowWriteExecute = true
	for _, r := range regions {
		rights := amd64.Write | amd64.Execute
		if r.device {
			rights = amd64.Write | amd64.Device
		}
		if err := b.MapIdentity(r.Range, rights, 2<<20); err != nil {
			return 0, err
		}
	}
	root := b.Paging().Root
	kernel, upper := physmem.Address(k.root), root
	if k.levels == 5 { // both are below the first entry
		for _, table := range []*physmem.Address{&kernel, &upper} {
			var entry [8]byte
			if _, err := memory.ReadPhysical(entry[:], *table); err != nil {
				return 0, err
			}
			*table = amd64.Entry(binary.LittleEndian.Uint64(entry[:])).Address(amd64.LevelPML5E)
		}
	}
	return root, shareKernel(memory, kernel, upper)
}
