package amd64

import (
	"fmt"
	"strings"

	"golang.org/x/arch/x86/x86asm"

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
		} else if c.slow() || exact && c.count+maxBlock > until {
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
	return c.shadow || c.trace != nil || c.rflags&flagTF != 0 || c.precise
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
		c.trace(c)
	}
	i := 0
	for b.code[i].run(c, &b.code[i]) {
		i++
	}
	in := &b.code[i]
	if c.event != eventNone {
		return c.leave(in)
	}
	c.count++
	c.precise = false
	if trap {
		c.dr6 |= debugSingleStep
		c.fault = fault{vector: 1, trap: true}
		c.event = eventFault
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

// report describes the instruction that stopped the machine.
func (c *CPU) report(in *inst, what string) string {
	var bytes [maxLength]byte
	n := int(in.next - in.ip)
	if n == 0 || n > maxLength {
		n = maxLength
	}
	read := 0
	for read < n {
		v, ok := c.Peek(in.ip + uint64(read))
		if !ok {
			break
		}
		bytes[read] = v
		read++
	}
	text := "no instruction that the disassembler knows"
	bits := map[mode]int{modeReal: 16, mode16: 16, mode32: 32, mode64: 64}[c.mode]
	if d, err := x86asm.Decode(bytes[:read], bits); err == nil && d.Op != 0 {
		text = x86asm.GNUSyntax(d, in.ip, nil)
	}
	return fmt.Sprintf("%s: % x (%s) at %#x, ring %d\n%s", what, bytes[:read], text, in.ip, c.cpl, c.registers())
}

// registers lists all registers for a reader.
func (c *CPU) registers() string {
	names := [16]string{"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"}
	var s strings.Builder
	s.WriteString("registers")
	for i, name := range names {
		fmt.Fprintf(&s, " %s=%#x", name, c.r[i])
	}
	fmt.Fprintf(&s, " rip=%#x rflags=%#x cr0=%#x cr2=%#x cr3=%#x cr4=%#x efer=%#x", c.rip, c.getFlags(), c.cr0, c.cr2, c.cr3, c.cr4, c.efer)
	return s.String()
}
