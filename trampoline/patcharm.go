package trampoline

import (
	"encoding/binary"
	"fmt"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// ARM64 is what arm64's trampoline is told. Physical addresses are below 2^48.
type ARM64 struct {
	Page physmem.Address // where the code's page is

	Root physmem.Address // the rescue image's tables: 4 KiB granule, 48 bits

	Entry      uint64          // virtual address of the image's entry
	EntryStack uint64          // SP there
	Block      physmem.Address // X0 there
	BlockVA    uint64          // X1 there

	// Conduit resets the machine after an exception in the trampoline; without
	// one the CPU spins.
	Conduit handoff.Conduit
}

// arm64Limit is the end of physical addresses, and of the virtual ones of
// TTBR0_EL1.
const arm64Limit physmem.Address = 1 << 48

// EntrySCTLR is SCTLR_EL1 at an image's entry (DDI 0487 D24.2): MMU and caches on, EL0
// may use DC ZVA, CTR_EL0, WFI, WFE and maintain caches; PAN is left as it is by
// exceptions; all else as after a reset.
const EntrySCTLR = 0x30d00800 | arm64.SCTLRMMU | arm64.SCTLRDataCache | arm64.SCTLRInstructions | arm64.SCTLRZeroCache |
	arm64.SCTLRCacheType | 1<<16 | 1<<18 | arm64.SCTLRCacheOperations

func (p ARM64) check() error {
	for _, c := range []parameter{
		{"page", p.Page, PageSize, arm64Limit, false},
		{"root", p.Root, PageSize, arm64Limit, false},
		{"block", p.Block, PageSize, arm64Limit, false},
	} {
		if err := c.check(); err != nil {
			return err
		}
	}
	for name, va := range map[string]uint64{"entry": p.Entry, "entry stack": p.EntryStack, "block": p.BlockVA} {
		if va >= uint64(arm64Limit) {
			return fmt.Errorf("%w: virtual address of %s, %#x, is not in the lower half of 48 bits", ErrParameter, name, va)
		}
	}
	return nil
}

// PatchARM64 makes the page: code, fields and exception vectors.
func PatchARM64(p ARM64) ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	tcr, err := arm64.TCRFor(&arm64.Paging{PhysicalBits: 32}, nil) // the code adds the size
	if err != nil {
		return nil, err
	}
	order := binary.LittleEndian
	page := make([]byte, PageSize)
	copy(page, arm64Code)
	for offset, v := range map[int]uint64{
		arm64Root: uint64(p.Root), arm64TCR: uint64(tcr), arm64Block: uint64(p.Block), arm64BlockVA: p.BlockVA,
		arm64Entry: p.Entry, arm64EntryStack: p.EntryStack, arm64MAIR: uint64(arm64.MAIRValue), arm64SCTLR: uint64(EntrySCTLR),
	} {
		order.PutUint64(page[offset:], v)
	}
	for v := arm64.Vector(0); v < 16; v++ {
		putReset(page[arm64Vectors+v.Offset():], p.Conduit)
	}
	return page, nil
}

// ARM64Addresses is where in the page 64-bit addresses are that move with the
// page, its block and its tables when all of them are moved together.
func ARM64Addresses() []int { return []int{arm64Root, arm64Block, arm64BlockVA} }

// putReset writes code that resets the machine by PSCI (Arm DEN 0022, 5.11).
func putReset(to []byte, conduit handoff.Conduit) {
	call := map[handoff.Conduit]uint32{handoff.ConduitHVC: 0xd4000002, handoff.ConduitSMC: 0xd4000003}[conduit]
	code := []uint32{0x52b08000, 0x72800120, call, 0x14000000} // MOVZ W0, #0x8400, LSL #16; MOVK W0, #9; HVC or SMC; B to itself
	if call == 0 {
		code = code[3:]
	}
	for i, word := range code {
		binary.LittleEndian.PutUint32(to[4*i:], word)
	}
}
