// Package native runs a few instructions on the real CPU, for tests that compare
// the emulated one with it. It is for Linux on amd64.
//
// What is run must not fault, must leave RSP alone and must fall through at its
// end: a fault ends the process.
package native

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Where code and data lie, in the real address space and in the emulated one.
const (
	Base     = 0x10000000
	Code     = Base + 0x1000 // where the instructions begin
	Data     = Base + 0x4000
	DataSize = 0x2000
	End      = Base + 0x8000

	entry    = Base
	context  = Base + 0x3000
	fxOffset = 0x100 // in the context
	fxHost   = 0x400
)

// State is what instructions see and change.
type State struct {
	Registers [16]uint64 // RSP is not used
	Flags     uint64
	FXSAVE    [512]byte
}

// Machine is the memory in which instructions run.
type Machine struct {
	memory []byte
	call   func()
	target *uintptr // what call goes through
}

// New maps the memory.
func New() (*Machine, error) {
	p, err := unix.MmapPtr(-1, 0, unsafe.Add(nil, Base), End-Base, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED_NOREPLACE)
	if err != nil {
		return nil, fmt.Errorf("map memory at %#x: %w", uint64(Base), err)
	}
	m := &Machine{memory: unsafe.Slice((*byte)(p), End-Base)}
	pc := uintptr(entry)
	m.target = &pc
	m.call = *(*func())(unsafe.Pointer(&m.target))
	copy(m.memory, prologue())
	return m, nil
}

// Close unmaps the memory.
func (m *Machine) Close() error { return unix.MunmapPtr(unsafe.Pointer(&m.memory[0]), End-Base) }

// Data is the memory that instructions may use.
func (m *Machine) Data() []byte { return m.memory[Data-Base:][:DataSize] }

// Run executes code with a state, and leaves in it what came of it.
func (m *Machine) Run(code []byte, s *State) {
	n := copy(m.memory[Code-Base:], code)
	copy(m.memory[Code-Base+n:], epilogue())
	c := m.memory[context-Base:]
	for i, v := range s.Registers {
		binary.LittleEndian.PutUint64(c[8*i:], v)
	}
	binary.LittleEndian.PutUint64(c[128:], s.Flags)
	copy(c[fxOffset:], s.FXSAVE[:])
	m.call()
	for i := range s.Registers {
		s.Registers[i] = binary.LittleEndian.Uint64(c[8*i:])
	}
	s.Flags = binary.LittleEndian.Uint64(c[128:])
	copy(s.FXSAVE[:], c[fxOffset:])
}

// move is MOV between a register and its place in the context, whose address is
// in RAX: opcode 8b loads, 89 stores.
func move(opcode byte, register int) []byte {
	return []byte{0x48 | byte(register>>3)<<2, opcode, 0x80 | byte(register&7)<<3, byte(8 * register), 0, 0, 0}
}

// saved are the registers that the caller wants back: all but RSP.
var saved = []int{1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}

func prologue() (b []byte) {
	add := func(p ...byte) { b = append(b, p...) }
	add(0x9c) // pushfq
	for _, r := range saved {
		add(0x40|byte(r>>3), 0x50|byte(r&7)) // push
	}
	add(0xb8)
	b = binary.LittleEndian.AppendUint32(b, context) // mov eax, context
	add(0x48, 0x0f, 0xae, 0x80)
	b = binary.LittleEndian.AppendUint32(b, fxHost) // fxsave64 [rax+fxHost]
	add(0x48, 0x0f, 0xae, 0x88)
	b = binary.LittleEndian.AppendUint32(b, fxOffset) // fxrstor64 [rax+fxOffset]
	add(0xff, 0xb0, 128, 0, 0, 0, 0x9d)               // push [rax+128]; popfq
	for _, r := range saved {
		b = append(b, move(0x8b, r)...)
	}
	b = append(b, move(0x8b, 0)...)
	add(0xe9)
	return binary.LittleEndian.AppendUint32(b, uint32(Code-(entry+len(b)+4))) // jmp Code
}

func epilogue() (b []byte) {
	add := func(p ...byte) { b = append(b, p...) }
	add(0x48, 0xa3)
	b = binary.LittleEndian.AppendUint64(b, context) // mov [context], rax
	add(0xb8)
	b = binary.LittleEndian.AppendUint32(b, context) // mov eax, context
	for _, r := range saved {
		b = append(b, move(0x89, r)...)
	}
	add(0x9c, 0x8f, 0x80, 128, 0, 0, 0) // pushfq; pop [rax+128]
	add(0x48, 0x0f, 0xae, 0x80)
	b = binary.LittleEndian.AppendUint32(b, fxOffset)
	add(0x48, 0x0f, 0xae, 0x88)
	b = binary.LittleEndian.AppendUint32(b, fxHost)
	for i := len(saved) - 1; i >= 0; i-- {
		r := saved[i]
		add(0x40|byte(r>>3), 0x58|byte(r&7)) // pop
	}
	add(0x9d, 0xc3) // popfq; ret
	return b
}
