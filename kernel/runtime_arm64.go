//go:build linux

package kernel

import (
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// runtimeTables makes the tables that runtime services run on.
func runtimeTables(memory *PhysicalMemory, regions []runtimeRegion) (physmem.Address, error) {
	b, err := arm64.NewBuilder(memory, tableAllocator{}, arm64.Paging{})
	if err != nil {
		return 0, err
	}
	b.AllowWriteExecute = true
	for _, r := range regions {
		rights := arm64.Write | arm64.Execute
		if r.device {
			rights = arm64.Write | arm64.Device
		}
		if err := b.MapIdentity(r.Range, rights, 2<<20); err != nil {
			return 0, err
		}
	}
	return b.Paging().Root, shareKernel(memory, physmem.Address(k.root), b.Paging().Root)
}
