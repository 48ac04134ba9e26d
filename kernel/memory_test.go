package kernel

import "sync"

// kept is what tests have taken the address of. Tests run in parallel, and none
// knows when another is done with its memory.
var (
	keptMutex sync.Mutex
	kept      []any
)

// address is the address of a slice's first element. It makes the slice escape
// to the heap, where nothing moves, and stay there.
func address[T any](s []T) uintptr {
	keptMutex.Lock()
	defer keptMutex.Unlock()
	kept = append(kept, s)
	return addressOf(&s[0])
}
