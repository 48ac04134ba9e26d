package machine

import "github.com/seed64aab995/rescuekernel/machdep/amd64"

// Captured is the state in the form in which a panicking host captures its own:
// to compare the two. It has all that software can see of a CPU.
func (s *AMD64State) Captured() amd64.CPUState {
	r := &s.Registers
	return amd64.CPUState{
		Valid: amd64.StateGeneral | amd64.StateSegments | amd64.StateControl | amd64.StateTables | amd64.StateDebug | amd64.StateExtended,
		RAX:   r[RAX], RCX: r[RCX], RDX: r[RDX], RBX: r[RBX], RSP: r[RSP], RBP: r[RBP], RSI: r[RSI], RDI: r[RDI],
		R8: r[R8], R9: r[R9], R10: r[R10], R11: r[R11], R12: r[R12], R13: r[R13], R14: r[R14], R15: r[R15],
		RIP: s.RIP, RFLAGS: amd64.RFLAGS(s.RFLAGS),
		CS: s.CS.Selector, SS: s.SS.Selector, DS: s.DS.Selector, ES: s.ES.Selector,
		FS: s.FS.Selector, GS: s.GS.Selector, TR: s.TR.Selector, LDTR: s.LDTR.Selector,
		FSBase: s.FS.Base, GSBase: s.GS.Base, KernelGSBase: s.KernelGSBase,
		CR0: amd64.CR0(s.CR0), CR2: s.CR2, CR3: s.CR3, CR4: amd64.CR4(s.CR4), CR8: s.CR8,
		EFER: amd64.EFER(s.EFER), XCR0: amd64.XCR0(s.XCR0),
		GDT: amd64.DescriptorTable(s.GDTR), IDT: amd64.DescriptorTable(s.IDTR),
		Debug: [6]uint64{s.DR[0], s.DR[1], s.DR[2], s.DR[3], s.DR6, s.DR7},
	}
}
