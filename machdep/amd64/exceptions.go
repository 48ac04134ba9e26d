package amd64

import "fmt"

// Vector is the number of an exception or interrupt.
type Vector uint8

// Exceptions (Intel SDM 3A table 6-1).
const (
	VectorDivideError         Vector = 0
	VectorDebug               Vector = 1
	VectorNMI                 Vector = 2
	VectorBreakpoint          Vector = 3
	VectorOverflow            Vector = 4
	VectorBound               Vector = 5
	VectorInvalidOpcode       Vector = 6
	VectorNoMathCoprocessor   Vector = 7
	VectorDoubleFault         Vector = 8
	VectorInvalidTSS          Vector = 10
	VectorSegmentNotPresent   Vector = 11
	VectorStackFault          Vector = 12
	VectorGeneralProtection   Vector = 13
	VectorPageFault           Vector = 14
	VectorFloatingPoint       Vector = 16
	VectorAlignmentCheck      Vector = 17
	VectorMachineCheck        Vector = 18
	VectorSIMD                Vector = 19
	VectorVirtualization      Vector = 20
	VectorControlProtection   Vector = 21
	VectorHypervisorInjection Vector = 28
	VectorVMMCommunication    Vector = 29
	VectorSecurity            Vector = 30
	VectorFirstExternal       Vector = 32 // interrupts of devices are from here on
)

var vectorNames = map[Vector]string{
	VectorDivideError: "#DE divide error", VectorDebug: "#DB debug", VectorNMI: "NMI", VectorBreakpoint: "#BP breakpoint",
	VectorOverflow: "#OF overflow", VectorBound: "#BR bound range exceeded", VectorInvalidOpcode: "#UD invalid opcode",
	VectorNoMathCoprocessor: "#NM no math coprocessor", VectorDoubleFault: "#DF double fault", VectorInvalidTSS: "#TS invalid TSS",
	VectorSegmentNotPresent: "#NP segment not present", VectorStackFault: "#SS stack-segment fault",
	VectorGeneralProtection: "#GP general protection", VectorPageFault: "#PF page fault", VectorFloatingPoint: "#MF floating-point error",
	VectorAlignmentCheck: "#AC alignment check", VectorMachineCheck: "#MC machine check", VectorSIMD: "#XM SIMD floating-point exception",
	VectorVirtualization: "#VE virtualization exception", VectorControlProtection: "#CP control protection",
	VectorHypervisorInjection: "#HV hypervisor injection", VectorVMMCommunication: "#VC VMM communication", VectorSecurity: "#SX security",
}

// String names the vector as manuals do: "#PF page fault".
func (v Vector) String() string {
	if name, ok := vectorNames[v]; ok {
		return name
	}
	if v < VectorFirstExternal {
		return fmt.Sprintf("exception %d", uint8(v))
	}
	return fmt.Sprintf("interrupt %d", uint8(v))
}

// vectorsWithErrorCode has bit n set if exception n pushes an error code (Intel
// SDM 3A table 6-1, AMD APM 2 8.2).
const vectorsWithErrorCode uint32 = 1<<VectorDoubleFault | 1<<VectorInvalidTSS | 1<<VectorSegmentNotPresent | 1<<VectorStackFault |
	1<<VectorGeneralProtection | 1<<VectorPageFault | 1<<VectorAlignmentCheck | 1<<VectorControlProtection |
	1<<VectorVMMCommunication | 1<<VectorSecurity

// HasErrorCode reports whether the processor pushes an error code.
func (v Vector) HasErrorCode() bool {
	return v < VectorFirstExternal && vectorsWithErrorCode>>v&1 != 0
}

// PageFaultCode is the error code of a page fault (Intel SDM 3A 4.7).
type PageFaultCode uint32

// Bits of a PageFaultCode.
const (
	PageFaultPresent     PageFaultCode = 1 << 0 // the page is there and its rights were violated
	PageFaultWrite       PageFaultCode = 1 << 1
	PageFaultUser        PageFaultCode = 1 << 2
	PageFaultReserved    PageFaultCode = 1 << 3
	PageFaultInstruction PageFaultCode = 1 << 4
)

var pageFaultNames = []bitName{
	{1 << 0, "P"}, {1 << 1, "W"}, {1 << 2, "U"}, {1 << 3, "RSVD"}, {1 << 4, "I"}, {1 << 5, "PK"}, {1 << 6, "SS"}, {1 << 7, "HLAT"},
	{1 << 15, "SGX"},
}

// String lists the bits by the manual's names: "P|W".
func (c PageFaultCode) String() string { return bitString(uint64(c), pageFaultNames) }
