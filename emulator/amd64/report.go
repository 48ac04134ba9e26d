package amd64

import (
	"fmt"
	"strings"

	"golang.org/x/arch/x86/x86asm"

	"github.com/seed64aab995/rescuekernel/emulator"
)

// Executed is a line of a trace.
type Executed = emulator.Executed

// SetTrace has f told of every instruction from now on; nil ends that. The CPU
// is slow meanwhile, and does the same.
func (c *CPU) SetTrace(f func(Executed)) { c.trace = f }

// traced notes what is before an instruction, and gives what tells of it after.
func (c *CPU) traced() func() {
	e := Executed{CPU: c.index, PC: c.rip, Ring: c.cpl}
	e.Bytes, e.Text = c.disassemble(c.rip)
	before := c.visible()
	return func() {
		for i, v := range c.visible() {
			if v != before[i] {
				e.Changes = append(e.Changes, fmt.Sprintf("%s=%#x", visibleNames[i], v))
			}
		}
		c.trace(e)
	}
}

var visibleNames = [...]string{
	"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
	"rflags", "cs", "ss", "ds", "es", "fs", "gs", "cr0", "cr2", "cr3", "cr4", "efer", "gdtr", "idtr", "tr", "ldtr", "dr7",
}

// visible are the registers of a trace.
func (c *CPU) visible() (v [len(visibleNames)]uint64) {
	copy(v[:], c.r[:16])
	copy(v[16:], []uint64{
		c.getFlags(), uint64(c.segments[segCS].Selector), uint64(c.segments[segSS].Selector), uint64(c.segments[segDS].Selector), uint64(c.segments[segES].Selector),
		c.segments[segFS].Base, c.segments[segGS].Base,
		c.cr0, c.cr2, c.cr3, c.cr4, c.efer, c.gdtr.Base, c.idtr.Base, uint64(c.tr.Selector), uint64(c.ldtr.Selector), c.dr7,
	})
	return v
}

// disassemble gives an instruction's bytes and text. What the disassembler does
// not know has its bytes for a text.
func (c *CPU) disassemble(pc uint64) ([]byte, string) {
	var b []byte
	for range maxLength {
		v, ok := c.Peek(pc - c.rip + c.linearRIP() + uint64(len(b)))
		if !ok {
			break
		}
		b = append(b, v)
	}
	in, n := decode(b, pc, c.mode)
	if n == needMore || n > len(b) {
		return b, "(unreadable)"
	}
	if in.entry != &missing {
		b = b[:n]
	}
	bits := map[mode]int{modeReal: 16, mode16: 16, mode32: 32, mode64: 64}[c.mode]
	if d, err := x86asm.Decode(b, bits); err == nil && d.Op != 0 {
		return b[:d.Len], x86asm.GNUSyntax(d, pc, nil)
	}
	if in.entry == &missing {
		return b, "(of unknown length)"
	}
	if strings.ContainsAny(in.entry.name, " ,abcdefghijklmnopqrstuvwxyz") {
		return b, "(" + in.entry.name + ")" // what several have in common
	}
	return b, strings.ToLower(in.entry.name)
}

// report describes the instruction that stopped the machine.
func (c *CPU) report(in *inst, what string) string {
	b, text := c.disassemble(in.ip)
	return fmt.Sprintf("%s: % x %s at %#x, ring %d\n%s", what, b, text, in.ip, c.cpl, c.registers())
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
