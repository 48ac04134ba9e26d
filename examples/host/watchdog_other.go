//go:build !linux || !amd64

package main

import (
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/rescue"
)

// watchdog would be one at an I/O port: there are none.
func watchdog(handoff.Environment) (w rescue.Watchdog, err error) { return w, nil }
