package amd64

import (
	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machine"
)

// Places in the register file. What a memory operand adds up is found there
// without looking at what kind of operand it is.
const (
	regZero    = 16 // always 0: no base, no index, no segment
	regFS      = 17 // FS base
	regGS      = 18 // GS base
	regAddress = 19 // an address that an instruction before computed
	regSegment = 20 // bases of ES, CS, SS, DS: for modes other than 64-bit
	regCount   = 32 // a power of two: no bounds checks
	regMask    = regCount - 1
)

// Segment registers by number (Intel SDM 2A table 3-1).
const (
	segES = iota
	segCS
	segSS
	segDS
	segFS
	segGS
)

// Bits of RFLAGS that are not computed lazily.
const (
	flagCF   = 1 << 0
	flagOne  = 1 << 1
	flagPF   = 1 << 2
	flagAF   = 1 << 4
	flagZF   = 1 << 6
	flagSF   = 1 << 7
	flagTF   = 1 << 8
	flagIF   = 1 << 9
	flagDF   = 1 << 10
	flagOF   = 1 << 11
	flagIOPL = 3 << 12
	flagNT   = 1 << 14
	flagRF   = 1 << 16
	flagVM   = 1 << 17
	flagAC   = 1 << 18
	flagID   = 1 << 21

	flagsStatus = flagCF | flagPF | flagAF | flagZF | flagSF | flagOF
)

// vector is an XMM register: low half, high half.
type vector [2]uint64

// CPU is an amd64 CPU.
type CPU struct {
	r    [regCount]uint64
	rip  uint64
	fres uint64 // lazy flags: see flags.go
	faux uint64

	rflags uint64 // all but the status flags
	tlb    *fastTranslations

	count   uint64 // instructions executed
	limit   uint64 // count at which the block loop stops to look around
	event   event  // why a block was left
	precise bool   // the next instruction is executed alone, so that its address is known

	x     [16]vector
	mxcsr uint32
	fpu   fpu

	index  int
	memory *emulator.Memory
	bus    *machine.Bus

	segments [6]machine.Segment
	tr, ldtr machine.Segment
	gdtr     machine.DescriptorTable
	idtr     machine.DescriptorTable

	cr0, cr2, cr3, cr4 uint64
	cr8                uint64
	efer               uint64
	xcr0               uint64
	dr                 [4]uint64
	dr6, dr7           uint64
	dataBreaks         uint64 // bits of DR6 that the instruction's loads and stores hit
	msr                msrs
	tscOffset          uint64

	cpl  uint8
	mode mode

	vectorsOff bool // SSE instructions fault

	fault    fault
	exit     *machine.Exit
	advance  bool // an exit is after the instruction
	shadow   bool // no interrupt before the next instruction: STI, MOV SS
	activity machine.Activity

	nmiBlocked bool
	nmiPending bool

	externalPending bool // on the CPU's INTR pin
	externalVector  uint8
	apic            apic

	sets   [3]fastTranslations // supervisor, user, supervisor with RFLAGS.AC
	cache  tlb
	pkru   uint32
	cet    cet
	blocks blockCache
	breaks map[uint64]bool // breakpoints; nil for none
	passed bool            // the breakpoint at rip was reported
	trace  func(Executed)

	siblings    []*CPU
	waitSIPI    bool // after INIT
	paused      bool // PAUSE was executed
	timeBase    uint64
	pendingExit *machine.Exit // of the delivery of an interrupt
}

// event says why a block was left other than by a branch.
type event uint8

const (
	eventNone  event = iota
	eventFault       // fault is to be delivered
	eventExit        // exit stops the machine
	eventRetry       // the block is no longer true
)

// mode is how code is decoded and what it may do.
type mode uint8

const (
	modeReal mode = iota // 16-bit, real mode
	mode16               // 16-bit, protected mode
	mode32               // 32-bit, protected or compatibility mode
	mode64
)

// fault is an exception on its way.
type fault struct {
	vector  amd64.Vector
	code    uint64
	hasCode bool
	address uint64 // CR2 of a page fault
	trap    bool   // RIP is that of the next instruction
	soft    bool   // INT n, INT3
}

// New makes a CPU that is off. memory and bus are the machine's.
func New(index int, memory *emulator.Memory, bus *machine.Bus, hasAPIC bool) *CPU {
	c := &CPU{index: index, memory: memory, bus: bus}
	c.apic.present = hasAPIC
	c.blocks.init()
	memory.Observe(c)
	c.Reset()
	return c
}

// Index is the CPU's number.
func (c *CPU) Index() int { return c.index }

// Reset puts the CPU into the state after power-on or INIT (Intel SDM 3A table
// 10-1). It is off.
func (c *CPU) Reset() {
	c.r = [regCount]uint64{}
	c.x = [16]vector{}
	c.mxcsr = 0x1f80
	c.fpu.reset()
	c.r[machine.RDX] = cpuSignature
	c.rip, c.rflags, c.fres, c.faux = 0xfff0, 0, 1<<8, 1<<8
	c.setFlags(0)
	c.cr0, c.cr2, c.cr3, c.cr4, c.cr8, c.efer, c.xcr0 = 0x60000010, 0, 0, 0, 0, 0, 1
	c.pkru, c.cet = 0, cet{}
	c.dr, c.dr6, c.dr7 = [4]uint64{}, 0xffff0ff0, 0x400
	c.msr = msrs{pat: 0x0007040600070406}
	real := machine.Segment{Limit: 0xffff, Access: 3 | machine.AccessCodeData | machine.AccessPresent}
	for i := range c.segments {
		c.segments[i] = real
	}
	c.segments[segCS] = machine.Segment{Selector: 0xf000, Base: 0xffff0000, Limit: 0xffff, Access: 0x9b}
	c.tr = machine.Segment{Limit: 0xffff, Access: 0x8b}
	c.ldtr = machine.Segment{Limit: 0xffff, Access: 0x82}
	c.gdtr, c.idtr = machine.DescriptorTable{Limit: 0xffff}, machine.DescriptorTable{Limit: 0xffff}
	c.fault, c.exit, c.event = fault{}, nil, eventNone
	c.shadow, c.nmiBlocked, c.nmiPending, c.externalPending = false, false, false, false
	c.activity = machine.Off
	c.apic.reset(c.index)
	c.contextChanged()
	c.flushTLB()
}

// contextChanged works out what follows from control registers, segments and
// privilege.
func (c *CPU) contextChanged() {
	cs := c.segments[segCS].Access
	switch {
	case c.cr0&cr0PE == 0:
		c.mode = modeReal
	case c.efer&eferLMA != 0 && cs&machine.AccessLong != 0:
		c.mode = mode64
	case cs&machine.AccessBig != 0:
		c.mode = mode32
	default:
		c.mode = mode16
	}
	c.cpl = 0
	if c.mode != modeReal {
		c.cpl = uint8(c.segments[segSS].Access >> machine.AccessDPLShift & 3)
	}
	c.r[regFS], c.r[regGS] = c.segments[segFS].Base, c.segments[segGS].Base
	for i := segES; i <= segDS; i++ {
		c.r[regSegment+i] = c.segments[i].Base
	}
	c.vectorsOff = c.cr0&(cr0EM|cr0TS) != 0 || c.cr4&cr4OSFXSR == 0
	c.selectTLB()
}

// selectTLB chooses the translations for the current privilege.
func (c *CPU) selectTLB() {
	switch {
	case c.cpl == 3:
		c.tlb = &c.sets[1]
	case c.rflags&flagAC != 0 && c.cr4&cr4SMAP != 0:
		c.tlb = &c.sets[2]
	default:
		c.tlb = &c.sets[0]
	}
}

// raise makes an exception without an error code the outcome of the current
// instruction. It gives false, as what an instruction returns.
func (c *CPU) raise(v amd64.Vector) bool {
	c.fault = fault{vector: v}
	c.event = eventFault
	return false
}

// raiseCode is raise with an error code.
func (c *CPU) raiseCode(v amd64.Vector, code uint64) bool {
	c.fault = fault{vector: v, code: code, hasCode: true}
	c.event = eventFault
	return false
}

// general is #GP(code).
func (c *CPU) general(code uint64) bool { return c.raiseCode(amd64.VectorGeneralProtection, code) }

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
