package emulated

import (
	"errors"
	"fmt"

	hardware "github.com/seed64aab995/rescuekernel/device/gic"
	"github.com/seed64aab995/rescuekernel/device/uart"
	"github.com/seed64aab995/rescuekernel/device/virtio"
	"github.com/seed64aab995/rescuekernel/emulator/device"
	"github.com/seed64aab995/rescuekernel/emulator/gic"
	"github.com/seed64aab995/rescuekernel/fdt"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Phandles of the tree.
const (
	handleClock = 0x8000
	handleGIC   = 0x8001
	handleITS   = 0x8002
)

// Cells of interrupts (Linux arm,gic.yaml): kind and trigger.
const (
	interruptSPI   = 0
	interruptPPI   = 1
	interruptEdge  = 1
	interruptLevel = 4
)

// treeWriter makes nodes, and keeps what went wrong.
type treeWriter struct {
	*virt
	tree *fdt.Tree
	errs []error
}

func (w *treeWriter) check(err error) {
	if err != nil {
		w.errs = append(w.errs, err)
	}
}

// node adds a node below the root with what it is compatible with, and registers.
func (w *treeWriter) node(name string, compatible []string, registers ...physmem.Range) *fdt.Node {
	return w.nodeBelow(w.tree.Root(), name, compatible, registers...)
}

func (w *treeWriter) nodeBelow(parent *fdt.Node, name string, compatible []string, registers ...physmem.Range) *fdt.Node {
	if len(registers) > 0 {
		name = fmt.Sprintf("%s@%x", name, uint64(registers[0].Start))
	}
	n, err := parent.AddNode(name)
	w.check(err)
	if len(compatible) > 0 {
		w.strings(n, "compatible", compatible...)
	}
	if len(registers) > 0 {
		w.check(n.SetReg(registers...))
	}
	return n
}

func (w *treeWriter) cells(n *fdt.Node, name string, cells ...uint32) {
	w.check(n.SetCells(name, cells...))
}
func (w *treeWriter) strings(n *fdt.Node, name string, values ...string) {
	w.check(n.SetStrings(name, values...))
}
func (w *treeWriter) flag(n *fdt.Node, name string) { w.check(n.Set(name, nil)) }

func at(start, size uint64) physmem.Range {
	return physmem.Range{Start: physmem.Address(start), End: physmem.Address(start + size)}
}

// tree is the board's device tree, as QEMU's virt has it.
func (v *virt) tree(config machine.Config, initrd physmem.Range) ([]byte, error) {
	w := &treeWriter{virt: v, tree: fdt.New()}
	root := w.tree.Root()
	w.cells(root, "interrupt-parent", handleGIC)
	w.strings(root, "model", "linux,dummy-virt")
	w.cells(root, "#size-cells", 2)
	w.cells(root, "#address-cells", 2)
	w.strings(root, "compatible", "linux,dummy-virt")
	w.psci()
	for _, r := range config.RAM {
		n := w.node("memory", nil, r)
		w.strings(n, "device_type", "memory")
	}
	w.virtio(&config)
	w.pcie()
	w.peripherals()
	w.interruptController()
	w.cpus(config.CPUs)
	timer := w.node("timer", []string{"arm,armv8-timer"})
	var lines []uint32
	for _, ppi := range []uint32{29, hardware.PPIPhysicalTimer, hardware.PPIVirtualTimer, hardware.PPIHypervisorTimer} {
		lines = append(lines, interruptPPI, ppi-hardware.FirstPPI, interruptLevel)
	}
	w.cells(timer, "interrupts", lines...)
	w.flag(timer, "always-on")
	w.chosen(config.Boot.CommandLine, initrd)
	if err := errors.Join(w.errs...); err != nil {
		return nil, fmt.Errorf("device tree: %w", err)
	}
	return w.tree.AppendBinary(nil)
}

func (w *treeWriter) psci() {
	n := w.node("psci", []string{"arm,psci-1.0", "arm,psci-0.2", "arm,psci"})
	method := string(fdt.PSCIByHVC)
	if w.options.EL2 {
		method = string(fdt.PSCIBySMC)
	}
	w.strings(n, "method", method)
}

// virtio are the MMIO slots.
func (w *treeWriter) virtio(config *machine.Config) {
	b := w.board(config)
	for i := range uint32(b.Slots) {
		n := w.node("virtio_mmio", []string{"virtio,mmio"}, at(b.MMIO+uint64(i)*virtio.MMIOSize, virtio.MMIOSize))
		w.cells(n, "interrupts", interruptSPI, virtMMIOInterrupt+i, interruptEdge)
		w.flag(n, "dma-coherent")
	}
}

// pcie is the host bridge.
func (w *treeWriter) pcie() {
	const (
		ioSpace, memorySpace = 0x1000000, 0x2000000
		portSize             = 0x10000
	)
	b := device.Virt()
	n := w.node("pcie", []string{"pci-host-ecam-generic"}, at(b.HostBridge.ECAM, uint64(b.HostBridge.Buses)<<20))
	w.strings(n, "device_type", "pci")
	w.cells(n, "#address-cells", 3)
	w.cells(n, "#size-cells", 2)
	w.cells(n, "bus-range", 0, uint32(b.HostBridge.Buses-1))
	w.cells(n, "linux,pci-domain", 0)
	w.flag(n, "dma-coherent")
	w.cells(n, "ranges",
		ioSpace, 0, 0, 0, uint32(b.HostBridge.PortWindow), 0, portSize,
		memorySpace, 0, uint32(b.Resources.Memory), 0, uint32(b.Resources.Memory), 0, uint32(b.HostBridge.PortWindow-b.Resources.Memory))
	w.cells(n, "#interrupt-cells", 1)
	w.cells(n, "interrupt-map-mask", 3<<11, 0, 0, 7)
	var wires []uint32
	for slot := range uint32(4) {
		for pin := range uint32(4) {
			wires = append(wires, slot<<11, 0, 0, pin+1, handleGIC, 0, 0, interruptSPI, virtPCIInterrupt+(slot+pin)%4, interruptLevel)
		}
	}
	w.cells(n, "interrupt-map", wires...)
	if w.options.GIC == 3 {
		w.cells(n, "msi-map", 0, handleITS, 0, 0x10000)
	}
}

// peripherals are the UART, the clock, and what both run by.
func (w *treeWriter) peripherals() {
	clock := w.node("apb-pclk", []string{"fixed-clock"})
	w.cells(clock, "#clock-cells", 0)
	w.cells(clock, "clock-frequency", uart.ClockPL011)
	w.strings(clock, "clock-output-names", "clk24mhz")
	w.cells(clock, "phandle", handleClock)

	port := w.node("pl011", []string{fdt.PL011, "arm,primecell"}, at(virtUART, uart.PL011Size))
	w.cells(port, "interrupts", interruptSPI, virtUARTInterrupt, interruptLevel)
	w.cells(port, "clocks", handleClock, handleClock)
	w.strings(port, "clock-names", "uartclk", "apb_pclk")

	time := w.node("pl031", []string{"arm,pl031", "arm,primecell"}, at(virtClock, uart.PL011Size))
	w.cells(time, "interrupts", interruptSPI, virtClockInterrupt, interruptLevel)
	w.cells(time, "clocks", handleClock)
	w.strings(time, "clock-names", "apb_pclk")
}

func (w *treeWriter) interruptController() {
	var n *fdt.Node
	if w.options.GIC == 3 {
		n = w.node("intc", []string{"arm,gic-v3"}, at(virtDistributor, hardware.DistributorSize3), at(virtRedistributors, virtUART-virtRedistributors))
		w.cells(n, "#redistributor-regions", 1)
	} else {
		n = w.node("intc", []string{"arm,cortex-a15-gic"}, at(virtDistributor, hardware.DistributorSize2), at(virtCPUInterface, hardware.InterfaceSize))
	}
	w.cells(n, "#interrupt-cells", 3)
	w.flag(n, "interrupt-controller")
	w.cells(n, "phandle", handleGIC)
	w.cells(n, "#address-cells", 2)
	w.cells(n, "#size-cells", 2)
	w.flag(n, "ranges")
	if w.options.GIC == 2 {
		return
	}
	its := w.nodeBelow(n, "its", []string{"arm,gic-v3-its"}, at(virtITS, hardware.ITSSize))
	w.flag(its, "msi-controller")
	w.cells(its, "#msi-cells", 1)
	w.cells(its, "phandle", handleITS)
}

// affinity is that of a CPU.
func (v *virt) affinity(cpu int) uint64 { return uint64(gic.Affinity(v.options.GIC, cpu)) }

func (w *treeWriter) cpus(count int) {
	n := w.node("cpus", nil)
	w.cells(n, "#address-cells", 1)
	w.cells(n, "#size-cells", 0)
	for i := range count {
		id := uint32(w.affinity(i))
		cpu := w.nodeBelow(n, fmt.Sprintf("cpu@%x", id), []string{"arm," + w.options.CPU})
		w.strings(cpu, "device_type", "cpu")
		w.cells(cpu, "reg", id)
		w.strings(cpu, "enable-method", "psci")
	}
}

func (w *treeWriter) chosen(commandLine string, initrd physmem.Range) {
	n := w.node("chosen", nil)
	w.strings(n, "stdout-path", fmt.Sprintf("/pl011@%x", virtUART))
	if commandLine != "" {
		w.strings(n, "bootargs", commandLine)
	}
	if !initrd.IsEmpty() {
		w.check(n.SetUint64("linux,initrd-start", uint64(initrd.Start)))
		w.check(n.SetUint64("linux,initrd-end", uint64(initrd.End)))
	}
}
