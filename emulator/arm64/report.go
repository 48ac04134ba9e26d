package arm64

import (
	"encoding/binary"
	"fmt"
	"strings"

	"golang.org/x/arch/arm64/arm64asm"

	"github.com/seed64aab995/rescuekernel/emulator"
)

// Executed is a line of a trace.
type Executed = emulator.Executed

// SetTrace has f told of every instruction from now on; nil ends that. The CPU
// is slow meanwhile, and does the same.
func (c *CPU) SetTrace(f func(Executed)) { c.trace = f }

// traced notes what is before an instruction, and gives what tells of it after.
func (c *CPU) traced() func() {
	e := Executed{CPU: c.index, PC: c.pc, Ring: c.level}
	e.Bytes, e.Text = c.disassemble(c.pc)
	before := c.visible()
	return func() {
		for i, v := range c.visible() {
			if v != before[i] {
				e.Changes = append(e.Changes, fmt.Sprintf("%s=%#x", visibleName(i), v))
			}
		}
		c.trace(e)
	}
}

// visibleSystem are the system registers of a trace.
var visibleSystem = [...]string{
	"sp", "pstate", "sctlr_el1", "tcr_el1", "ttbr0_el1", "ttbr1_el1", "mair_el1", "vbar_el1", "elr_el1", "spsr_el1", "esr_el1", "far_el1",
	"sctlr_el2", "tcr_el2", "ttbr0_el2", "ttbr1_el2", "mair_el2", "vbar_el2", "elr_el2", "spsr_el2", "esr_el2", "far_el2",
	"hcr_el2", "cpacr_el1", "cptr_el2", "sp_el0", "tpidr_el0", "tpidr_el1", "tpidr_el2", "fpcr", "fpsr",
}

const visibleCount = 31 + len(visibleSystem) + 32

func visibleName(i int) string {
	switch {
	case i < 31:
		return fmt.Sprintf("x%d", i)
	case i < 31+len(visibleSystem):
		return visibleSystem[i-31]
	}
	return fmt.Sprintf("v%d", i-31-len(visibleSystem))
}

// visible are the registers of a trace. Vector registers show their low half,
// changed by the high one.
func (c *CPU) visible() (v [visibleCount]uint64) {
	s := &c.sys
	copy(v[:], c.r[:31])
	copy(v[31:], []uint64{
		c.r[regSP], c.pstate(), s.sctlr[1], s.tcr[1], s.ttbr0[1], s.ttbr1[1], s.mair[1], s.vbar[1], s.elr[1], s.spsr[1], s.esr[1], s.far[1],
		s.sctlr[2], s.tcr[2], s.ttbr0[2], s.ttbr1[2], s.mair[2], s.vbar[2], s.elr[2], s.spsr[2], s.esr[2], s.far[2],
		s.hcr, s.cpacr, s.cptr, c.stacks[0], s.tpidr[0], s.tpidr[1], s.tpidr[2], c.fpcr, c.fpsr,
	})
	for i, x := range c.v {
		v[31+len(visibleSystem)+i] = x[0] ^ x[1]<<1
	}
	return v
}

// disassemble gives an instruction's bytes and text. What the disassembler does
// not know has the table's name for it, and what the tables do not know its word.
func (c *CPU) disassemble(pc uint64) ([]byte, string) {
	var b []byte
	for i := range uint64(4) {
		v, ok := c.Peek(pc + i)
		if !ok {
			return b, "(unreadable)"
		}
		b = append(b, v)
	}
	return b, text(binary.LittleEndian.Uint32(b))
}

// text is an instruction for a reader.
func text(word uint32) string {
	if d, err := arm64asm.Decode(binary.LittleEndian.AppendUint32(nil, word)); err == nil {
		return arm64asm.GNUSyntax(d)
	}
	if o := decoding.find(word); o != nil {
		return "(" + o.name + ")"
	}
	return fmt.Sprintf(".word %#08x", word)
}

// report describes the instruction that stopped the machine.
func (c *CPU) report(in *inst, what string) string {
	b := binary.LittleEndian.AppendUint32(nil, in.word)
	return fmt.Sprintf("%s: % x %s at %#x, EL%d\n%s", what, b, text(in.word), in.ip, c.level, c.registers())
}

// registers lists all registers for a reader.
func (c *CPU) registers() string {
	var s strings.Builder
	fmt.Fprintf(&s, "registers pc=%#x", c.pc)
	for i, v := range c.visible() {
		if i < 31+len(visibleSystem) && (v != 0 || i < 31) {
			fmt.Fprintf(&s, " %s=%#x", visibleName(i), v)
		}
	}
	return s.String()
}
