package emulated_test

import (
	"testing"

	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/emulated"
	"github.com/seed64aab995/rescuekernel/machine/machinetest"
)

func TestContractARM64(t *testing.T) {
	t.Parallel()
	machinetest.Run(t, machinetest.Runner{
		New: emulated.NewARM64, Architecture: machine.ARM64, DiskArguments: "0xa003e00 0xa003c00 0xa003a00",
	})
}
