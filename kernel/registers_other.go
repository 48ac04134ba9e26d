//go:build !(linux && (amd64 || arm64))

package kernel

// registers stands in for an architecture's on platforms where the scheduler
// is only tested.
type registers struct{ result, stack uintptr }

func (r *registers) setReturn(v uintptr) { r.result = v }
func (r *registers) setStack(v uintptr)  { r.stack = v }

const epollDataOffset = 8
