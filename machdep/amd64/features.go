package amd64

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// CPUIDLeaf is what CPUID answers to one question.
type CPUIDLeaf struct {
	Function, Index    uint32 // EAX and ECX before
	EAX, EBX, ECX, EDX uint32
}

// CPUID is a snapshot of what a processor says about itself: a list of leaves
// in any order. Leaves that are missing count as zero.
type CPUID []CPUIDLeaf

// Leaf is the answer to a question; zeros if it is not in the snapshot.
func (c CPUID) Leaf(function, index uint32) CPUIDLeaf {
	for _, leaf := range c {
		if leaf.Function == function && leaf.Index == index {
			return leaf
		}
	}
	return CPUIDLeaf{Function: function, Index: index}
}

// Questions lists the leaves that FeaturesOf looks at.
func Questions() [][2]uint32 {
	return [][2]uint32{
		{0, 0}, {1, 0}, {7, 0}, {0xd, 0}, {0xd, 1}, {0x15, 0}, {0x16, 0}, {0x4000_0000, 0},
		{0x8000_0000, 0}, {0x8000_0001, 0}, {0x8000_0007, 0}, {0x8000_0008, 0}, {0x8000_001f, 0},
	}
}

// Features are what hand-off and dump need to know of a processor.
type Features struct {
	Vendor     string // "GenuineIntel"
	Hypervisor string // "KVMKVMKVM"; "" on bare metal

	LongMode       bool // 64-bit mode
	NoExecute      bool
	GigabytePages  bool
	FiveLevels     bool // LA57
	PhysicalBits   int  // MAXPHYADDR
	VirtualBits    int
	GlobalPages    bool
	PAT            bool
	Contexts       bool // PCID
	SMEP, SMAP     bool
	UMIP           bool
	ProtectionKeys bool
	ShadowStacks   bool // CET_SS
	BranchTracking bool // CET_IBT

	FXSAVE, SSE2, SSE42 bool // SSE42 has the CRC32 instruction
	XSAVE               bool
	XCR0                XCR0 // what XSAVE could keep
	XSAVESize           int  // of all of that
	AVX2, SHA           bool

	APIC, X2APIC bool
	APICID       uint32
	TSCDeadline  bool
	InvariantTSC bool
	TSCKilohertz uint64 // as leaves 15H and 16H tell; 0: they do not
	RDRAND       bool

	// MemoryEncryption says that the processor has SME or SEV; whether it is on
	// only MSRs tell. Then bit EncryptionBit of an entry is no address bit.
	MemoryEncryption bool
	EncryptionBit    int

	FSGSBase     bool
	MachineCheck bool
}

func bit(register uint32, n uint) bool { return register>>n&1 != 0 }

// FeaturesOf reads a snapshot (Intel SDM 2A CPUID; AMD APM 3 appendix E).
func FeaturesOf(c CPUID) Features {
	var f Features
	f.standard(c)
	f.extended(c)
	f.state(c)
	f.clock(c)
	return f
}

func text(registers ...uint32) string {
	var b []byte
	for _, r := range registers {
		b = binary.LittleEndian.AppendUint32(b, r)
	}
	return strings.TrimRight(string(b), "\x00")
}

func (f *Features) standard(c CPUID) {
	leaf0, leaf1 := c.Leaf(0, 0), c.Leaf(1, 0)
	f.Vendor = text(leaf0.EBX, leaf0.EDX, leaf0.ECX)
	f.MachineCheck = bit(leaf1.EDX, 7) && bit(leaf1.EDX, 14)
	f.APIC = bit(leaf1.EDX, 9)
	f.GlobalPages = bit(leaf1.EDX, 13)
	f.PAT = bit(leaf1.EDX, 16)
	f.FXSAVE = bit(leaf1.EDX, 24)
	f.SSE2 = bit(leaf1.EDX, 26)
	f.Contexts = bit(leaf1.ECX, 17)
	f.SSE42 = bit(leaf1.ECX, 20)
	f.X2APIC = bit(leaf1.ECX, 21)
	f.TSCDeadline = bit(leaf1.ECX, 24)
	f.XSAVE = bit(leaf1.ECX, 26)
	f.RDRAND = bit(leaf1.ECX, 30)
	f.APICID = leaf1.EBX >> 24
	if bit(leaf1.ECX, 31) {
		leaf := c.Leaf(0x4000_0000, 0)
		f.Hypervisor = text(leaf.EBX, leaf.ECX, leaf.EDX)
	}
	if leaf0.EAX < 7 {
		return
	}
	leaf7 := c.Leaf(7, 0)
	f.FSGSBase = bit(leaf7.EBX, 0)
	f.AVX2 = bit(leaf7.EBX, 5)
	f.SMEP = bit(leaf7.EBX, 7)
	f.SMAP = bit(leaf7.EBX, 20)
	f.SHA = bit(leaf7.EBX, 29)
	f.UMIP = bit(leaf7.ECX, 2)
	f.ProtectionKeys = bit(leaf7.ECX, 3)
	f.ShadowStacks = bit(leaf7.ECX, 7)
	f.FiveLevels = bit(leaf7.ECX, 16)
	f.BranchTracking = bit(leaf7.EDX, 20)
}

func (f *Features) extended(c CPUID) {
	f.PhysicalBits, f.VirtualBits = 36, 48 // where leaf 80000008H is missing
	last := c.Leaf(0x8000_0000, 0).EAX
	if last >= 0x8000_0001 {
		leaf := c.Leaf(0x8000_0001, 0)
		f.NoExecute = bit(leaf.EDX, 20)
		f.GigabytePages = bit(leaf.EDX, 26)
		f.LongMode = bit(leaf.EDX, 29)
	}
	if last >= 0x8000_0007 {
		f.InvariantTSC = bit(c.Leaf(0x8000_0007, 0).EDX, 8)
	}
	if last >= 0x8000_0008 {
		leaf := c.Leaf(0x8000_0008, 0)
		f.PhysicalBits = int(leaf.EAX & 0xff)
		f.VirtualBits = int(leaf.EAX >> 8 & 0xff)
	}
	if last >= 0x8000_001f {
		leaf := c.Leaf(0x8000_001f, 0)
		f.MemoryEncryption = leaf.EAX&3 != 0
		f.EncryptionBit = int(leaf.EBX & 0x3f)
	}
}

func (f *Features) state(c CPUID) {
	if c.Leaf(0, 0).EAX < 0xd || !f.XSAVE {
		return
	}
	leaf := c.Leaf(0xd, 0)
	f.XCR0 = XCR0(leaf.EAX) | XCR0(leaf.EDX)<<32
	f.XSAVESize = int(leaf.ECX)
}

// clock works out the TSC's frequency as SDM 2A CPUID 15H and 16H tell.
func (f *Features) clock(c CPUID) {
	if c.Leaf(0, 0).EAX < 0x15 {
		return
	}
	leaf := c.Leaf(0x15, 0)
	if leaf.EAX == 0 || leaf.EBX == 0 {
		return
	}
	if leaf.ECX != 0 {
		f.TSCKilohertz = uint64(leaf.ECX) * uint64(leaf.EBX) / uint64(leaf.EAX) / 1000
		return
	}
	if c.Leaf(0, 0).EAX >= 0x16 {
		f.TSCKilohertz = uint64(c.Leaf(0x16, 0).EAX&0xffff) * 1000
	}
}

// Why a processor cannot run a rescue program.
var (
	ErrNoLongMode   = errors.New("processor has no 64-bit mode")
	ErrNoNoExecute  = errors.New("processor has no no-execute pages")
	ErrNoSSE2       = errors.New("processor has no SSE2, which Go needs")
	ErrNoFXSAVE     = errors.New("processor cannot save its SSE state")
	ErrPhysicalBits = errors.New("processor's physical addresses are of no known size")
	ErrNoFiveLevels = errors.New("processor has four levels of page tables and five are in use")
)

// Check says what keeps a rescue program from running on the processor, all of
// it joined; nil if nothing does. Arming refuses for it. The running host's
// paging is checked against the processor's word.
func (f Features) Check(paging Paging) error {
	var failures []error
	for _, c := range []struct {
		fails bool
		err   error
	}{
		{!f.LongMode, ErrNoLongMode},
		{!f.NoExecute, ErrNoNoExecute}, // no W^X, and no host memory that is not executable
		{!f.SSE2, ErrNoSSE2},
		{!f.FXSAVE, ErrNoFXSAVE},
		{f.PhysicalBits < 32 || f.PhysicalBits > 52, fmt.Errorf("%w: %d bits", ErrPhysicalBits, f.PhysicalBits)},
		{paging.Levels == 5 && !f.FiveLevels, ErrNoFiveLevels},
	} {
		if c.fails {
			failures = append(failures, c.err)
		}
	}
	return errors.Join(failures...)
}

// Paging completes what registers say about paging with what only the
// processor knows.
func (f Features) Paging(paging Paging) Paging {
	paging.PhysicalBits = f.PhysicalBits
	paging.GigabytePagesOff = !f.GigabytePages
	return paging
}
