// Package machinetest is the contract that every runner of machines passes,
// and the small guests that it runs.
//
// A runner's test calls [Run] with a function that makes its machines:
//
//	func TestContract(t *testing.T) {
//		machinetest.Run(t, machinetest.Runner{New: kvm.New, Architecture: machine.AMD64})
//	}
//
// What this computer has no machine for, or what a runner says is
// machine.ErrUnsupported, is skipped with its reason. The guests are a few
// instructions each, written as bytes with their assembly beside them, so that
// neither compiler nor runtime stand between the test and the machine.
package machinetest
