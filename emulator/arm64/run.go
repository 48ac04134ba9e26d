package arm64

import (
	"strings"

	"github.com/seed64aab995/rescuekernel/machine"
)

// Run executes instructions until the CPU's count reaches until, or something
// stops the machine, or the CPU waits: then the exit is nil. exact has it stop
// not one later.
func (c *CPU) Run(until uint64, exact bool) *machine.Exit {
	if c.activity == machine.Waiting {
		c.wake()
	}
	c.clearOthers()
	for c.count < until && c.activity == machine.Running {
		c.limit = until
		if at := c.timers.next - c.timeBase; c.timers.next != never && at < until && at > c.count {
			c.limit = at
		}
		if c.takeInterrupt() {
			continue
		}
		var exit *machine.Exit
		if c.slow() || exact && c.count+maxBlock >= until {
			exit = c.one()
		} else {
			if exact {
				c.limit = min(c.limit, until-maxBlock)
			}
			exit = c.blocksUntilLimit()
		}
		if exit != nil {
			exit.CPU, exit.PC = c.index, c.pc
			return exit
		}
		if c.idle {
			c.idle = false
			c.timeBase += yieldTicks
			return nil
		}
	}
	return nil
}

// yieldTicks is how much time YIELD takes.
const yieldTicks = 200

// slow reports whether instructions must be executed one by one.
func (c *CPU) slow() bool { return c.trace != nil || c.precise }

// Step executes one instruction, or delivers one interrupt or exception.
func (c *CPU) Step() *machine.Exit {
	if c.activity == machine.Waiting {
		c.wake()
	}
	c.clearOthers()
	if c.activity != machine.Running || c.takeInterrupt() {
		return nil
	}
	exit := c.one()
	if exit != nil {
		exit.CPU, exit.PC = c.index, c.pc
	}
	return exit
}

// blocksUntilLimit is the CPU's loop.
func (c *CPU) blocksUntilLimit() *machine.Exit {
	for c.count < c.limit {
		if c.breaks != nil && c.atBreak() {
			return &machine.Exit{Reason: machine.Breakpoint}
		}
		j := &c.blocks.jumps[jumpIndex(c.pc)]
		b := j.block
		if j.pc != c.pc || j.context != c.context || b == nil {
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
	p, ok := c.place()
	if !ok {
		return c.leave(nil)
	}
	b := c.decodeBlock(p, 1)
	if b == nil {
		return c.leave(nil)
	}
	if c.trace != nil {
		defer c.traced()()
	}
	i := 0
	c.precise = true
	for b.code[i].run(c, &b.code[i]) {
		i++
	}
	c.precise = false
	if c.event != eventNone {
		return c.leave(&b.code[i])
	}
	c.count++
	return nil
}

// atBreak reports whether pc is at a breakpoint that was not reported yet.
func (c *CPU) atBreak() bool {
	if !c.breaks[c.pc] || c.passed {
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
		c.pc = in.ip
		if event == eventExit && c.advance {
			c.pc += 4
		}
	}
	switch event {
	case eventFault:
		if in == nil {
			c.count++
		}
		c.deliver()
	case eventRetry:
		c.count -= uint64(in.width)
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
