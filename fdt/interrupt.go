package fdt

import (
	"slices"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// InterruptController is an Arm GIC (Linux, arm,gic.yaml and arm,gic-v3.yaml).
// What a machine or a version does not have is empty.
type InterruptController struct {
	Node         *Node
	Version      int // 2 (also for GICv1) or 3 (also for GICv4)
	Distributor  physmem.Range
	CPUInterface physmem.Range // GICC; with version 3 for old software only
	// Redistributors are version 3's regions, each with the frames of many
	// CPUs, RedistributorStride bytes apart; 0: what GICR_TYPER says.
	Redistributors      []physmem.Range
	RedistributorStride uint64
	// ITS are the interrupt translation services of version 3, MSIFrames the
	// GICv2m frames of version 2.
	ITS       []physmem.Range
	MSIFrames []physmem.Range
}

var (
	gic2Names = []string{
		"arm,gic-400", "arm,cortex-a15-gic", "arm,cortex-a9-gic", "arm,cortex-a7-gic",
		"arm,cortex-a5-gic", "arm,arm11mp-gic", "arm,pl390", "arm,gic-v2",
	}
	gic3Names = []string{"arm,gic-v3"}
)

// InterruptControllers is the GICs that are available.
func (t *Tree) InterruptControllers() ([]InterruptController, error) {
	return collect(t, (*Node).interruptController, append(slices.Clone(gic3Names), gic2Names...)...)
}

func (n *Node) interruptController(compatible string) (InterruptController, error) {
	g := InterruptController{Node: n, Version: 2}
	if slices.Contains(gic3Names, compatible) {
		g.Version = 3
	}
	registers, err := n.firstRegisters(2)
	if err != nil {
		return g, err
	}
	g.Distributor = registers[0]
	if g.Version == 2 {
		g.CPUInterface = registers[1]
		g.MSIFrames, err = n.frames("arm,gic-v2m-frame")
		return g, err
	}
	regions, err := n.optional("#redistributor-regions", 1)
	if err != nil {
		return g, err
	}
	if regions == 0 || uint64(regions) > uint64(len(registers)-1) {
		return g, n.failed("#redistributor-regions", "%w: %d, with %d registers", ErrValue, regions, len(registers))
	}
	g.Redistributors = registers[1:][:regions]
	if rest := registers[1+regions:]; len(rest) > 0 {
		g.CPUInterface = rest[0]
	}
	if n.Has("redistributor-stride") {
		if g.RedistributorStride, err = n.Uint64("redistributor-stride"); err != nil {
			return g, err
		}
	}
	g.ITS, err = n.frames("arm,gic-v3-its")
	return g, err
}

// frames is the first registers of the children that are compatible with name.
func (n *Node) frames(name string) ([]physmem.Range, error) {
	var list []physmem.Range
	for child := range n.Children() {
		if !child.IsCompatible(name) || !child.IsAvailable() {
			continue
		}
		registers, err := child.firstRegisters(1)
		if err != nil {
			return nil, err
		}
		list = append(list, registers[0])
	}
	return list, nil
}
