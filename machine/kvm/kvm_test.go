package kvm_test

import (
	"testing"

	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/kvm"
	"github.com/seed64aab995/rescuekernel/machine/machinetest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	machinetest.Run(t, machinetest.Runner{New: kvm.New, Architecture: machine.AMD64})
}
