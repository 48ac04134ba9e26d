package emulator

import (
	"fmt"
	"strings"
)

// Executed is an instruction that was executed, or that faulted: a line of a
// trace.
type Executed struct {
	CPU     int
	PC      uint64
	Ring    uint8 // ring, or exception level
	Bytes   []byte
	Text    string   // disassembly, as GNU tools write it
	Changes []string // registers that are others now: "rax=0x1"
}

// String is a line of a trace.
func (e Executed) String() string {
	return fmt.Sprintf("%d:%d %#016x  %-30x %-40s %s", e.CPU, e.Ring, e.PC, e.Bytes, e.Text, strings.Join(e.Changes, " "))
}
