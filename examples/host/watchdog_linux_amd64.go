package main

import (
	"fmt"
	"strconv"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/kernel"
	"github.com/seed64aab995/rescuekernel/rescue"
)

// watchdogPort is where patWatchdog pats.
var watchdogPort uint16

// watchdog is the one that the command line tells of.
func watchdog(environment handoff.Environment) (w rescue.Watchdog, err error) {
	port, err := strconv.ParseUint(lookup(environment, "watchdog", "0"), 0, 16)
	if err != nil || port == 0 {
		if err != nil {
			err = fmt.Errorf("watchdog: %w", err)
		}
		return w, err
	}
	watchdogPort = uint16(port)
	w.Pat = patWatchdog
	w.Write = rescue.WatchdogWrite{Bus: handoff.BusPort, Address: port, Width: 1, Value: 2}
	return w, nil
}

//go:nosplit
func patWatchdog() { kernel.Out8(watchdogPort, 1) }
