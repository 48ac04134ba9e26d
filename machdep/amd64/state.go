package amd64

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// Offsets in the wire layout of a CPUState, which is little-endian. The hand-off
// block and the dump notes hold it, and code on the panic path writes it with
// plain stores: offsets never change, later versions grow at the end.
const (
	StateOffsetVersion      = 0x000 // u32 StateVersion
	StateOffsetValid        = 0x004 // u32 StateParts
	StateOffsetGeneral      = 0x008 // 16 u64 in the order of their encoding: RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15
	StateOffsetRIP          = 0x088 // u64
	StateOffsetRFLAGS       = 0x090 // u64
	StateOffsetSelectors    = 0x098 // 8 u16: CS, SS, DS, ES, FS, GS, TR, LDTR
	StateOffsetFSBase       = 0x0a8 // u64
	StateOffsetGSBase       = 0x0b0 // u64
	StateOffsetKernelGSBase = 0x0b8 // u64
	StateOffsetCR0          = 0x0c0 // u64
	StateOffsetCR2          = 0x0c8 // u64
	StateOffsetCR3          = 0x0d0 // u64
	StateOffsetCR4          = 0x0d8 // u64
	StateOffsetCR8          = 0x0e0 // u64
	StateOffsetEFER         = 0x0e8 // u64
	StateOffsetXCR0         = 0x0f0 // u64
	StateOffsetGDTBase      = 0x0f8 // u64
	StateOffsetIDTBase      = 0x100 // u64
	StateOffsetGDTLimit     = 0x108 // u16
	StateOffsetIDTLimit     = 0x10a // u16, and 4 bytes of zeros
	StateOffsetDebug        = 0x110 // 6 u64: DR0 to DR3, DR6, DR7
	StateSize               = 0x140
)

// StateVersion is the version of the wire layout.
const StateVersion = 1

// StateParts says which parts of a CPUState were captured; others are zero.
type StateParts uint32

// Parts of a CPUState.
const (
	StateGeneral  StateParts = 1 << 0 // general registers, RIP and RFLAGS
	StateSegments StateParts = 1 << 1 // selectors and bases
	StateControl  StateParts = 1 << 2 // CR0 to CR8, EFER
	StateTables   StateParts = 1 << 3 // GDT and IDT
	StateDebug    StateParts = 1 << 4 // DR0 to DR7
	StateExtended StateParts = 1 << 5 // XCR0
)

// CPUState is what one processor held when it was stopped.
type CPUState struct {
	Valid StateParts

	RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI uint64
	R8, R9, R10, R11, R12, R13, R14, R15   uint64
	RIP                                    uint64
	RFLAGS                                 RFLAGS

	CS, SS, DS, ES, FS, GS, TR, LDTR uint16
	FSBase, GSBase                   uint64
	KernelGSBase                     uint64 // what SWAPGS would put into GSBase

	CR0      CR0
	CR2, CR3 uint64
	CR4      CR4
	CR8      uint64
	EFER     EFER
	XCR0     XCR0

	GDT, IDT DescriptorTable
	Debug    [6]uint64 // DR0 to DR3, DR6, DR7
}

// DescriptorTable is a GDTR or IDTR (Intel SDM 3A 2.4).
type DescriptorTable struct {
	Base  uint64
	Limit uint16 // offset of the table's last byte
}

// errState is what a CPUState that cannot be decoded wraps.
var errState = errors.New("malformed CPU state")

// words are the 64-bit fields of the state in the order of the layout.
func (s *CPUState) words() [][]*uint64 {
	return [][]*uint64{
		{&s.RAX, &s.RCX, &s.RDX, &s.RBX, &s.RSP, &s.RBP, &s.RSI, &s.RDI,
			&s.R8, &s.R9, &s.R10, &s.R11, &s.R12, &s.R13, &s.R14, &s.R15, &s.RIP, (*uint64)(&s.RFLAGS)},
		{&s.FSBase, &s.GSBase, &s.KernelGSBase, (*uint64)(&s.CR0), &s.CR2, &s.CR3, (*uint64)(&s.CR4), &s.CR8,
			(*uint64)(&s.EFER), (*uint64)(&s.XCR0), &s.GDT.Base, &s.IDT.Base},
		{&s.Debug[0], &s.Debug[1], &s.Debug[2], &s.Debug[3], &s.Debug[4], &s.Debug[5]},
	}
}

var wordOffsets = [...]int{StateOffsetGeneral, StateOffsetFSBase, StateOffsetDebug}

func (s *CPUState) selectors() []*uint16 {
	return []*uint16{&s.CS, &s.SS, &s.DS, &s.ES, &s.FS, &s.GS, &s.TR, &s.LDTR}
}

// AppendBinary appends the wire layout, StateSize bytes.
func (s *CPUState) AppendBinary(b []byte) ([]byte, error) {
	var wire [StateSize]byte
	binary.LittleEndian.PutUint32(wire[StateOffsetVersion:], StateVersion)
	binary.LittleEndian.PutUint32(wire[StateOffsetValid:], uint32(s.Valid))
	for i, group := range s.words() {
		for j, word := range group {
			binary.LittleEndian.PutUint64(wire[wordOffsets[i]+8*j:], *word)
		}
	}
	for i, selector := range s.selectors() {
		binary.LittleEndian.PutUint16(wire[StateOffsetSelectors+2*i:], *selector)
	}
	binary.LittleEndian.PutUint16(wire[StateOffsetGDTLimit:], s.GDT.Limit)
	binary.LittleEndian.PutUint16(wire[StateOffsetIDTLimit:], s.IDT.Limit)
	return append(b, wire[:]...), nil
}

// UnmarshalBinary decodes the wire layout. Bytes that a later version has
// appended are passed over.
func (s *CPUState) UnmarshalBinary(b []byte) error {
	if len(b) < StateSize {
		return fmt.Errorf("%w: %d bytes, want %d", errState, len(b), StateSize)
	}
	if version := binary.LittleEndian.Uint32(b[StateOffsetVersion:]); version < StateVersion {
		return fmt.Errorf("%w: version %d", errState, version)
	}
	s.Valid = StateParts(binary.LittleEndian.Uint32(b[StateOffsetValid:]))
	for i, group := range s.words() {
		for j, word := range group {
			*word = binary.LittleEndian.Uint64(b[wordOffsets[i]+8*j:])
		}
	}
	for i, selector := range s.selectors() {
		*selector = binary.LittleEndian.Uint16(b[StateOffsetSelectors+2*i:])
	}
	s.GDT.Limit = binary.LittleEndian.Uint16(b[StateOffsetGDTLimit:])
	s.IDT.Limit = binary.LittleEndian.Uint16(b[StateOffsetIDTLimit:])
	return nil
}

// Register is one register of a state by its name.
type Register struct {
	Name  string
	Value uint64
}

// Registers lists the parts that are valid, in the order in which people look
// at them.
func (s *CPUState) Registers() []Register {
	var list []Register
	if s.Valid&StateGeneral != 0 {
		list = append(list, Register{"RIP", s.RIP}, Register{"RSP", s.RSP}, Register{"RBP", s.RBP}, Register{"RFLAGS", uint64(s.RFLAGS)},
			Register{"RAX", s.RAX}, Register{"RBX", s.RBX}, Register{"RCX", s.RCX}, Register{"RDX", s.RDX},
			Register{"RSI", s.RSI}, Register{"RDI", s.RDI}, Register{"R8", s.R8}, Register{"R9", s.R9},
			Register{"R10", s.R10}, Register{"R11", s.R11}, Register{"R12", s.R12}, Register{"R13", s.R13},
			Register{"R14", s.R14}, Register{"R15", s.R15})
	}
	if s.Valid&StateSegments != 0 {
		list = append(list, Register{"CS", uint64(s.CS)}, Register{"SS", uint64(s.SS)}, Register{"DS", uint64(s.DS)}, Register{"ES", uint64(s.ES)},
			Register{"FS", uint64(s.FS)}, Register{"GS", uint64(s.GS)}, Register{"TR", uint64(s.TR)}, Register{"LDTR", uint64(s.LDTR)},
			Register{"FS_BASE", s.FSBase}, Register{"GS_BASE", s.GSBase}, Register{"KERNEL_GS_BASE", s.KernelGSBase})
	}
	if s.Valid&StateControl != 0 {
		list = append(list, Register{"CR0", uint64(s.CR0)}, Register{"CR2", s.CR2}, Register{"CR3", s.CR3}, Register{"CR4", uint64(s.CR4)},
			Register{"CR8", s.CR8}, Register{"EFER", uint64(s.EFER)})
	}
	if s.Valid&StateExtended != 0 {
		list = append(list, Register{"XCR0", uint64(s.XCR0)})
	}
	if s.Valid&StateTables != 0 {
		list = append(list, Register{"GDT_BASE", s.GDT.Base}, Register{"GDT_LIMIT", uint64(s.GDT.Limit)},
			Register{"IDT_BASE", s.IDT.Base}, Register{"IDT_LIMIT", uint64(s.IDT.Limit)})
	}
	for i, name := range []string{"DR0", "DR1", "DR2", "DR3", "DR6", "DR7"} {
		if s.Valid&StateDebug != 0 {
			list = append(list, Register{name, s.Debug[i]})
		}
	}
	return list
}

// Paging is what the state says about the translation of va, which on amd64 is
// the same for all addresses. Only long mode is supported. PhysicalBits and
// GigabytePagesOff are the processor's and not in its state.
func (s *CPUState) Paging(va uint64) (Paging, error) {
	_ = va
	switch {
	case s.Valid&StateControl == 0:
		return Paging{}, fmt.Errorf("paging: %w: control registers were not captured", ErrUnsupported)
	case s.CR0&CR0Paging == 0:
		return Paging{}, fmt.Errorf("paging: %w: CR0 is %v", ErrUnsupported, s.CR0)
	case s.EFER&EFERLongModeActive == 0:
		return Paging{}, fmt.Errorf("paging: %w: not in long mode, EFER is %v", ErrUnsupported, s.EFER)
	}
	paging := Paging{
		Root:         physmem.Address(s.CR3 & CR3AddressMask),
		Levels:       4,
		NoExecuteOff: s.EFER&EFERNoExecute == 0,
	}
	if s.CR4&CR4FiveLevels != 0 {
		paging.Levels = 5
	}
	return paging, nil
}
