package arm64

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

var _ emulator.CPU = (*CPU)(nil)

// State is a copy of the CPU's registers. Vector registers are in System by
// halves: V0L, V0H to V31L, V31H.
func (c *CPU) State() machine.State {
	s := &machine.ARM64State{Activity: c.activity, CurSP: c.r[regSP], PCReg: c.pc, PSTATE: c.pstate(), System: map[string]uint64{}}
	copy(s.X[:], c.r[:31])
	c.saveStack()
	for name, at := range c.stored() {
		s.System[name] = *at
	}
	for i := range c.v {
		s.System[fmt.Sprintf("V%dL", i)], s.System[fmt.Sprintf("V%dH", i)] = c.v[i][0], c.v[i][1]
	}
	s.System["CNTVCT_EL0"] = c.virtualCounter()
	s.System["MPIDR_EL1"], s.System["MIDR_EL1"] = c.affinity(), c.sys.id.midr
	return s
}

// SetState gives the CPU its registers. System registers that are not in the
// state keep their values; what the state has and the CPU does not is left
// alone.
func (c *CPU) SetState(state machine.State) error {
	s, ok := state.(*machine.ARM64State)
	if !ok {
		return fmt.Errorf("a state of %s for an arm64 CPU: %w", state.Architecture(), machine.ErrUnsupported)
	}
	if level := s.PSTATE >> 2 & 3; s.PSTATE>>4&1 != 0 || level > uint64(c.highest()) {
		return fmt.Errorf("PSTATE %#x: %w", s.PSTATE, machine.ErrUnsupported)
	}
	for name, at := range c.stored() {
		if v, ok := s.System[name]; ok {
			*at = v
		}
	}
	for i := range c.v {
		for j, h := range "LH" {
			if v, ok := s.System[fmt.Sprintf("V%d%c", i, h)]; ok {
				c.v[i][j] = v
			}
		}
	}
	copy(c.r[:31], s.X[:])
	c.loadStack()
	c.setPSTATE(s.PSTATE)
	c.r[regSP] = s.CurSP
	c.saveStack()
	c.pc = s.PCReg
	c.activity = s.Activity
	c.stale, c.underWay = false, nil
	c.event, c.passed, c.precise, c.idle = eventNone, false, false, false
	c.monitor.clear()
	c.lookups.dropAll()
	c.contextChanged()
	c.flushFast()
	c.updateTimers()
	return nil
}

// PC is the address of the next instruction.
func (c *CPU) PC() uint64 { return c.pc }

// Activity says what the CPU does.
func (c *CPU) Activity() machine.Activity { return c.activity }

// Instructions is how many the CPU has executed, exceptions included.
func (c *CPU) Instructions() uint64 { return c.count }

// SetBreakpoints makes the CPU stop before it executes instructions at virtual
// addresses; none takes them off. Where it stands now does not count.
func (c *CPU) SetBreakpoints(addresses []uint64) {
	c.breaks = nil
	for _, a := range addresses {
		if c.breaks == nil {
			c.breaks = map[uint64]bool{}
		}
		c.breaks[a] = true
	}
	c.passed = c.breaks[c.pc]
	c.blocks.dropAll()
}

// Peek reads a byte of memory as the CPU would at its present privilege,
// without leaving a trace.
func (c *CPU) Peek(va uint64) (byte, bool) {
	pa, ok := c.look(va)
	if !ok {
		return 0, false
	}
	page := c.memory.PageForRead(physmem.Address(pa))
	if page == nil {
		return 0, false
	}
	return page[pa&pageMask], true
}

// look translates without regard to rights, and without keeping anything.
func (c *CPU) look(va uint64) (uint64, bool) {
	r := &c.regime
	if !r.on {
		return va, true
	}
	key, half, ok := r.split(va)
	if !ok {
		return 0, false
	}
	if e := c.lookups.find(r, key); e != nil {
		mask := uint64(1)<<e.size - 1
		return e.physical&^mask | va&mask, true
	}
	e, status := r.walk(c, key, half)
	mask := uint64(1)<<e.size - 1
	return e.physical&^mask | va&mask, status == statusNone
}
