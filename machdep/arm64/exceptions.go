package arm64

import "fmt"

// Vector is one of the sixteen entries of a vector table: what happened, in
// the low two bits, and where it came from (DDI 0487 D1.3.6.3).
type Vector uint8

// What happened.
const (
	VectorSynchronous Vector = 0
	VectorIRQ         Vector = 1
	VectorFIQ         Vector = 2
	VectorSError      Vector = 3
)

// Where it came from.
const (
	VectorCurrentSP0   Vector = 0 << 2 // the same level, on SP_EL0
	VectorCurrentSPx   Vector = 1 << 2 // the same level, on its own stack
	VectorLowerAArch64 Vector = 2 << 2
	VectorLowerAArch32 Vector = 3 << 2
)

// Size and alignment of a vector table, and of the code of one vector.
const (
	VectorTableSize = 0x800
	VectorSize      = 0x80
)

// Offset is where the vector's code is in the table.
func (v Vector) Offset() int { return int(v) * VectorSize }

// String names the vector: "IRQ from EL0".
func (v Vector) String() string {
	if v > 15 {
		return fmt.Sprintf("vector %d", uint8(v))
	}
	what := [...]string{"synchronous exception", "IRQ", "FIQ", "SError"}[v&3]
	from := [...]string{"the same level on SP_EL0", "the same level", "a lower level", "a lower level in AArch32"}[v>>2]
	return what + " from " + from
}

// ESR is ESR_EL1, the syndrome of an exception (DDI 0487 D24.2, ESR_EL1).
type ESR uint64

// Class is what kind of exception it was: the field EC.
type Class uint8

// Classes of exceptions.
const (
	ClassUnknown            Class = 0x00
	ClassWait               Class = 0x01
	ClassFloatingPointTrap  Class = 0x07
	ClassIllegalState       Class = 0x0e
	ClassBranchTarget       Class = 0x0d
	ClassSVC                Class = 0x15
	ClassHVC                Class = 0x16
	ClassSMC                Class = 0x17
	ClassSystemRegister     Class = 0x18
	ClassInstructionLower   Class = 0x20 // instruction abort from a lower level
	ClassInstructionCurrent Class = 0x21
	ClassPCAlignment        Class = 0x22
	ClassDataLower          Class = 0x24 // data abort from a lower level
	ClassDataCurrent        Class = 0x25
	ClassSPAlignment        Class = 0x26
	ClassFloatingPoint      Class = 0x2c
	ClassSError             Class = 0x2f
	ClassBreakpointLower    Class = 0x30
	ClassBreakpointCurrent  Class = 0x31
	ClassStepLower          Class = 0x32
	ClassStepCurrent        Class = 0x33
	ClassWatchpointLower    Class = 0x34
	ClassWatchpointCurrent  Class = 0x35
	ClassBRK                Class = 0x3c
)

var classNames = map[Class]string{
	ClassUnknown: "unknown reason", ClassWait: "WFI or WFE", ClassFloatingPointTrap: "access to floating point",
	ClassIllegalState: "illegal execution state", ClassBranchTarget: "branch target", ClassSVC: "SVC", ClassHVC: "HVC", ClassSMC: "SMC",
	ClassSystemRegister: "access to a system register", ClassInstructionLower: "instruction abort from a lower level",
	ClassInstructionCurrent: "instruction abort", ClassPCAlignment: "PC alignment", ClassDataLower: "data abort from a lower level",
	ClassDataCurrent: "data abort", ClassSPAlignment: "SP alignment", ClassFloatingPoint: "floating-point exception", ClassSError: "SError",
	ClassBreakpointLower: "breakpoint from a lower level", ClassBreakpointCurrent: "breakpoint",
	ClassStepLower: "software step from a lower level", ClassStepCurrent: "software step",
	ClassWatchpointLower: "watchpoint from a lower level", ClassWatchpointCurrent: "watchpoint", ClassBRK: "BRK",
}

// String names the class: "data abort".
func (c Class) String() string {
	if name, ok := classNames[c]; ok {
		return name
	}
	return fmt.Sprintf("exception class %#x", uint8(c))
}

// Class is the field EC.
func (e ESR) Class() Class { return Class(e >> 26 & 0x3f) }

// Syndrome is the field ISS, whose meaning goes with the class.
func (e ESR) Syndrome() uint32 { return uint32(e & (1<<25 - 1)) }

// IsAbort reports whether it was an instruction or data abort, for which
// FAR_EL1 has the address.
func (e ESR) IsAbort() bool {
	c := e.Class()
	return c == ClassInstructionLower || c == ClassInstructionCurrent || c == ClassDataLower || c == ClassDataCurrent
}

// IsWrite reports whether a data abort was for a write: the bit WnR.
func (e ESR) IsWrite() bool {
	c := e.Class()
	return (c == ClassDataLower || c == ClassDataCurrent) && e>>6&1 != 0
}

// FaultStatus is the field DFSC or IFSC of an abort.
func (e ESR) FaultStatus() FaultStatus { return FaultStatus(e & 0x3f) }

// FaultStatus says why an access was aborted.
type FaultStatus uint8

// String names the fault with its level: "translation fault, level 3".
func (s FaultStatus) String() string {
	level := int(s & 3)
	switch s >> 2 {
	case 0:
		return fmt.Sprintf("address size fault, level %d", level)
	case 1:
		return fmt.Sprintf("translation fault, level %d", level)
	case 2:
		return fmt.Sprintf("access flag fault, level %d", level)
	case 3:
		return fmt.Sprintf("permission fault, level %d", level)
	case 5:
		return fmt.Sprintf("external abort on a walk, level %d", level)
	}
	switch s {
	case 0x10:
		return "external abort"
	case 0x11:
		return "tag check fault"
	case 0x21:
		return "alignment fault"
	case 0x29:
		return "address size fault, level -1"
	case 0x2b:
		return "translation fault, level -1"
	case 0x30:
		return "TLB conflict"
	}
	return fmt.Sprintf("fault status %#x", uint8(s))
}

// String prints class and syndrome: "data abort, translation fault, level 3".
func (e ESR) String() string {
	if e.IsAbort() {
		return fmt.Sprintf("%v, %v", e.Class(), e.FaultStatus())
	}
	return fmt.Sprintf("%v, syndrome %#x", e.Class(), e.Syndrome())
}
