//go:build linux

package kernel

import (
	"fmt"
	"time"

	"github.com/seed64aab995/rescuekernel/device/gic"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Interrupts that a host's kernel takes: SGI 0 stops a CPU, and the virtual
// timer ends a notifier. The SGI has the highest priority there is, so it also
// reaches a CPU that masks others by priority (Linux's pseudo-NMI).
const (
	stopSGI       = 0
	priorityStop  = 0x00
	priorityTimer = 0x80
	priorityMask  = 0xf0 // of the CPU interface: all pass
)

// controller is the interrupt controller of a host that started a CPU or armed.
// A rescue program touches none.
type controller struct {
	version      uintptr // 0: none is in use
	timer        uintptr // its interrupt
	distributor  uintptr // addresses in the window
	cpuInterface uintptr // version 2
	its          uintptr // 0: not mapped yet
	count        uintptr
	frames       [maxSecondaries + 1]redistributor // version 3
}

// redistributor is that of a CPU.
type redistributor struct {
	affinity uintptr // as in GICR_TYPER: Aff3 to Aff0
	control  uintptr // the first frame's address
	private  uintptr // the second's, of SGIs and PPIs
	physical physmem.Address
}

// prepareController finds the interrupt controller and lets CPU 0 take what
// stopOthers sends. Where there is none, or none that this kernel knows, CPUs
// are stopped without.
func prepareController() error {
	c, facts := &k.controller, &k.facts.gic
	if c.version != 0 || facts.version != 2 && facts.version != 3 {
		return nil
	}
	var err error
	registers := func(start, size uintptr) (address uintptr) {
		if err != nil {
			return 0
		}
		s := physmem.Address(start)
		address, err = MapDevice(physmem.Range{Start: s, End: s + physmem.Address(size)})
		return address
	}
	c.distributor = registers(facts.distributor, gic.DistributorSize2)
	c.timer = facts.timer
	if c.timer == 0 {
		c.timer = usualVirtualTimer
	}
	if facts.version == 2 {
		c.cpuInterface = registers(facts.cpuInterface, pageSize)
	} else if err == nil {
		err = c.mapRedistributors(facts.redistributor, facts.redistributorSize)
	}
	if err != nil {
		return fmt.Errorf("interrupt controller: %w", err)
	}
	c.prepareDistributor(facts.version)
	if facts.version == 3 {
		if err := c.prepareRedistributor(k.cpu); err != nil {
			return fmt.Errorf("interrupt controller: %w", err)
		}
	}
	c.version = facts.version
	_, err = call(callController, 0, 0, 0, 0)
	return err
}

// mapRedistributors goes through a region of redistributors up to the last
// (12.11.40, GICR_TYPER).
func (c *controller) mapRedistributors(start, size uintptr) error {
	for at := start; at+gic.RedistributorSize <= start+size && c.count < uintptr(len(c.frames)); {
		s := physmem.Address(at)
		control, err := MapDevice(physmem.Range{Start: s, End: s + pageSize})
		if err != nil {
			return err
		}
		s += gic.RedistributorSGIFrame
		private, err := MapDevice(physmem.Range{Start: s, End: s + pageSize})
		if err != nil {
			return err
		}
		kind := load64(control + gic.RedistributorType)
		c.frames[c.count] = redistributor{kind >> gic.RedistributorTypeAffinityShift, control, private, physmem.Address(at)}
		c.count++
		if kind&gic.RedistributorTypeLast != 0 {
			return nil
		}
		at += gic.RedistributorSize
		if kind&redistributorTypeVirtual != 0 {
			at += gic.RedistributorSize
		}
	}
	return nil
}

// redistributorTypeVirtual is GICR_TYPER.VLPIS: two frames more (12.11.40).
const redistributorTypeVirtual = 1 << 1

// prepareDistributor turns all shared interrupts off and the distributor on.
func (c *controller) prepareDistributor(version uintptr) {
	lines := uintptr(load32(c.distributor+gic.DistributorType)) & gic.TypeLinesMask
	for i := uintptr(1); i <= lines; i++ {
		store32(c.distributor+gic.DistributorDisable+4*i, 0xffff_ffff)
	}
	if version == 2 {
		store32(c.distributor+gic.DistributorControl, gic.DistributorEnableGroup0)
		return
	}
	store32(c.distributor+gic.DistributorControl, gic.DistributorAffinity)
	c.waitWrites()
	store32(c.distributor+gic.DistributorControl, gic.DistributorAffinity|gic.DistributorEnableGroup1)
	c.waitWrites()
}

// controllerPolls bounds a wait for the controller.
const controllerPolls = 100_000

func (c *controller) waitWrites() {
	for range controllerPolls {
		if load32(c.distributor+gic.DistributorControl)&gic.DistributorWritePending == 0 {
			return
		}
	}
}

// prepareRedistributor wakes a CPU's redistributor and turns its two interrupts on.
func (c *controller) prepareRedistributor(cpu uintptr) error {
	affinity := cpu&0xff_ffff | cpu>>32&0xff<<24
	for i := range c.frames[:c.count] {
		r := &c.frames[i]
		if r.affinity != affinity {
			continue
		}
		waker := r.control + gic.RedistributorWaker
		store32(waker, load32(waker)&^gic.WakerProcessorSleep)
		for range 100 {
			if load32(waker)&gic.WakerChildrenAsleep == 0 {
				c.preparePrivate(r.private)
				return nil
			}
			time.Sleep(time.Millisecond)
		}
		return fmt.Errorf("the redistributor of CPU %#x does not wake: %w", cpu, ErrCPU)
	}
	return fmt.Errorf("CPU %#x has no redistributor: %w", cpu, ErrCPU)
}

// preparePrivate sets up the CPU's private interrupts, in registers that the
// distributor of version 2 and the second frame of version 3 have at the same
// offsets: of all only ours are on.
//
//go:nosplit
func (c *controller) preparePrivate(registers uintptr) {
	ours := uint32(1)<<stopSGI | 1<<c.timer
	store32(registers+gic.DistributorDisable, ^ours)
	if c.cpuInterface == 0 {
		store32(registers+gic.DistributorGroup, load32(registers+gic.DistributorGroup)|ours)
	}
	store8(registers+gic.DistributorPriority+stopSGI, priorityStop)
	store8(registers+gic.DistributorPriority+c.timer, priorityTimer)
	store32(registers+gic.DistributorEnable, ours)
}

// takeInterrupts lets the CPU that runs it take interrupts; target is where it
// keeps its number as version 2 has it, a bit in a byte.
//
//go:nosplit
func takeInterrupts(state *secondary) {
	c := &k.controller
	switch c.version {
	case 2:
		c.preparePrivate(c.distributor)
		state.target = uintptr(load8(c.distributor + gic.DistributorTarget))
		store32(c.cpuInterface+gic.InterfaceMask, priorityMask)
		store32(c.cpuInterface+gic.InterfaceControl, gic.InterfaceEnableGroup0)
	case 3:
		gate(gateInterface, priorityMask, 0, 0, 0)
	default:
		return
	}
	gate(gateMask, uintptr(takingPSTATE), 0, 0, 0)
}

// sendStop sends the SGI to a CPU.
//
//go:nosplit
func sendStop(state *secondary) {
	c := &k.controller
	switch c.version {
	case 2:
		store32(c.distributor+gic.DistributorSendSGI, uint32(state.target)<<gic.SendSGITargetShift|stopSGI)
	case 3:
		cpu := state.cpu
		gate(gateSend, 1<<(cpu&15)|cpu>>4&15<<gic.SGIRangeShift|cpu>>8&0xff<<gic.SGIAffinity1|cpu>>16&0xff<<gic.SGIAffinity2|
			cpu>>32&0xff<<gic.SGIAffinity3|stopSGI<<gic.SGINumberShift, 0, 0, 0)
	}
}
