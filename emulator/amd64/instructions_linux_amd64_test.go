package amd64

import (
	"encoding/binary"
	"slices"

	"github.com/seed64aab995/rescuekernel/emulator/amd64/internal/native"
	"github.com/seed64aab995/rescuekernel/machine"
)

// instruction writes a random instruction of a form, and sets what registers
// must be so that it does not fault.
func (p *pair) instruction(f instructionForm, s *native.State) []byte {
	var code []byte
	if f.form&(xmm|sseState|bytes1) == 0 && f.prefix == 0 && !slices.Contains(noPrefix, f.name()) && p.random.IntN(4) == 0 {
		code = append(code, 0x66)
	}
	text := slices.Contains([]string{"INS", "OUTS", "MOVS", "CMPS", "STOS", "LODS", "SCAS"}, f.name())
	if text {
		p.strings(s)
		if rep := []byte{0, 0xf3, 0xf2}[p.random.IntN(3)]; rep != 0 {
			code = append(code, rep)
		}
	}
	if f.prefix != 0 {
		code = append(code, f.prefix)
	}
	rex := byte(0)
	if p.random.IntN(4) != 0 {
		rex = 0x40 | byte(p.random.IntN(16))
	}
	memory := f.form&modrm != 0 && f.form&regOnly == 0 && !f.onlyR && f.name() != "DIV" && f.name() != "IDIV" && (f.form&memOnly != 0 || p.random.IntN(2) == 0)
	if f.form&memOnly == 0 && memory && f.form&lockable != 0 && f.prefix == 0 && p.random.IntN(3) == 0 {
		code = append(code, 0xf0)
	}
	reg := byte(p.random.IntN(8))
	if f.reg >= 0 {
		reg = byte(f.reg)
	}
	if reg == 4 && f.reg < 0 { // RSP
		rex |= 0x44
	}
	p.prepare(f, s, memory, reg|rex&4<<1)
	opcode := slices.Clone(f.opcode)
	var tail []byte
	if f.form&modrm != 0 {
		if memory {
			rex, tail = p.memoryOperand(f, s, rex, reg)
		} else {
			rm := byte(p.random.IntN(8))
			if rm == 4 { // RSP
				rex |= 0x41
			}
			rex, rm = p.divisor(f, s, rex, rm)
			tail = []byte{0xc0 | reg<<3 | rm}
		}
	}
	if f.form&opReg != 0 && opcode[len(opcode)-1]&7 == 4 {
		rex |= 0x41
	}
	if text && rex&8 != 0 && len(code) > 0 && code[0] == 0x66 {
		code = code[1:]
	}
	if rex != 0 {
		code = append(code, rex)
	}
	code = append(append(code, opcode...), tail...)
	return append(code, p.immediate(f, code, rex)...)
}

// strings points RSI and RDI at the data.
func (p *pair) strings(s *native.State) {
	s.Registers[machine.RSI] = native.Data + p.random.Uint64N(0x400)
	s.Registers[machine.RDI] = native.Data + 0x1000 + p.random.Uint64N(0x400)
	s.Registers[machine.RCX] = p.random.Uint64N(20)
}

// prepare sets registers that an instruction uses by itself.
func (p *pair) prepare(f instructionForm, s *native.State, memory bool, reg byte) {
	switch f.name() {
	case "DIV":
		s.Registers[machine.RDX] = 0
		s.Registers[machine.RAX] &= 0xff
	case "IDIV":
		s.Registers[machine.RDX] = 0
		s.Registers[machine.RAX] &= 0x7f
	case "BT", "BTS", "BTR", "BTC":
		if memory && f.reg < 0 {
			s.Registers[reg] &= 0x3ff
		}
	case "CMPXCHG16B", "CMPXCHG":
		if p.random.IntN(2) == 0 {
			s.Registers[machine.RAX] = binary.LittleEndian.Uint64(p.native.Data()[8*p.random.IntN(100):])
		}
	}
}

// divisor makes the divisor of DIV another register than rAX and rDX, and not
// zero in any width.
func (p *pair) divisor(f instructionForm, s *native.State, rex, rm byte) (byte, byte) {
	if f.name() != "DIV" && f.name() != "IDIV" {
		return rex, rm
	}
	if rex&1 == 0 {
		rm = machine.RSI
	}
	rex |= 0x40
	s.Registers[rm|rex&1<<3] |= 0x0101010101010101
	return rex, rm
}

// memoryOperand writes an operand in the data, 16-byte aligned.
func (p *pair) memoryOperand(f instructionForm, s *native.State, rex, reg byte) (byte, []byte) {
	at := native.Data + 0x800 + p.random.Uint64N(0x800)&^15
	unaligned := f.form&sseState == 0 && f.name() != "CMPXCHG16B"
	if unaligned && p.random.IntN(2) == 0 {
		at += p.random.Uint64N(0x7f8 - 0x400) // now and then across a page
	}
	rex &^= 3 // base and index below 8
	if rex == 0x40 && p.random.IntN(2) == 0 {
		rex = 0
	}
	base := byte(machine.RSI)
	if f.form&(xmm|sseState) == 0 && reg == base && rex&4 == 0 {
		base = machine.RDI
	}
	switch p.random.IntN(3) {
	case 0:
		s.Registers[base] = at - 0x40
		return rex, []byte{0x40 | reg<<3 | base, 0x40}
	case 1:
		s.Registers[base] = at + 0x12345
		return rex, append([]byte{0x80 | reg<<3 | base}, binary.LittleEndian.AppendUint32(nil, ^uint32(0x12345)+1)...)
	}
	index := byte(machine.RBX)
	if reg == index && f.form&(xmm|sseState) == 0 && rex&4 == 0 {
		index = machine.RBP
	}
	scale := byte(p.random.IntN(4))
	s.Registers[index] = p.random.Uint64N(64)
	s.Registers[base] = at - s.Registers[index]<<scale
	return rex, []byte{reg<<3 | 4, scale<<6 | index<<3 | base}
}

func (p *pair) immediate(f instructionForm, code []byte, rex byte) []byte {
	b := binary.LittleEndian.AppendUint64(nil, p.interesting())
	size := 4
	switch {
	case rex&8 != 0:
		size = 8
	case code[0] == 0x66:
		size = 2
	}
	if f.form&bytes1 != 0 {
		size = 1
	}
	switch {
	case f.form&(imm8|immU8) != 0:
		return b[:1]
	case f.form&imm16 != 0:
		return b[:2]
	case f.form&immZ != 0:
		return b[:min(size, 4)]
	case f.form&immV != 0:
		return b[:size]
	case f.form&offset != 0:
		return binary.LittleEndian.AppendUint64(nil, native.Data+p.random.Uint64N(0x800))
	}
	return nil
}

// noPrefix have no 16-bit form, or one that is undefined for large counts.
var noPrefix = []string{"SHLD", "SHRD", "MOVNTI", "CMPXCHG16B", "BSWAP"}
