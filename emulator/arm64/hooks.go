package arm64

import "github.com/seed64aab995/rescuekernel/machine"

// Bus is the CPU's way to what is not RAM. Each CPU has its own, so that
// devices with a bank for each CPU know who asks.
type Bus interface {
	// Read and Write access a device at a physical address, 1 to 8 bytes
	// little-endian. Where there is none, found is false and the CPU takes an
	// external abort. An exit that is not nil stops the machine.
	Read(address uint64, p []byte) (found bool, exit *machine.Exit)
	Write(address uint64, p []byte) (found bool, exit *machine.Exit)
}

// InterruptInterface is the CPU interface of a GIC that is reached by system
// registers: ICC_*. False makes the access UNDEFINED.
type InterruptInterface interface {
	ReadSystem(c *CPU, r SystemRegister) (uint64, bool)
	WriteSystem(c *CPU, r SystemRegister, v uint64) bool
}

// SystemRegister is the encoding of a system register: op0, op1, CRn, CRm and
// op2 as bits 20 to 5 of MRS have them.
type SystemRegister uint16

// Register makes the encoding of a system register.
func Register(op0, op1, crn, crm, op2 int) SystemRegister {
	return SystemRegister(op0<<14 | op1<<11 | crn<<7 | crm<<3 | op2)
}

// Conduit is how a guest calls its firmware (Arm DEN 0028, SMC Calling
// Convention).
type Conduit uint8

// The conduits.
const (
	ConduitSMC Conduit = iota
	ConduitHVC
)

// Timer is one of the generic timer's comparators.
type Timer uint8

// The timers of a CPU (DDI 0487 D12.2).
const (
	TimerPhysical   Timer = iota // CNTP, of EL1: PPI 30 by custom
	TimerVirtual                 // CNTV, of EL1: PPI 27
	TimerHyp                     // CNTHP, of EL2: PPI 26
	TimerHypVirtual              // CNTHV, of EL2 with VHE: PPI 28
	timerCount
)

// Config is what a CPU is and how it is wired. The zero value is a CPU that
// runs, with neither firmware nor GIC.
type Config struct {
	// Model says what the CPU can do. The zero value is CortexA57.
	Model Model

	// EL2 says that there is an EL2, in which the CPU then comes up.
	EL2 bool

	// Affinity is MPIDR_EL1's: Aff3 in bits 39 to 32, Aff2 to Aff0 in 23 to 0.
	Affinity uint64

	// Bus is where devices are. Nil is no device.
	Bus Bus

	// Interrupts is the GIC's CPU interface by system registers. Nil is none,
	// and ID_AA64PFR0_EL1.GIC says so.
	Interrupts InterruptInterface

	// Firmware answers SMC, and HVC where there is no EL2, by c.X and c.SetX.
	// The call is UNDEFINED where it is not handled. An exit stops the machine
	// behind the instruction. Nil handles nothing.
	Firmware func(c *CPU, conduit Conduit) (handled bool, exit *machine.Exit)

	// TimerOutput is told when a timer's output changes. It may call SetIRQ.
	TimerOutput func(c *CPU, timer Timer, asserted bool)

	// Delayed has what the architecture lets wait wait: maintenance of caches and
	// TLBs for the DSB, writes to system registers for the ISB, exception or
	// return. So one that is missing is found. Otherwise all is done at once.
	Delayed bool

	// Caches are the machine's caches, shared by its CPUs. Nil is caches that
	// nobody notices.
	Caches *Caches
}
