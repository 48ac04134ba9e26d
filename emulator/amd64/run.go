package amd64

import (
	"strings"

	"github.com/seed64aab995/rescuekernel/machine"
)

// Run executes instructions until the CPU's count reaches until, or something
// stops the machine, or the CPU waits: then the exit is nil. exact has it stop not one later.
func (c *CPU) Run(until uint64, exact bool) *machine.Exit {
	if c.activity == machine.Waiting {
		c.takeInterrupt()
	}
	for c.count < until && c.activity == machine.Running {
		c.limit = until
		c.takeInterrupt()
		exit := c.pendingExit
		c.pendingExit = nil
		if exit != nil {
		} else if c.slow() || exact && c.count+maxBlock >= until {
			exit = c.one()
		} else {
			if exact {
				c.limit = until - maxBlock
			}
			exit = c.blocksUntilLimit()
		}
		if exit != nil {
			exit.CPU, exit.PC = c.index, c.rip
			return exit
		}
		if c.paused {
			c.paused = false
			c.timeBase += pauseTicks
			return nil
		}
	}
	return nil
}

// pauseTicks is how much time PAUSE takes.
const pauseTicks = 200

// slow reports whether instructions must be executed one by one.
func (c *CPU) slow() bool {
	return c.shadow || c.trace != nil || c.rflags&flagTF != 0 || c.precise || c.cr4&cr4CET != 0 || c.dr7&debugEnabled != 0
}

// Step executes one instruction, or delivers one interrupt or exception.
func (c *CPU) Step() *machine.Exit {
	exit := c.pendingExit
	c.pendingExit = nil
	if exit == nil {
		if c.takeInterrupt() {
			exit, c.pendingExit = c.pendingExit, nil
		} else {
			exit = c.one()
		}
	}
	if exit != nil {
		exit.CPU, exit.PC = c.index, c.rip
	}
	return exit
}

// blocksUntilLimit is the CPU's loop.
func (c *CPU) blocksUntilLimit() *machine.Exit {
	for c.count < c.limit {
		if c.breaks != nil && c.atBreak() {
			return &machine.Exit{Reason: machine.Breakpoint}
		}
		j := &c.blocks.jumps[jumpIndex(c.rip)]
		b := j.block
		if j.rip != c.rip || j.key != c.key() || b == nil {
			if b = c.find(); b == nil {
				if exit := c.leave(nil); exit != nil {
					return exit
				}
				continue
			}
		}
		code := b.code
		i := 0
		for code[i].run(c, &code[i]) {
			i++
		}
		if c.event == eventNone {
			c.count += uint64(code[i].ordinal)
			continue
		}
		if exit := c.leave(&code[i]); exit != nil {
			return exit
		}
	}
	return nil
}

// one executes one instruction.
func (c *CPU) one() *machine.Exit {
	if c.breaks != nil && c.atBreak() {
		return &machine.Exit{Reason: machine.Breakpoint}
	}
	c.shadow = false
	linear := c.linearRIP()
	if c.instructionBreak(linear) {
		return c.leave(nil)
	}
	physical, ok := c.translate(linear, accessExecute)
	if !ok {
		return c.leave(nil)
	}
	b := c.decodeBlock(place{physical, c.rip, c.mode}, linear, 1)
	if b == nil {
		return c.leave(nil)
	}
	trap := c.rflags&flagTF != 0
	if c.trace != nil {
		defer c.traced()()
	}
	i := 0
	if c.cr4&cr4CET != 0 {
		if !c.endbranch(&b.code[i]) {
			return c.leave(&b.code[i])
		}
	}
	sp, resume := c.r[machine.RSP], c.rflags&flagRF
	c.rflags &^= resume
	c.precise = true
	for b.code[i].run(c, &b.code[i]) {
		i++
	}
	c.precise = false
	in := &b.code[i]
	if c.event == eventNone && c.cr4&cr4CET != 0 {
		c.checkFlow(in, sp)
	}
	if c.event != eventNone {
		c.rflags |= resume
		c.dataBreaks = 0
		return c.leave(in)
	}
	c.count++
	if !c.debugTrap(trap) {
		return c.leave(nil)
	}
	return nil
}

// atBreak reports whether RIP is at a breakpoint that was not reported yet.
func (c *CPU) atBreak() bool {
	if !c.breaks[c.rip] {
		c.passed = false
		return false
	}
	if c.passed {
		c.passed = false
		return false
	}
	c.passed = true
	return true
}

// leave deals with why a block was left at in; nil is before its first
// instruction.
func (c *CPU) leave(in *inst) *machine.Exit {
	event := c.event
	c.event = eventNone
	if in != nil {
		c.count += uint64(in.ordinal)
		if !(event == eventExit && c.advance) && !(event == eventFault && c.fault.trap) {
			c.rip = in.ip
		} else {
			c.rip = in.next
		}
	}
	switch event {
	case eventFault:
		if in == nil {
			c.count++
		}
		return c.deliverFault()
	case eventRetry:
		c.count--
		if c.precise {
			c.limit = 0
		}
	case eventExit:
		if !c.advance && in != nil {
			c.count--
		}
		exit := c.exit
		c.exit = nil
		if exit.Reason == machine.Failed && in != nil && !strings.Contains(exit.Detail, "registers") {
			exit.Detail = c.report(in, exit.Detail)
		}
		return exit
	}
	return nil
}
