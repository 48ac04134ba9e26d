package machine

// State is the state of a CPU: *AMD64State or *ARM64State.
type State interface {
	Architecture() Architecture
	PC() uint64 // the instruction pointer, a virtual address
	SP() uint64 // the current stack pointer, a virtual address
}

// Activity says what a CPU does while the machine runs.
type Activity int

// What a CPU does.
const (
	Running Activity = iota
	Waiting          // in HLT or WFI
	Off              // not started yet, or turned off
)

// General purpose registers by number (Intel SDM 2A table 3-1).
const (
	RAX = iota
	RCX
	RDX
	RBX
	RSP
	RBP
	RSI
	RDI
	R8
	R9
	R10
	R11
	R12
	R13
	R14
	R15
)

// Segment is a segment register with its hidden part.
type Segment struct {
	Selector uint16
	Base     uint64
	Limit    uint32 // in bytes
	Access   uint32 // access rights as VMX has them (Intel SDM 3C 25.4.1, table 25-2)
}

// Bits of Segment.Access.
const (
	AccessTypeMask uint32 = 0xf
	AccessCodeData uint32 = 1 << 4 // S: not a system segment
	AccessDPLShift        = 5
	AccessPresent  uint32 = 1 << 7
	AccessLong     uint32 = 1 << 13 // L: 64-bit code
	AccessBig      uint32 = 1 << 14 // D/B: 32-bit
	AccessPages    uint32 = 1 << 15 // G: the descriptor counts pages
	AccessUnusable uint32 = 1 << 16
)

// DescriptorTable is GDTR or IDTR.
type DescriptorTable struct {
	Base  uint64
	Limit uint16
}

// AMD64State is the state of an amd64 CPU. What a runner cannot see is zero
// and is left alone by SetState; its documentation says what that is.
type AMD64State struct {
	Activity Activity

	Registers [16]uint64 // by number: RAX to R15
	RIP       uint64
	RFLAGS    uint64

	CS, DS, ES, FS, GS, SS Segment
	TR, LDTR               Segment
	GDTR, IDTR             DescriptorTable

	CR0, CR2, CR3, CR4, CR8 uint64
	EFER                    uint64

	DR  [4]uint64
	DR6 uint64
	DR7 uint64

	KernelGSBase, STAR, LSTAR, CSTAR, FMASK uint64
	PAT                                     uint64
	TSC                                     uint64
	XCR0                                    uint64

	FXSAVE [512]byte // x87, MMX, SSE (Intel SDM 1 10.5.1)

	NMIBlocked bool // an NMI was taken and no IRET executed since
	NMIPending bool
}

// Architecture is AMD64.
func (s *AMD64State) Architecture() Architecture { return AMD64 }

// PC is RIP.
func (s *AMD64State) PC() uint64 { return s.RIP }

// SP is RSP.
func (s *AMD64State) SP() uint64 { return s.Registers[RSP] }

// ARM64State is the state of an arm64 CPU. What a runner cannot see is zero
// and is left alone by SetState.
type ARM64State struct {
	Activity Activity

	X      [31]uint64
	CurSP  uint64 // the stack pointer in use
	PCReg  uint64
	PSTATE uint64 // NZCV, DAIF, EL, SP as in SPSR_ELx (DDI 0487 C5.2.18)

	// System registers by name, as the architecture spells them: "SCTLR_EL1".
	System map[string]uint64
}

// Architecture is ARM64.
func (s *ARM64State) Architecture() Architecture { return ARM64 }

// PC is the program counter.
func (s *ARM64State) PC() uint64 { return s.PCReg }

// SP is the stack pointer in use.
func (s *ARM64State) SP() uint64 { return s.CurSP }
