package vmtests

import (
	"errors"
	"flag"
	"sync"
	"time"

	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/emulated"
	"github.com/seed64aab995/rescuekernel/machine/kvm"
	"github.com/seed64aab995/rescuekernel/machine/qemu"
)

var only = flag.String("machine", "", "run tests that have no machine of their own on this one: emulated or kvm")

// amd64's machines.
var (
	onEmulator = runner{"emulated", emulated.New, 10 * time.Minute, machine.AMD64}
	onKVM      = runner{"kvm", kvm.New, 30 * time.Second, machine.AMD64}
	onQEMU     = runner{"qemu", qemu.New, 2 * time.Minute, machine.AMD64}
)

// runners come in this order: the emulated machine is here on every computer.
var runners = []runner{onEmulator, onKVM, onQEMU}

// witnesses is where hand-offs to the witness run unless the test says where.
func witnesses() runner {
	if *only == onKVM.name {
		return onKVM
	}
	return onEmulator
}

// dumps is where hand-offs to a rescue program that dumps run unless the test
// says where: a dump is a billion instructions, which KVM executes for nothing.
func dumps() runner {
	if *only == onEmulator.name || !haveKVM() {
		return onEmulator
	}
	return onKVM
}

var haveKVM = sync.OnceValue(func() bool {
	m, err := kvm.New(machine.Config{})
	if err == nil {
		err = m.Close()
	}
	return !errors.Is(err, machine.ErrUnavailable)
})
