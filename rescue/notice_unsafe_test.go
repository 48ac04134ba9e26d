package rescue

import (
	"unsafe"

	"github.com/seed64aab995/rescuekernel/handoff"
)

// callNotice calls a notifier by the address of its func value.
func callNotice(function uintptr, n *handoff.Notice) {
	(*(*func(*handoff.Notice))(unsafe.Pointer(&function)))(n)
}
