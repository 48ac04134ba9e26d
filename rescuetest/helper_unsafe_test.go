package rescuetest_test

import (
	"unsafe"

	"github.com/seed64aab995/rescuekernel/handoff"
)

// flip is a stray write of a host: native code heeds no page tables here.
func flip(at uintptr) { **(**byte)(unsafe.Pointer(&at)) ^= 1 }

var greeting = []byte("hello from a notifier\n")

// hello is a notifier: it prints to the message buffer.
func hello(n *handoff.Notice) {
	n.Output(uintptr(unsafe.Pointer(&greeting[0])), uintptr(len(greeting)))
}
