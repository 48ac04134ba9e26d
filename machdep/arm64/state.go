package arm64

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
	StateOffsetVersion    = 0x000 // u32 StateVersion
	StateOffsetValid      = 0x004 // u32 StateParts
	StateOffsetGeneral    = 0x008 // 31 u64: X0 to X30
	StateOffsetSP         = 0x100 // u64, all that follow are
	StateOffsetPC         = 0x108
	StateOffsetPSTATE     = 0x110
	StateOffsetSPEL0      = 0x118
	StateOffsetTPIDREL0   = 0x120
	StateOffsetTPIDRROEL0 = 0x128
	StateOffsetTPIDREL1   = 0x130
	StateOffsetSCTLR      = 0x138
	StateOffsetTCR        = 0x140
	StateOffsetTTBR0      = 0x148
	StateOffsetTTBR1      = 0x150
	StateOffsetMAIR       = 0x158
	StateOffsetVBAR       = 0x160
	StateOffsetCPACR      = 0x168
	StateOffsetCONTEXTIDR = 0x170
	StateOffsetESR        = 0x178
	StateOffsetFAR        = 0x180
	StateOffsetELR        = 0x188
	StateOffsetSPSR       = 0x190
	StateOffsetMPIDR      = 0x198
	StateOffsetMIDR       = 0x1a0
	StateOffsetHCR        = 0x1a8
	StateSize             = 0x1b0
)

// StateVersion is the version of the wire layout.
const StateVersion = 1

// StateParts says which parts of a CPUState were captured; others are zero.
type StateParts uint32

// Parts of a CPUState.
const (
	StateGeneral   StateParts = 1 << 0 // X0 to X30, SP, PC and PSTATE
	StateThread    StateParts = 1 << 1 // SP_EL0 and the TPIDRs
	StateControl   StateParts = 1 << 2 // SCTLR to CONTEXTIDR
	StateException StateParts = 1 << 3 // ESR, FAR, ELR and SPSR
	StateIdentity  StateParts = 1 << 4 // MPIDR and MIDR
	StateHost      StateParts = 1 << 5 // HCR_EL2
)

// CPUState is what one processor held when it was stopped. System registers are
// those of the exception level in PSTATE, EL1 or EL2, or of the level above for
// EL0: SCTLR_EL1, or SCTLR_EL2 for a host that runs at EL2.
type CPUState struct {
	Valid StateParts

	X          [31]uint64
	SP, PC     uint64
	PSTATE     PSTATE
	SPEL0      uint64
	TPIDREL0   uint64
	TPIDRROEL0 uint64
	TPIDREL1   uint64

	SCTLR        SCTLR
	TCR          TCR
	TTBR0, TTBR1 uint64
	MAIR         MAIR
	VBAR         uint64
	CPACR        CPACR
	CONTEXTIDR   uint64

	ESR      ESR
	FAR, ELR uint64
	SPSR     PSTATE

	MPIDR, MIDR uint64
	HCR         HCR
}

// errState is what a CPUState that cannot be decoded wraps.
var errState = errors.New("malformed CPU state")

// words are the fields of the state from StateOffsetGeneral on.
func (s *CPUState) words() []*uint64 {
	list := make([]*uint64, 0, (StateSize-StateOffsetGeneral)/8)
	for i := range s.X {
		list = append(list, &s.X[i])
	}
	return append(list, &s.SP, &s.PC, (*uint64)(&s.PSTATE), &s.SPEL0, &s.TPIDREL0, &s.TPIDRROEL0, &s.TPIDREL1,
		(*uint64)(&s.SCTLR), (*uint64)(&s.TCR), &s.TTBR0, &s.TTBR1, (*uint64)(&s.MAIR), &s.VBAR, (*uint64)(&s.CPACR), &s.CONTEXTIDR,
		(*uint64)(&s.ESR), &s.FAR, &s.ELR, (*uint64)(&s.SPSR), &s.MPIDR, &s.MIDR, (*uint64)(&s.HCR))
}

// AppendBinary appends the wire layout, StateSize bytes.
func (s *CPUState) AppendBinary(b []byte) ([]byte, error) {
	b = binary.LittleEndian.AppendUint32(b, StateVersion)
	b = binary.LittleEndian.AppendUint32(b, uint32(s.Valid))
	for _, word := range s.words() {
		b = binary.LittleEndian.AppendUint64(b, *word)
	}
	return b, nil
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
	for i, word := range s.words() {
		*word = binary.LittleEndian.Uint64(b[StateOffsetGeneral+8*i:])
	}
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
		list = append(list, Register{"PC", s.PC}, Register{"SP", s.SP}, Register{"PSTATE", uint64(s.PSTATE)})
		for i, x := range s.X {
			list = append(list, Register{fmt.Sprintf("X%d", i), x})
		}
	}
	if s.Valid&StateThread != 0 {
		list = append(list, Register{"SP_EL0", s.SPEL0}, Register{"TPIDR_EL0", s.TPIDREL0}, Register{"TPIDRRO_EL0", s.TPIDRROEL0},
			Register{"TPIDR_EL1", s.TPIDREL1})
	}
	if s.Valid&StateException != 0 {
		list = append(list, Register{"ESR", uint64(s.ESR)}, Register{"FAR", s.FAR}, Register{"ELR", s.ELR}, Register{"SPSR", uint64(s.SPSR)})
	}
	if s.Valid&StateControl != 0 {
		list = append(list, Register{"SCTLR", uint64(s.SCTLR)}, Register{"TCR", uint64(s.TCR)}, Register{"TTBR0", s.TTBR0},
			Register{"TTBR1", s.TTBR1}, Register{"MAIR", uint64(s.MAIR)}, Register{"VBAR", s.VBAR}, Register{"CPACR", uint64(s.CPACR)},
			Register{"CONTEXTIDR", s.CONTEXTIDR})
	}
	if s.Valid&StateIdentity != 0 {
		list = append(list, Register{"MPIDR", s.MPIDR}, Register{"MIDR", s.MIDR})
	}
	if s.Valid&StateHost != 0 {
		list = append(list, Register{"HCR", uint64(s.HCR)})
	}
	return list
}

// Paging is what the state says about the translation of va: bit 55 chooses
// the half (DDI 0487 D8.2.4). A host at EL2 is supported with VHE, whose
// registers look like those of EL1.
func (s *CPUState) Paging(va uint64) (Paging, error) {
	switch {
	case s.Valid&StateControl == 0:
		return Paging{}, fmt.Errorf("paging: %w: control registers were not captured", ErrUnsupported)
	case s.SCTLR&SCTLRMMU == 0:
		return Paging{}, fmt.Errorf("paging: %w: the MMU is off, SCTLR is %v", ErrUnsupported, s.SCTLR)
	case s.PSTATE.Level() >= 2 && s.HCR&HCRHost == 0:
		return Paging{}, fmt.Errorf("paging: %w: EL%d without VHE", ErrUnsupported, s.PSTATE.Level())
	}
	if va>>55&1 != 0 {
		return pagingOf(s.TCR, s.TTBR1, true)
	}
	return pagingOf(s.TCR, s.TTBR0, false)
}

// physicalRoot is the address in a TTBR. Where addresses have 52 bits, the
// register holds the highest four in bits that alignment leaves free.
func physicalRoot(ttbr uint64, p Paging) physmem.Address {
	if p.PhysicalBits > 48 || p.LPA2 {
		return physmem.Address(ttbr&TTBRAddressMask&^0x3f | ttbr&TTBRHighAddress>>2<<48)
	}
	return physmem.Address(ttbr & TTBRAddressMask)
}
