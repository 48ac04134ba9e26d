package kernel

// maxCPUFacts is how many CPUs are known by number; more are counted.
const maxCPUFacts = 64

// cpuFact is a CPU of an arm64 machine.
type cpuFact struct {
	id      uintptr // affinity in MPIDR_EL1
	release uintptr // where it waits for its entry, a spin table's; 0: it is off, for PSCI
}

// cpuFacts is what is known of the CPUs, from a device tree or from ACPI's MADT.
type cpuFacts struct {
	count uintptr
	list  [maxCPUFacts]cpuFact
}

// add is called for each CPU of the machine.
//
//go:nosplit
func (c *cpuFacts) add(id, release uintptr) {
	if c.count < maxCPUFacts {
		f := element(&c.list[0], c.count)
		f.id, f.release = id, release
	}
	c.count++
}

// cpuProperty takes a property of the node cpus, or of one of its children
// (Devicetree Specification 3.7, 3.8).
//
//go:nosplit
func (b *bootFacts) cpuProperty(t *treeReader, name, value, length uintptr) {
	switch {
	case t.kind == nodeCPUs:
		if length == 4 && t.named(name, "#address-cells") {
			t.cpuCells = big32(value)
		}
	case t.named(name, "reg"):
		t.reg, t.regLength = value, length
	case length == 8 && t.named(name, "cpu-release-addr"):
		t.release = big64(value)
	case t.named(name, "enable-method"):
		t.spins = 0
		if hasPrefix(value, length, "spin-table") {
			t.spins = 1
		}
	}
}

// finishCPU adds the CPU whose node is complete.
//
//go:nosplit
func (b *bootFacts) finishCPU(t *treeReader) {
	id := uintptr(0)
	switch {
	case t.cpuCells == 1 && t.regLength >= 4:
		id = big32(t.reg)
	case t.cpuCells == 2 && t.regLength >= 8:
		id = big64(t.reg)
	default:
		return
	}
	b.cpus.add(id, t.release*t.spins)
}

// virtualTimer is the position of the virtual timer's interrupt in a timer's
// node (Linux Documentation/devicetree/bindings/timer/arm,arch_timer.yaml), and
// privateInterrupt the type of interrupts 16 to 31 in the first of its three
// words (.../interrupt-controller/arm,gic.yaml).
const (
	virtualTimer      = 2
	interruptWords    = 3
	privateInterrupt  = 1
	firstPrivate      = 16
	usualVirtualTimer = 27 // Arm DEN 0094, B_PPI_00
)

// finishTimer takes the interrupt of EL1's virtual timer.
//
//go:nosplit
func (b *bootFacts) finishTimer(t *treeReader) {
	p := t.interrupts + virtualTimer*interruptWords*4
	if t.interruptLength < (virtualTimer+1)*interruptWords*4 || big32(p) != privateInterrupt || big32(p+4) >= 16 {
		return
	}
	b.gic.timer = firstPrivate + big32(p+4)
}
