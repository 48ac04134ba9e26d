package qemu_test

import (
	"testing"

	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/machinetest"
	"github.com/seed64aab995/rescuekernel/machine/qemu"
)

func TestContract(t *testing.T) {
	t.Parallel()
	machinetest.Run(t, machinetest.Runner{New: qemu.New, Architecture: machine.AMD64})
}

func TestContractARM64(t *testing.T) {
	t.Parallel()
	machinetest.Run(t, machinetest.Runner{New: qemu.NewARM64, Architecture: machine.ARM64})
}
