package emulated_test

import (
	"testing"

	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/emulated"
	"github.com/seed64aab995/rescuekernel/machine/machinetest"
)

func TestContract(t *testing.T) {
	machinetest.Run(t, machinetest.Runner{New: emulated.New, Architecture: machine.AMD64})
}
