package emulated

import (
	"fmt"
	"slices"
	"time"

	hardware "github.com/seed64aab995/rescuekernel/device/gic"
	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/emulator/arm64"
	"github.com/seed64aab995/rescuekernel/emulator/device"
	"github.com/seed64aab995/rescuekernel/emulator/gic"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Where the board of arm64 has things: as QEMU's virt (hw/arm/virt.c).
const (
	virtDistributor    = 0x0800_0000
	virtCPUInterface   = 0x0801_0000
	virtITS            = 0x0808_0000
	virtRedistributors = 0x080a_0000
	virtUART           = 0x0900_0000
	virtClock          = 0x0901_0000
	virtMemory         = 0x4000_0000
	virtMemoryEnd      = 0x40_0000_0000 // there is more above, but no RAM
	virtMostCPUs       = 123            // redistributors end where the UART begins
)

// Shared interrupts of the board, 0 being interrupt 32.
const (
	virtUARTInterrupt  = 1
	virtClockInterrupt = 2
	virtPCIInterrupt   = 3  // and the next three: device and pin modulo four
	virtMMIOInterrupt  = 16 // of the first virtio slot
)

// virtTime is what the clock says unless Options have a time.
var virtTime = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// virt is the board of arm64.
type virt struct {
	options Options
	model   arm64.Model
	boot    machine.ARM64Boot
	loaded  bool
}

// CPUs are the names of arm64 CPUs that Options.CPU may have.
func CPUs() []string {
	var names []string
	for _, m := range arm64.Models() {
		names = append(names, string(m))
	}
	return names
}

func newVirt(o Options) (*virt, error) {
	if o.CPU == "" {
		o.CPU = string(arm64.CortexA57)
	}
	if !slices.Contains(CPUs(), o.CPU) {
		return nil, fmt.Errorf("CPU %q: %w; there are %q", o.CPU, machine.ErrUnsupported, CPUs())
	}
	if o.GIC == 0 {
		o.GIC = 2
	}
	if o.GIC != 2 && o.GIC != 3 {
		return nil, fmt.Errorf("interrupt controller of version %d: %w", o.GIC, machine.ErrUnsupported)
	}
	if o.Time.IsZero() {
		o.Time = virtTime
	}
	return &virt{options: o, model: arm64.Model(o.CPU)}, nil
}

func (v *virt) complete(config *machine.Config) error {
	most := virtMostCPUs
	if v.options.GIC == 2 {
		most = gic.MaxCPUs
	}
	if config.CPUs > most {
		return fmt.Errorf("%d CPUs with an interrupt controller of version %d: %w", config.CPUs, v.options.GIC, machine.ErrUnsupported)
	}
	if config.RAM == nil {
		config.RAM = physmem.NewRanges(physmem.Range{Start: virtMemory, End: virtMemory + physmem.Address(config.MemorySize)})
	}
	if err := machine.CheckRAM(config.RAM); err != nil {
		return err
	}
	if place := (physmem.Range{Start: virtMemory, End: virtMemoryEnd}); !place.ContainsRange(config.RAM.Bounds()) {
		return fmt.Errorf("RAM at %v, not in %v: %w", config.RAM, place, machine.ErrUnsupported)
	}
	if config.Boot.RSDP != 0 || config.Boot.Protocol != machine.Automatic {
		return fmt.Errorf("protocols of amd64: %w", machine.ErrUnsupported)
	}
	return v.board(config).Check(config.RAM)
}

// board is where the machine has its disks.
func (v *virt) board(config *machine.Config) device.Board {
	b := device.Virt()
	b.Options, b.Disks = v.options.Disks, config.Disks
	b.Others = []*device.Function{device.NewPanic(config.PanicEvent)}
	return b
}

func (v *virt) load(memory *emulator.Memory, config machine.Config) (err error) {
	v.loaded = true
	v.boot, err = machine.LoadARM64(memory, config.RAM, config.Boot, func(initrd physmem.Range) ([]byte, error) {
		return v.tree(config, initrd)
	})
	return err
}

// computer is one power-on of the board.
type computer struct {
	*virt
	memory *emulator.Memory
	gic    *gic.Controller
	bus    *machine.Bus
	cpus   []*arm64.CPU
	all    *emulator.Machine
	caches *arm64.Caches // nil: nobody notices them
}

func (v *virt) powerOn(memory *emulator.Memory, config machine.Config) (made parts, err error) {
	c := &computer{virt: v, memory: memory}
	c.gic, err = gic.New(gic.Config{
		Version: v.options.GIC, CPUs: config.CPUs, EL2: v.options.EL2,
		Distributor: virtDistributor, CPUInterface: virtCPUInterface, Redistributors: virtRedistributors, ITS: virtITS,
		Signal: c.signal,
	})
	if err != nil {
		return made, err
	}
	b := v.board(&config)
	b.Memory, made.coherent = memory, memory
	if v.options.Caches != NoCaches {
		policy := arm64.KeepLines
		if v.options.Caches == EvictedLines {
			policy = arm64.EvictLines
		}
		c.caches = arm64.NewCaches(memory, policy)
		b.Memory, made.coherent, made.dirty = c.caches.Coherent(), c.caches.Coherent(), c.caches.Dirty
	}
	b.Interrupt = c.diskInterrupt(len(config.Disks))
	var disks []machine.Device
	if made.blocks, disks, err = b.Attach(); err != nil {
		return made, err
	}
	own := []machine.Device{
		device.NewPL011(virtUART, config.Serial, func(on bool) { c.gic.SetSPI(virtUARTInterrupt, on) }),
		device.NewPL031(virtClock, c.seconds),
	}
	c.bus = machine.NewBus(slices.Concat(config.Devices, own, c.gic.Devices(), disks)...)
	for i := range config.CPUs {
		cpu := c.newCPU(i)
		c.cpus = append(c.cpus, cpu)
		made.cpus = append(made.cpus, cpu)
	}
	for _, cpu := range c.cpus {
		cpu.SetSiblings(c.cpus)
	}
	made.bus = c.bus
	made.interrupt = func(cpu int, number uint8) { c.gic.Pend(cpu, int(number)) }
	made.all = emulator.NewMachine(made.cpus...)
	c.all = made.all
	c.cpus[0].PowerOn(uint64(v.boot.Entry), uint64(v.boot.Tree))
	return made, nil
}

func (c *computer) newCPU(i int) *arm64.CPU {
	config := arm64.Config{
		Model: c.model, EL2: c.options.EL2, Affinity: uint64(gic.Affinity(c.options.GIC, i)),
		Bus: cpuBus{c, i}, Firmware: c.firmware, Caches: c.caches, Delayed: c.options.Delayed,
		TimerOutput: func(cpu *arm64.CPU, t arm64.Timer, asserted bool) { c.gic.SetPPI(cpu.Index(), timerPPIs[t], asserted) },
	}
	if c.options.GIC == 3 {
		config.Interrupts = systemInterface{c.gic}
	}
	return arm64.New(i, c.memory, config)
}

var timerPPIs = map[arm64.Timer]int{
	arm64.TimerPhysical: hardware.PPIPhysicalTimer, arm64.TimerVirtual: hardware.PPIVirtualTimer,
	arm64.TimerHyp: hardware.PPIHypervisorTimer, arm64.TimerHypVirtual: hardware.PPIHypervisorVirtualTimer,
}

// signal is the controller's lines.
func (c *computer) signal(cpu int, irq, fiq bool) {
	if cpu < len(c.cpus) {
		c.cpus[cpu].SetIRQ(irq)
		c.cpus[cpu].SetFIQ(fiq)
	}
}

// diskInterrupt is the lines of disks: each its own on MMIO; on PCI the device's
// first pin, as the board's bridge has them wired.
func (c *computer) diskInterrupt(disks int) func(int, bool) {
	asserted := make([]bool, disks)
	attachment := c.options.Disks.Attachment
	if attachment == device.Usual || !attachment.OnPCI() {
		slot := device.Virt().Slot
		return func(disk int, on bool) { c.gic.SetSPI(virtMMIOInterrupt+slot(disk), on) }
	}
	return func(disk int, on bool) {
		asserted[disk] = on
		line := (disk + 1) % 4
		level := false
		for i, a := range asserted {
			level = level || a && (i+1)%4 == line
		}
		c.gic.SetSPI(virtPCIInterrupt+line, level)
	}
}

// seconds is the real time clock: it goes on with virtual time.
func (c *computer) seconds() uint32 {
	passed := time.Duration(0)
	if c.all != nil {
		passed = time.Duration(c.all.Clock())
	}
	return uint32(c.options.Time.Add(passed).Unix())
}

// cpuBus is the bus as one CPU has it.
type cpuBus struct {
	c   *computer
	cpu int
}

func (b cpuBus) Read(address uint64, p []byte) (bool, *machine.Exit) {
	b.c.gic.Select(b.cpu)
	return b.c.bus.Ask(false, address, p)
}

func (b cpuBus) Write(address uint64, p []byte) (bool, *machine.Exit) {
	b.c.gic.Select(b.cpu)
	return b.c.bus.Tell(false, address, p)
}

// systemInterface is the controller's system registers.
type systemInterface struct{ *gic.Controller }

func (s systemInterface) ReadSystem(c *arm64.CPU, r arm64.SystemRegister) (uint64, bool) {
	if !s.Allows(c.Index(), c.Level(), hardware.SystemRegister(r)) {
		return 0, false
	}
	return s.Controller.ReadSystem(c.Index(), hardware.SystemRegister(r))
}

func (s systemInterface) WriteSystem(c *arm64.CPU, r arm64.SystemRegister, v uint64) bool {
	return s.Allows(c.Index(), c.Level(), hardware.SystemRegister(r)) && s.Controller.WriteSystem(c.Index(), hardware.SystemRegister(r), v)
}
