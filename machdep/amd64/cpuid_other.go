//go:build !amd64

package amd64

// Snapshot asks the processor that this runs on all Questions. On other
// architectures it has no answers and reports false.
func Snapshot() (CPUID, bool) { return nil, false }
