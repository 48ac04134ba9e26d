package arm64

import (
	"errors"
	"fmt"
)

// IDRegisters is a snapshot of what a processor says about itself. Their fields
// are of four bits each (DDI 0487 D24.2).
type IDRegisters struct {
	MIDR, MPIDR         uint64
	PFR0, PFR1          uint64 // ID_AA64PFR0_EL1, ID_AA64PFR1_EL1
	MMFR0, MMFR1, MMFR2 uint64
	ISAR0, ISAR1        uint64
	DFR0                uint64
	CTR, DCZID          uint64 // CTR_EL0, DCZID_EL0
	CNTFRQ              uint64 // CNTFRQ_EL0: of the counter, in Hz
}

// field is the four bits of an ID register from bit low on.
func field(register uint64, low uint) int { return int(register >> low & 0xf) }

// signed is a field whose value 15 stands for "not there".
func signed(register uint64, low uint) int { return int(int64(register<<(60-low)) >> 60) }

// Features are what hand-off and dump need to know of a processor.
type Features struct {
	Implementer byte
	Part        int
	Affinity    uint64 // of MPIDR, without its flags

	EL2           bool
	FloatingPoint bool // and Advanced SIMD
	SVE           bool
	GICRegisters  bool // system registers of GICv3

	PhysicalBits int
	Granules     []int // that stage 1 has
	LPA2Granules []int // those that have LPA2
	LVA          bool  // 52 bits of virtual address with 64 KiB granules
	ASIDBits     int
	MixedEndian  bool

	AccessFlag   bool // hardware can set it
	DirtyState   bool
	VHE          bool
	PAN          bool
	BTI          bool
	MTE          bool
	PointerAuth  bool
	SmallTables  bool // FEAT_TTST: fewer than 25 bits of virtual address
	BBMLevel     int
	CRC32        bool // Go's hash/crc32 uses it
	SHA2         bool
	AES          bool
	Atomics      bool // LSE
	Random       bool
	DebugVersion int

	DataCacheLine        int // smallest line in bytes, for maintenance by address
	InstructionCacheLine int
	ZeroBlock            int // bytes that DC ZVA clears; 0: it may not be used
	CounterHertz         uint64
}

// FeaturesOf reads a snapshot.
func FeaturesOf(id IDRegisters) Features {
	f := Features{
		Implementer: byte(id.MIDR >> 24), Part: int(id.MIDR >> 4 & 0xfff),
		Affinity:      id.MPIDR & 0xff_00ff_ffff,
		EL2:           field(id.PFR0, 8) != 0,
		FloatingPoint: signed(id.PFR0, 16) >= 0 && signed(id.PFR0, 20) >= 0,
		SVE:           field(id.PFR0, 32) != 0,
		GICRegisters:  field(id.PFR0, 24) != 0,
		BTI:           field(id.PFR1, 0) != 0,
		MTE:           field(id.PFR1, 8) >= 2,
		AES:           field(id.ISAR0, 4) != 0,
		SHA2:          field(id.ISAR0, 12) != 0,
		CRC32:         field(id.ISAR0, 16) != 0,
		Atomics:       field(id.ISAR0, 20) >= 2,
		Random:        field(id.ISAR0, 60) != 0,
		PointerAuth:   id.ISAR1>>4&0xff != 0, // APA or API
		DebugVersion:  field(id.DFR0, 0),
		CounterHertz:  id.CNTFRQ,

		DataCacheLine:        4 << field(id.CTR, 16),
		InstructionCacheLine: 4 << field(id.CTR, 0),
	}
	if id.DCZID>>4&1 == 0 {
		f.ZeroBlock = 4 << field(id.DCZID, 0)
	}
	f.memory(id)
	return f
}

// memory reads ID_AA64MMFR0_EL1 to ID_AA64MMFR2_EL1.
func (f *Features) memory(id IDRegisters) {
	if size := field(id.MMFR0, 0); size < len(physicalSizes) {
		f.PhysicalBits = physicalSizes[size]
	}
	f.ASIDBits = 8 << (field(id.MMFR0, 4) >> 1 & 1)
	f.MixedEndian = field(id.MMFR0, 8) != 0
	add := func(granule int, has, lpa2 bool) {
		if has {
			f.Granules = append(f.Granules, granule)
		}
		if lpa2 {
			f.LPA2Granules = append(f.LPA2Granules, granule)
		}
	}
	add(Granule4K, signed(id.MMFR0, 28) >= 0, signed(id.MMFR0, 28) >= 1)
	add(Granule16K, field(id.MMFR0, 20) >= 1, field(id.MMFR0, 20) >= 2)
	add(Granule64K, signed(id.MMFR0, 24) >= 0, false)
	f.AccessFlag = field(id.MMFR1, 0) >= 1
	f.DirtyState = field(id.MMFR1, 0) >= 2
	f.VHE = field(id.MMFR1, 8) != 0
	f.PAN = field(id.MMFR1, 20) != 0
	f.LVA = field(id.MMFR2, 16) != 0
	f.SmallTables = field(id.MMFR2, 28) != 0
	f.BBMLevel = field(id.MMFR2, 52)
}

// Why a processor cannot run a rescue program.
var (
	ErrNoFloatingPoint = errors.New("processor has no floating point, which Go needs")
	ErrNoGranule       = errors.New("processor has no granule of this size")
	ErrNoLPA2          = errors.New("processor has no LPA2, which is in use")
	ErrPhysicalBits    = errors.New("processor's physical addresses are of no known size")
	ErrNoCounter       = errors.New("the counter's frequency is not set")
)

// Check says what keeps a rescue program from running on the processor, all of
// it joined; nil if nothing does. Arming refuses for it. A rescue program is
// mapped with 4 KiB granules; the running host's paging is checked against the
// processor's word.
func (f Features) Check(paging Paging) error {
	granule := paging.Granule
	if granule == 0 {
		granule = Granule4K
	}
	var failures []error
	for _, c := range []struct {
		fails bool
		err   error
	}{
		{!f.FloatingPoint, ErrNoFloatingPoint},
		{!f.hasGranule(Granule4K, false), fmt.Errorf("%w: %d bytes", ErrNoGranule, Granule4K)},
		{granule != Granule4K && !f.hasGranule(granule, false), fmt.Errorf("%w: %d bytes, of the host", ErrNoGranule, granule)},
		{paging.LPA2 && !f.hasGranule(granule, true), ErrNoLPA2},
		{f.PhysicalBits == 0, ErrPhysicalBits},
		{f.CounterHertz == 0, ErrNoCounter}, // every wait has a deadline
	} {
		if c.fails {
			failures = append(failures, c.err)
		}
	}
	return errors.Join(failures...)
}

func (f Features) hasGranule(granule int, lpa2 bool) bool {
	list := f.Granules
	if lpa2 {
		list = f.LPA2Granules
	}
	for _, g := range list {
		if g == granule {
			return true
		}
	}
	return false
}

// Paging completes what registers say about paging with what only the
// processor knows: no physical address is larger than it has.
func (f Features) Paging(paging Paging) Paging {
	if f.PhysicalBits != 0 && (paging.PhysicalBits == 0 || paging.PhysicalBits > f.PhysicalBits) {
		paging.PhysicalBits = f.PhysicalBits
		if paging.PhysicalBits > 48 && paging.Granule != Granule64K && !paging.LPA2 {
			paging.PhysicalBits = 48
		}
	}
	return paging
}
