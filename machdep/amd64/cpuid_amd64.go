package amd64

// cpuid executes CPUID, which every privilege level may.
//
//go:noescape
func cpuid(function, index uint32) (eax, ebx, ecx, edx uint32)

// Snapshot asks the processor that this runs on all Questions. On other
// architectures it has no answers and reports false.
func Snapshot() (CPUID, bool) {
	var c CPUID
	for _, q := range Questions() {
		leaf := CPUIDLeaf{Function: q[0], Index: q[1]}
		leaf.EAX, leaf.EBX, leaf.ECX, leaf.EDX = cpuid(q[0], q[1])
		c = append(c, leaf)
	}
	return c, true
}
