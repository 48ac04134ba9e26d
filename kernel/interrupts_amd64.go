//go:build linux

package kernel

import "github.com/seed64aab995/rescuekernel/handoff"

// interruptTables: interrupt controllers of amd64 keep nothing in memory.
func interruptTables() ([]handoff.InterruptTable, error) { return nil, nil }
