package arm64

import (
	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/machine"
)

// Places in the register file.
const (
	regZero  = 31 // always 0: XZR
	regSP    = 32
	regSink  = 33 // where writes to XZR go
	regCount = 64 // a power of two: no bounds checks
	regMask  = regCount - 1
)

// word128 is a vector register: low half, high half.
type word128 [2]uint64

// CPU is an arm64 CPU.
type CPU struct {
	r     [regCount]uint64
	pc    uint64
	fa    uint64 // lazy flags: see flags.go
	fb    uint64
	fkind flagsKind

	event   event // why a block was left
	precise bool  // the next instruction is executed alone, so that its address is known
	tlb     *translations
	count   uint64 // instructions executed
	limit   uint64 // count at which the block loop stops to look around

	v    [32]word128
	fpcr uint64
	fpsr uint64

	// PSTATE but for the flags.
	level   uint8  // exception level
	handler bool   // SPSel: the stack pointer is the level's own
	daif    uint64 // bits 9 to 6
	pan     bool
	uao     bool
	dit     bool
	ssbs    bool
	illegal bool // IL
	stacks  [3]uint64

	sys          registers
	has          feature
	context      blockContext // what, beside addresses, decides what an instruction does
	regime       regime
	stackMask    uint64   // what the stack pointer must not have, where it is the base of an access
	stale        bool     // system registers were written and not synchronised
	underWay     []func() // maintenance that waits for DSB
	unprivileged bool     // LDTR and STTR: as EL0 would
	strict       bool     // alignment is checked on every access

	index  int
	config Config
	memory *emulator.Memory
	caches *cpuCaches // nil: not modelled

	fault    fault
	exit     *machine.Exit
	advance  bool // an exit is after the instruction
	activity machine.Activity

	monitor       monitor
	eventFlag     bool // of WFE
	waitsForEvent bool // by WFE; false: by WFI
	irq, fiq      bool // levels at the CPU's inputs
	serror        bool
	timers        timers
	timeBase      uint64
	idle          bool // a hint said that others may run

	sets     [4]translations
	lookups  lookaside
	blocks   blockCache
	breaks   map[uint64]bool // breakpoints; nil for none
	passed   bool            // the breakpoint at pc was reported
	trace    func(Executed)
	siblings []*CPU
}

// event says why a block was left other than by a branch.
type event uint8

const (
	eventNone  event = iota
	eventFault       // fault is to be delivered
	eventExit        // exit stops the machine
	eventRetry       // the block is no longer true
)

// fault is an exception on its way.
type fault struct {
	class    arm64.Class
	syndrome uint32 // ISS
	address  uint64 // FAR
	hasFAR   bool
	after    bool  // ELR is the next instruction: SVC, HVC, SMC
	target   uint8 // the exception level it must go to; 0: as routed
}

// New makes a CPU that is off. memory is the machine's.
func New(index int, memory *emulator.Memory, config Config) *CPU {
	c := &CPU{index: index, memory: memory, config: config}
	c.has = config.Model.features()
	c.blocks.init()
	c.lookups.init()
	if config.Caches != nil {
		c.caches = config.Caches.join(c)
	}
	memory.Observe(c)
	c.Reset()
	return c
}

// Index is the CPU's number.
func (c *CPU) Index() int { return c.index }

// X is general register n, 0 to 30.
func (c *CPU) X(n int) uint64 { return c.r[n&31] }

// SetX gives general register n a value.
func (c *CPU) SetX(n int, v uint64) {
	if n < 31 {
		c.r[n] = v
	}
}

// Level is the exception level that the CPU is at.
func (c *CPU) Level() int { return int(c.level) }

// highest is the highest exception level.
func (c *CPU) highest() uint8 {
	if c.config.EL2 {
		return 2
	}
	return 1
}

// Reset puts the CPU into the state after power-on (DDI 0487 D1.7): the highest
// exception level, everything masked, MMU and caches off. It is off.
func (c *CPU) Reset() {
	c.r = [regCount]uint64{}
	c.v = [32]word128{}
	c.pc, c.fpcr, c.fpsr = 0, 0, 0
	c.level, c.handler, c.daif = c.highest(), true, daifMask
	c.pan, c.uao, c.dit, c.ssbs, c.illegal = false, false, false, false, false
	c.stacks = [3]uint64{}
	c.setFlags(0)
	c.resetRegisters()
	c.fault, c.exit, c.event = fault{}, nil, eventNone
	c.stale, c.underWay, c.unprivileged, c.precise = false, nil, false, false
	c.monitor, c.eventFlag, c.serror = monitor{}, false, false
	c.activity = machine.Off
	c.lookups.dropAll()
	if c.caches != nil {
		c.caches.reset()
	}
	c.contextChanged()
	c.updateTimers()
}

// PowerOn starts the CPU at a physical address, as PSCI's CPU_ON does (Arm DEN
// 0022, 6.4): as after Reset, with X0 context.
func (c *CPU) PowerOn(entry, context uint64) {
	c.Reset()
	c.pc, c.r[0] = entry, context
	c.activity = machine.Running
}

// PowerOff turns the CPU off.
func (c *CPU) PowerOff() { c.activity = machine.Off }

// raise makes an exception the outcome of the current instruction. It gives
// false, as what an instruction returns.
func (c *CPU) raise(class arm64.Class, syndrome uint32) bool {
	c.fault = fault{class: class, syndrome: syndrome}
	c.event = eventFault
	return false
}

// undefined is the exception of instructions that are not there.
func (c *CPU) undefined() bool { return c.raise(arm64.ClassUnknown, 0) }

// stop stops the machine at the current instruction.
func (c *CPU) stop(exit machine.Exit) bool {
	c.exit, c.advance, c.event = &exit, false, eventExit
	return false
}

// stopAfter stops the machine behind the current instruction.
func (c *CPU) stopAfter(exit *machine.Exit) bool {
	c.exit, c.advance, c.event = exit, true, eventExit
	return false
}
