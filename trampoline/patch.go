package trampoline

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// ErrUnsupported says that there is no trampoline for an architecture.
var ErrUnsupported = errors.New("no trampoline")

// ErrParameter says that a parameter cannot be.
var ErrParameter = errors.New("bad trampoline parameter")

// Code is a copy of an architecture's code without its fields, to compare a
// page in memory with and to disassemble.
func Code(architecture handoff.Architecture) ([]byte, error) {
	switch architecture {
	case handoff.AMD64:
		return []byte(amd64Code), nil
	case handoff.ARM64:
		return []byte(arm64Code), nil
	}
	return nil, fmt.Errorf("%w for %v", ErrUnsupported, architecture)
}

// AMD64 is what amd64's trampoline is told. Physical addresses are below 2^52
// and, since they are also virtual ones, below 2^47.
type AMD64 struct {
	Page  physmem.Address // where the code's page is
	Stack physmem.Address // top of the trampoline's stack, a multiple of 16

	Root4 physmem.Address // the rescue image's tables for a CPU with 4 levels
	Root5 physmem.Address // and with 5; 0 where no CPU of the host has these on

	Entry      uint64          // virtual address of the image's entry
	EntryStack uint64          // RSP there
	Block      physmem.Address // RDI there
	BlockVA    uint64          // RSI there
}

// lowerHalf is the end of what VA = PA reaches with 4 levels.
const lowerHalf physmem.Address = 1 << 47

// parameter is a physical address that must be a multiple of align above 0 and
// below limit.
type parameter struct {
	name  string
	value physmem.Address
	align uint64
	limit physmem.Address
	none  bool // may be 0
}

func (c parameter) check() error {
	if c.value == 0 && c.none {
		return nil
	}
	if c.value == 0 || !c.value.IsAligned(c.align) || c.value >= c.limit {
		return fmt.Errorf("%w: %s at %v: want a multiple of %#x above 0 and below %v", ErrParameter, c.name, c.value, c.align, c.limit)
	}
	return nil
}

func (p AMD64) check() error {
	for _, c := range []parameter{
		{"page", p.Page, PageSize, lowerHalf, false},
		{"stack", p.Stack, 16, lowerHalf, false},
		{"root of 4 levels", p.Root4, PageSize, physmem.MaxAddress, p.Root5 != 0},
		{"root of 5 levels", p.Root5, PageSize, physmem.MaxAddress, true},
		{"block", p.Block, PageSize, physmem.MaxAddress, false},
	} {
		if err := c.check(); err != nil {
			return err
		}
	}
	for name, va := range map[string]uint64{"entry": p.Entry, "entry stack": p.EntryStack, "block": p.BlockVA} {
		if int64(va<<16)>>16 != int64(va) {
			return fmt.Errorf("%w: virtual address of %s, %#x, is not canonical with 4 levels", ErrParameter, name, va)
		}
	}
	return nil
}

// PatchAMD64 makes the page: code, fields and descriptor tables.
func PatchAMD64(p AMD64) ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	order := binary.LittleEndian
	page := make([]byte, PageSize)
	copy(page, amd64Code)
	for offset, v := range map[int]uint64{
		amd64Stack: uint64(p.Stack), amd64Root4: uint64(p.Root4), amd64Root5: uint64(p.Root5),
		amd64Block: uint64(p.Block), amd64BlockVA: p.BlockVA, amd64EntryStack: p.EntryStack,
		amd64EntryField: p.Entry,
		amd64GDTR + 2:   uint64(p.Page) + amd64GDT, amd64IDTR + 2: uint64(p.Page) + amd64IDT,
	} {
		order.PutUint64(page[offset:], v)
	}
	order.PutUint16(page[amd64GDTR:], uint16(len(descriptors)*8-1))
	order.PutUint16(page[amd64IDTR:], lastGate*16+15)
	for i, d := range descriptors {
		order.PutUint64(page[amd64GDT+8*i:], d)
	}
	for _, vector := range []int{vectorDebug, vectorNMI, vectorMachineCheck} {
		putGate(page[amd64IDT+16*vector:], uint64(p.Page)+amd64Interrupt)
	}
	return page, nil
}

// descriptors is the GDT: code and data, flat, accessed already, so that the
// CPU writes nothing to the page (Intel SDM 3A 3.4.5).
var descriptors = [...]uint64{
	CodeSelector / 8: 0x00af9b000000ffff,
	DataSelector / 8: 0x00cf93000000ffff,
}

// Vectors that just return (Intel SDM 3A 6.3).
const (
	vectorDebug        = 1
	vectorNMI          = 2
	vectorMachineCheck = 18
	lastGate           = vectorMachineCheck
)

// putGate writes a present 64-bit interrupt gate for ring 0 that switches no
// stack (Intel SDM 3A 6.14.1).
func putGate(gate []byte, handler uint64) {
	order := binary.LittleEndian
	order.PutUint16(gate, uint16(handler))
	order.PutUint16(gate[2:], CodeSelector)
	gate[5] = 0x8e
	order.PutUint16(gate[6:], uint16(handler>>16))
	order.PutUint32(gate[8:], uint32(handler>>32))
}
