//go:build linux

package kernel

import "github.com/seed64aab995/rescuekernel/machdep/amd64"

// checkProcessor says what keeps a rescue program from running on this CPU,
// entered from page tables of so many levels.
func checkProcessor(levels int) error {
	id, ok := amd64.Snapshot()
	if !ok {
		return nil
	}
	return amd64.FeaturesOf(id).Check(amd64.Paging{Levels: levels})
}
