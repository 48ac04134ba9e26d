package gic

import (
	"fmt"
	"math/bits"

	"github.com/seed64aab995/rescuekernel/device/gic"
	"github.com/seed64aab995/rescuekernel/machine"
)

const (
	// MaxCPUs is how many CPUs version 2 has targets for; version 3 has more.
	MaxCPUs = 8

	// defaultSPIs is what QEMU's board virt has.
	defaultSPIs = 224

	priorityBits = 5
	priorityMask = 0xff << (8 - priorityBits) & 0xff
)

// Config says what a controller is.
type Config struct {
	Version int // 2 or 3; 0 = 2
	CPUs    int // 0 = 1
	SPIs    int // a multiple of 32; 0 = 224

	// Affinity is a CPU's affinity as MPIDR_EL1 has it in its low 32 bits; nil
	// is one cluster after the other of 16 CPUs, or of 8 with version 2.
	Affinity func(cpu int) uint32

	// Physical addresses of the frames. CPUInterface is version 2's,
	// Redistributors and ITS version 3's. ITS 0 is a controller without LPIs.
	Distributor, CPUInterface, Redistributors, ITS uint64

	// EL2 says that the CPUs have EL2, whose ICC_SRE_EL2 and ICH_HCR_EL2 then
	// decide about version 3's system registers.
	EL2 bool

	// Signal, where not nil, is told a CPU's lines when they change.
	Signal func(cpu int, irq, fiq bool)
}

// Affinity is the affinity that CPUs have unless a Config says otherwise: clusters
// of 8 CPUs with version 2 and of 16 with version 3, as targets of SGIs are
// written.
func Affinity(version, cpu int) uint32 {
	if version == 3 {
		return uint32(cpu%16 | cpu/16<<8)
	}
	return uint32(cpu%8 | cpu/8<<8)
}

// bank is the state of 32 interrupts, a bit each.
type bank struct {
	group, enabled, latched, level, edge, active uint32
	priority                                     [32]uint8
}

// candidates are those that could be taken: pending, enabled, not active.
func (b *bank) candidates() uint32 { return b.pending() & b.enabled &^ b.active }

func (b *bank) pending() uint32 { return b.latched | b.level&^b.edge }

// cpu is what there is of each CPU.
type cpu struct {
	bank                // interrupts 0 to 31
	sources   [16]uint8 // version 2: who sent a pending SGI
	redist    redistributor
	irq, fiq  bool
	affinity  uint32
	mask      uint8 // priority that is masked
	point     [2]uint8
	enable    [2]bool
	control   uint32
	activated [2]uint32 // active priorities, a bit each, of each group
	hypervisor
}

// Controller is an interrupt controller.
type Controller struct {
	config   Config
	cpus     []cpu
	shared   []bank // SPIs
	targets  []uint8
	routes   []uint64
	control  uint32
	selected int
	its      translation
}

// New makes a controller as after power-on.
func New(config Config) (*Controller, error) {
	if config.Version == 0 {
		config.Version = 2
	}
	config.CPUs = max(config.CPUs, 1)
	if config.SPIs == 0 {
		config.SPIs = defaultSPIs
	}
	most := 1 << 16
	switch config.Version {
	case 2:
		most = MaxCPUs
	case 3:
	default:
		return nil, fmt.Errorf("interrupt controller of version %d: %w", config.Version, machine.ErrUnsupported)
	}
	if config.CPUs > most {
		return nil, fmt.Errorf("interrupt controller of version %d for %d CPUs, at most %d: %w", config.Version, config.CPUs, most, machine.ErrUnsupported)
	}
	if config.SPIs < 0 || config.SPIs%32 != 0 || config.SPIs > 988/32*32 {
		return nil, fmt.Errorf("%d shared interrupts: want a multiple of 32: %w", config.SPIs, machine.ErrUnsupported)
	}
	if config.Affinity == nil {
		config.Affinity = func(cpu int) uint32 { return Affinity(config.Version, cpu) }
	}
	c := &Controller{config: config}
	c.Reset()
	return c, nil
}

// Reset is power-on.
func (c *Controller) Reset() {
	c.cpus = make([]cpu, c.config.CPUs)
	c.shared = make([]bank, c.config.SPIs/32)
	c.targets = make([]uint8, c.config.SPIs)
	c.routes = make([]uint64, c.config.SPIs)
	c.control, c.selected, c.its = 0, 0, newTranslation()
	for i := range c.cpus {
		p := &c.cpus[i]
		p.affinity = c.config.Affinity(i)
		p.edge = 0xffff // SGIs
		p.traps = hypervisorTraps
		p.redist = redistributor{waker: gic.WakerProcessorSleep | gic.WakerChildrenAsleep}
		p.point = [2]uint8{c.leastPoint(0), c.leastPoint(1)}
		if c.version2() {
			p.enabled = 0xffff // GIC-400 and others: SGIs are always on
		}
	}
}

func (c *Controller) version2() bool { return c.config.Version == 2 }

// Select says which CPU makes the accesses that follow.
func (c *Controller) Select(cpu int) { c.selected = cpu }

// SetSPI sets the line of a shared interrupt, 0 being interrupt 32.
func (c *Controller) SetSPI(n int, asserted bool) {
	if n < 0 || n >= c.config.SPIs {
		return
	}
	c.shared[n/32].line(n%32, asserted)
	c.update()
}

// SetPPI sets the line of one of a CPU's own interrupts, 16 to 31.
func (c *Controller) SetPPI(cpu, n int, asserted bool) {
	if cpu < 0 || cpu >= len(c.cpus) || n < gic.FirstPPI || n >= gic.FirstSPI {
		return
	}
	c.cpus[cpu].line(n, asserted)
	c.update()
}

// Pend makes an interrupt of a CPU pending, as a write to GICD_ISPENDR does: it is
// taken as soon as it is on, and as the CPU lets it.
func (c *Controller) Pend(cpu, number int) {
	if cpu < 0 || cpu >= len(c.cpus) || number < gic.FirstPPI {
		return
	}
	if b, n := c.bankOf(cpu, number); b != nil {
		b.latched |= 1 << n
	}
	c.update()
}

func (b *bank) line(n int, asserted bool) {
	bit := uint32(1) << n
	if asserted && b.level&bit == 0 {
		b.latched |= bit & b.edge
	}
	b.level &^= bit
	if asserted {
		b.level |= bit
	}
}

// update finds out what each CPU is told.
func (c *Controller) update() {
	for i := range c.cpus {
		p := &c.cpus[i]
		irq, fiq := c.lines(i)
		if irq == p.irq && fiq == p.fiq {
			continue
		}
		p.irq, p.fiq = irq, fiq
		if c.config.Signal != nil {
			c.config.Signal(i, irq, fiq)
		}
	}
}

// lines are the lines of a CPU (4.8.6; v2 3.2.3).
func (c *Controller) lines(i int) (irq, fiq bool) {
	best, ok := c.highest(i)
	if !ok || !c.preempts(i, best) {
		return false, false
	}
	if c.version2() {
		fiq = best.group == 0 && c.cpus[i].control&gic.InterfaceFIQ != 0
	} else {
		fiq = best.group == 0
	}
	return !fiq, fiq
}

// found is an interrupt that could be taken.
type found struct {
	number   int
	group    int
	priority uint8
}

// highest is the pending interrupt of the highest priority of a CPU, of groups
// that are on in the distributor and in the CPU's interface. Of two the lower
// number comes first.
func (c *Controller) highest(i int) (best found, ok bool) {
	p := &c.cpus[i]
	if !c.version2() && p.redist.waker&gic.WakerProcessorSleep != 0 {
		return found{}, false
	}
	on := uint32(0) // groups, as a mask of group bits
	for group := range 2 {
		if c.control&(gic.DistributorEnableGroup0<<group) != 0 && p.enable[group] {
			on |= 1 << group
		}
	}
	if on == 0 {
		return found{}, false
	}
	look := func(b *bank, first int, mask uint32) {
		for word := b.candidates() & mask; word != 0; word &= word - 1 {
			n := bits.TrailingZeros32(word)
			group := int(b.group >> n & 1)
			if on>>group&1 == 0 || ok && b.priority[n] >= best.priority {
				continue
			}
			best, ok = found{first + n, group, b.priority[n]}, true
		}
	}
	look(&p.bank, 0, ^uint32(0))
	for k := range c.shared {
		b := &c.shared[k]
		if b.candidates() != 0 {
			look(b, gic.FirstSPI+32*k, c.targeted(i, k, b.candidates()))
		}
	}
	return best, ok
}

// targeted is which of a bank's interrupts are for a CPU.
func (c *Controller) targeted(i, bank int, word uint32) (mask uint32) {
	for ; word != 0; word &= word - 1 {
		n := bits.TrailingZeros32(word)
		if c.isTarget(i, 32*bank+n) {
			mask |= 1 << n
		}
	}
	return mask
}

// isTarget reports whether a shared interrupt is for a CPU. One for any CPU goes
// to the first that takes part (12.9.22).
func (c *Controller) isTarget(i, spi int) bool {
	if c.version2() {
		return c.targets[spi]>>i&1 != 0 || c.config.CPUs == 1
	}
	route := c.routes[spi]
	if route&gic.RouteAny == 0 {
		return uint32(route&0xffffff|route>>8&0xff000000) == c.cpus[i].affinity
	}
	group := int(c.shared[spi/32].group >> (spi % 32) & 1)
	for k := range c.cpus {
		if c.cpus[k].enable[group] && c.cpus[k].redist.waker&gic.WakerProcessorSleep == 0 {
			return k == i
		}
	}
	return false
}

// bankOf is the bank of an interrupt that a CPU sees, and its bit.
func (c *Controller) bankOf(i, number int) (*bank, int) {
	if number < 0 || number >= gic.FirstSPI+c.config.SPIs {
		return nil, 0
	}
	if number < gic.FirstSPI {
		return &c.cpus[i].bank, number
	}
	return &c.shared[number/32-1], number % 32
}
