package arm64

import (
	"fmt"
	"slices"
)

// physicalSizes are the sizes of physical addresses that TCR_EL1.IPS and
// ID_AA64MMFR0_EL1.PARange encode (DDI 0487 D24.2, TCR_EL1).
var physicalSizes = []int{32, 36, 40, 42, 44, 48, 52}

// TCRFor is the TCR_EL1 under which a processor translates as lower and upper
// say; a half that is nil is not translated. Walks are cacheable and inner
// shareable. Both halves must agree on LPA2; the larger of their physical
// addresses counts.
func TCRFor(lower, upper *Paging) (TCR, error) {
	r := TCRDisable0 | TCRDisable1
	physical, lpa2 := 32, false
	for _, half := range []*Paging{lower, upper} {
		if half == nil {
			continue
		}
		p, err := half.normalise()
		if err != nil {
			return 0, err
		}
		if half == lower == p.Upper {
			return 0, fmt.Errorf("paging: %w: the wrong half of the address space", ErrUnsupported)
		}
		if lower != nil && upper != nil && lower.LPA2 != upper.LPA2 {
			return 0, fmt.Errorf("paging: %w: LPA2 in one half", ErrUnsupported)
		}
		physical, lpa2 = max(physical, p.PhysicalBits), p.LPA2
		if p.Upper {
			r = r&^TCRDisable1 | p.upperTCR()
		} else {
			r = r&^TCRDisable0 | p.lowerTCR()
		}
	}
	if lpa2 {
		r |= TCRLPA2
	}
	size, found := slices.BinarySearch(physicalSizes, physical)
	if !found {
		return 0, fmt.Errorf("paging: %w: %d physical address bits", ErrUnsupported, physical)
	}
	return r | TCR(size)<<TCRPhysicalShift, nil
}

func (p Paging) lowerTCR() TCR {
	granule := map[int]TCR{Granule4K: 0, Granule64K: 1, Granule16K: 2}[p.Granule]
	r := TCR(64-p.VirtualBits)<<TCRSize0Shift | TCRWriteBack0 | TCRInner0 | granule<<TCRGranule0Shift
	if p.TopByteIgnored {
		r |= TCRTopByte0
	}
	if p.HierarchyOff {
		r |= TCRHierarchy0
	}
	return r
}

func (p Paging) upperTCR() TCR {
	granule := map[int]TCR{Granule16K: 1, Granule4K: 2, Granule64K: 3}[p.Granule]
	r := TCR(64-p.VirtualBits)<<TCRSize1Shift | TCRWriteBack1 | TCRInner1 | granule<<TCRGranule1Shift
	if p.TopByteIgnored {
		r |= TCRTopByte1
	}
	if p.HierarchyOff {
		r |= TCRHierarchy1
	}
	return r
}

// TTBR is the value of TTBR0_EL1 or TTBR1_EL1 for the paging's root, without an
// ASID.
func (p Paging) TTBR() uint64 {
	root := uint64(p.Root)
	return root&TTBRAddressMask | root>>48&0xf<<2
}

// pagingOf is the paging of one half, as registers tell.
func pagingOf(tcr TCR, ttbr uint64, upper bool) (Paging, error) {
	var granules [4]int
	size, granule, disabled := tcr>>TCRSize0Shift, tcr>>TCRGranule0Shift, tcr&TCRDisable0
	topByte, hierarchy := tcr&TCRTopByte0, tcr&TCRHierarchy0
	granules = [4]int{Granule4K, Granule64K, Granule16K, 0}
	if upper {
		size, granule, disabled = tcr>>TCRSize1Shift, tcr>>TCRGranule1Shift, tcr&TCRDisable1
		topByte, hierarchy = tcr&TCRTopByte1, tcr&TCRHierarchy1
		granules = [4]int{0, Granule16K, Granule4K, Granule64K}
	}
	physical := int(tcr >> TCRPhysicalShift & 7)
	switch {
	case disabled != 0:
		return Paging{}, fmt.Errorf("paging: %w: this half is not translated, TCR is %v", ErrUnsupported, tcr)
	case granules[granule&3] == 0, physical >= len(physicalSizes):
		return Paging{}, fmt.Errorf("paging: %w: reserved values, TCR is %v", ErrUnsupported, tcr)
	}
	p := Paging{
		Granule:        granules[granule&3],
		VirtualBits:    64 - int(size&0x3f),
		Upper:          upper,
		PhysicalBits:   physicalSizes[physical],
		LPA2:           tcr&TCRLPA2 != 0,
		TopByteIgnored: topByte != 0,
		HierarchyOff:   hierarchy != 0,
	}
	if p.Granule == Granule64K {
		p.LPA2 = false // DS has no meaning
	} else if !p.LPA2 {
		p.PhysicalBits = min(p.PhysicalBits, 48)
	}
	p.Root = physicalRoot(ttbr, p)
	return p.normalise()
}

// Functions of PSCI, as W0 of an SMC or HVC, in the 64-bit form where there is
// one (Arm DEN 0022, 5.1).
const (
	PSCIVersion      = 0x8400_0000
	PSCICPUOff       = 0x8400_0002
	PSCICPUOn        = 0xc400_0003
	PSCIAffinityInfo = 0xc400_0004
	PSCISystemOff    = 0x8400_0008
	PSCISystemReset  = 0x8400_0009
	PSCIFeatures     = 0x8400_000a
)

// PSCIResult is what PSCI answers in X0.
type PSCIResult int32

// String names an error as the specification does.
func (r PSCIResult) String() string {
	names := [...]string{"success", "not supported", "invalid parameters", "denied", "already on", "on pending", "internal failure",
		"not present", "disabled", "invalid address"}
	if r <= 0 && int(-r) < len(names) {
		return names[-r]
	}
	return fmt.Sprintf("PSCI result %d", int32(r))
}
