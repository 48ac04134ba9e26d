package fdt

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// PSCIMethod is the instruction that calls PSCI.
type PSCIMethod string

// Methods.
const (
	PSCIBySMC PSCIMethod = "smc"
	PSCIByHVC PSCIMethod = "hvc"
)

// PSCI is the firmware's power interface (Arm DEN0022; Linux, psci.yaml).
type PSCI struct {
	Node   *Node
	Method PSCIMethod
	// Standard says that functions have the numbers of PSCI 0.2 and later.
	// If not, those below are what the tree says, 0 for what it does not.
	Standard   bool
	CPUOn      uint32
	CPUOff     uint32
	CPUSuspend uint32
}

// Numbers of PSCI 0.2's functions, those of 64 bits where there are two (Arm
// DEN0022, 5.1).
const (
	psciCPUSuspend = 0xc4000001
	psciCPUOff     = 0x84000002
	psciCPUOn      = 0xc4000003
)

// PSCI finds how to call PSCI. Without any it is an ErrMissing.
func (t *Tree) PSCI() (PSCI, error) {
	list, err := collect(t, (*Node).psci, "arm,psci-1.0", "arm,psci-0.2", "arm,psci")
	if len(list) > 0 {
		return list[0], nil
	}
	if err == nil {
		err = fmt.Errorf("device tree: PSCI: %w", ErrMissing)
	}
	return PSCI{}, err
}

func (n *Node) psci(compatible string) (PSCI, error) {
	method, err := n.String("method")
	if err != nil {
		return PSCI{}, err
	}
	p := PSCI{Node: n, Method: PSCIMethod(method), Standard: compatible != "arm,psci"}
	if p.Method != PSCIBySMC && p.Method != PSCIByHVC {
		return PSCI{}, n.failed("method", "%w: %q", ErrValue, method)
	}
	if p.Standard {
		p.CPUOn, p.CPUOff, p.CPUSuspend = psciCPUOn, psciCPUOff, psciCPUSuspend
		return p, nil
	}
	for _, function := range []struct {
		name string
		out  *uint32
	}{{"cpu_on", &p.CPUOn}, {"cpu_off", &p.CPUOff}, {"cpu_suspend", &p.CPUSuspend}} {
		if *function.out, err = n.optional(function.name, 0); err != nil {
			return PSCI{}, err
		}
	}
	return p, nil
}

// CPU is one processor.
type CPU struct {
	Node *Node
	// ID is the CPU's number for the hardware: on arm64 the affinity fields
	// of MPIDR_EL1 at their places.
	ID uint64
	// EnableMethod is how it is started: "psci", "spin-table", or nothing.
	EnableMethod string
	// ReleaseAddress is where a spin table's CPU waits to see where to go.
	ReleaseAddress physmem.Address
	// Available is false where the CPU must not be used, or waits to be
	// started by other means than PSCI.
	Available bool
}

// CPUs is the children of /cpus with device_type "cpu" or (as Linux takes them,
// and QEMU's sbsa-ref has them) the name, in the tree's order.
func (t *Tree) CPUs() ([]CPU, error) {
	parent, ok := t.root.Child("cpus")
	if !ok {
		return nil, nil
	}
	count, err := parent.AddressCells()
	if err != nil {
		return nil, err
	}
	var list []CPU
	for n := range parent.Children() {
		if n.deviceType() != "cpu" && n.BaseName() != "cpu" {
			continue
		}
		c, err := n.cpu(count)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, nil
}

func (n *Node) cpu(addressCells int) (CPU, error) {
	c := CPU{Node: n, Available: n.IsAvailable()}
	value, err := n.get("reg")
	if err != nil {
		return c, err
	}
	// The CPU's threads may have more addresses.
	if addressCells == 0 || addressCells > 2 || len(value) == 0 || len(value)%(4*addressCells) != 0 {
		return c, n.failed("reg", "%w: %d bytes, not in addresses of %d cells", ErrValue, len(value), addressCells)
	}
	id, _ := takeAddress(value, addressCells)
	c.ID = id.value
	if n.Has("enable-method") {
		methods, err := n.Strings("enable-method")
		if err != nil {
			return c, err
		}
		if len(methods) > 0 {
			c.EnableMethod = methods[0]
		}
	}
	if c.EnableMethod == "spin-table" {
		address, err := n.Uint64("cpu-release-addr")
		if err != nil {
			return c, err
		}
		c.ReleaseAddress = physmem.Address(address)
	}
	return c, nil
}
