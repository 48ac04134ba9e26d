package rescuetest

import (
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/machine"
)

// Control registers of an amd64 host in 64-bit mode (Intel SDM 3A 2.5, 2.2.1).
const (
	cr0  = 0x8001_0033 // PG WP NE ET MP PE
	cr4  = 0x620       // OSXMMEXCPT OSFXSR PAE
	efer = 0xd01       // NXE LMA LME SCE
)

// What a processor has in its floating point control registers after power-on
// (Intel SDM 3A table 11-1).
const (
	controlWord = 0x037f
	mxcsr       = 0x1f80
	pat         = 0x0007_0406_0007_0406 // IA32_PAT (Intel SDM 3A 13.12.4)
)

// stateAMD64 is CPU 0 at the freeze point: in ring 0, before the trampoline's first
// instruction, with registers as a panic path may leave them.
func (h *Host) stateAMD64() *machine.AMD64State {
	flat := func(selector uint16, access uint32) machine.Segment {
		return machine.Segment{Selector: selector, Limit: 0xffff_ffff, Access: access | machine.AccessCodeData | machine.AccessPresent | machine.AccessPages}
	}
	data := flat(0x18, 3|machine.AccessBig)
	s := &machine.AMD64State{
		RIP: uint64(h.jump), RFLAGS: 2, CS: flat(0x10, 11|machine.AccessLong), DS: data, ES: data, FS: data, GS: data, SS: data,
		TR:   machine.Segment{Selector: 0x20, Limit: 0x67, Access: 11 | machine.AccessPresent},
		LDTR: machine.Segment{Access: machine.AccessUnusable},
		CR0:  cr0, CR3: h.tables.Root(), CR4: cr4, EFER: efer, DR6: 0xffff_0ff0, DR7: 0x400, XCR0: 1, PAT: pat,
	}
	for i := range s.Registers {
		s.Registers[i] = uint64(i) * 0x0101_0101_0101_0101
	}
	s.Registers[machine.RSP] = h.panicked.Stack
	s.FXSAVE[0], s.FXSAVE[1] = controlWord&0xff, controlWord>>8
	s.FXSAVE[24], s.FXSAVE[25] = mxcsr&0xff, mxcsr>>8
	return s
}

// stateARM64 is CPU 0 at the freeze point: at EL1, with the MMU on.
func (h *Host) stateARM64() *machine.ARM64State {
	paging := h.tables.(tablesARM64).b.Paging()
	tcr, _ := arm64.TCRFor(&paging, nil) // of a paging that a builder has made
	s := &machine.ARM64State{
		PCReg: uint64(h.jump), CurSP: h.panicked.Stack, PSTATE: uint64(arm64.PSTATEEL1h | arm64.PSTATEAllMasked),
		System: map[string]uint64{
			"SCTLR_EL1": uint64(arm64.SCTLRReserved1 | arm64.SCTLRKeepPAN | arm64.SCTLRDataCache | arm64.SCTLRInstructions | arm64.SCTLRMMU),
			"TCR_EL1":   uint64(tcr), "TTBR0_EL1": paging.TTBR(), "MAIR_EL1": uint64(arm64.MAIRValue),
			"VBAR_EL1": handoff.DirectMapBase + uint64(h.layout.stack.Start), "CPACR_EL1": uint64(arm64.CPACRFloatingPoint),
		},
	}
	for i := range s.X {
		s.X[i] = uint64(i) * 0x0101_0101_0101_0101
	}
	return s
}
