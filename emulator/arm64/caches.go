package arm64

import "github.com/seed64aab995/rescuekernel/emulator"

// Caches are the caches of a machine.
type Caches struct{}

type cpuCaches struct{}

func (k *Caches) join(c *CPU) *cpuCaches { return nil }

func (k *cpuCaches) reset() {}

func (k *cpuCaches) fetch(pa uint64) *emulator.Page { return nil }
func (k *cpuCaches) data(pa uint64) *emulator.Page  { return nil }

func (c *CPU) storeCached(pa uint64, size uint8, v uint64) bool { return false }

func (k *cpuCaches) refetch()                           {}
func (k *cpuCaches) line(pa uint64, what lineOperation) {}
func (k *cpuCaches) set(v uint64, what lineOperation)   {}
func (k *cpuCaches) forgetCode(shared bool)             {}
func (k *cpuCaches) forgetCodeAt(pa uint64)             {}
