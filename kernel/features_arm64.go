//go:build linux

package kernel

import "github.com/seed64aab995/rescuekernel/machdep/arm64"

// checkProcessor says what keeps a rescue program from running on this CPU: it
// has other page tables than this kernel, which has 4 KiB granules, too.
func checkProcessor(int) error {
	id, ok := arm64.Snapshot()
	if !ok {
		return nil
	}
	return arm64.FeaturesOf(id).Check(arm64.Paging{Granule: arm64.Granule4K})
}
