package qemu

import (
	"encoding/json"
	"sync"

	"github.com/seed64aab995/rescuekernel/device/pvpanic"
	"github.com/seed64aab995/rescuekernel/machine"
)

// events keeps what QEMU tells by itself.
type events struct {
	panicEvent func(byte)

	mu       sync.Mutex
	shutdown *machine.Exit
	arrived  chan struct{} // has an element when shutdown was set
}

func newEvents(panicEvent func(byte)) *events {
	return &events{panicEvent: panicEvent, arrived: make(chan struct{}, 1)}
}

// take is called by the QMP connection.
func (e *events) take(m qmpMessage) {
	switch m.Event {
	case "GUEST_PANICKED":
		e.panicked(pvpanic.Panicked)
	case "GUEST_CRASHLOADED":
		e.panicked(pvpanic.CrashLoaded)
	case "SHUTDOWN":
		var data struct {
			Reason string `json:"reason"`
		}
		_ = json.Unmarshal(m.Data, &data) // an unknown reason is told as such
		exit := machine.Exit{Reason: machine.PoweredOff, Detail: data.Reason}
		if data.Reason == "guest-reset" {
			exit.Reason = machine.Reset
		}
		e.mu.Lock()
		e.shutdown = &exit
		e.mu.Unlock()
		select {
		case e.arrived <- struct{}{}:
		default:
		}
	}
}

func (e *events) panicked(event byte) {
	if e.panicEvent != nil {
		e.panicEvent(event)
	}
}

// takeShutdown gives the shutdown that came, once.
func (e *events) takeShutdown() *machine.Exit {
	e.mu.Lock()
	defer e.mu.Unlock()
	exit := e.shutdown
	e.shutdown = nil
	select {
	case <-e.arrived:
	default:
	}
	return exit
}
