//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/trampoline"
)

// ErrCPU says that a CPU did not start.
var ErrCPU = errors.New("the CPU does not start")

// maxSecondaries is how many CPUs StartCPU can start.
const maxSecondaries = 63

// Layout of a CPU's block, physically contiguous memory. The first two pages are
// also mapped at their physical address, executable at EL1.
const (
	secondaryStartup   = 0x0000 // the trampoline, into the kernel
	secondaryFront     = 0x1000 // the CPU's exception vectors
	secondaryRoot      = 0x2000 // its root of the page tables
	secondaryState     = 0x3000
	secondaryTrapStack = 0x5000 // tops
	secondaryUserStack = 0xd000
	secondarySize      = 0xd000
)

// frontWords is where a front page has its five words: whether the CPU must stop
// (stopBare, or the address of the slot that its registers go to); where
// exceptions from EL0, others, and interrupts go on; its state.
const (
	frontWords = 0xf00
	stopBare   = 1
)

// rootEntry is the size of what one entry of the root maps.
const rootEntry = 1 << 39

// secondary is what is at secondaryState in a block.
type secondary struct {
	place     uintptr // 1 for CPU 0, 2 and up: the owner of a panic
	cpu       uintptr // affinity in MPIDR_EL1
	started   uintptr
	stopped   uintptr // by a panic, with no slot for its registers
	target    uintptr // its bit as GICv2 numbers CPUs
	function  uintptr // address of a func value
	front     uintptr // address of the vectors
	stack     uintptr
	trapStack uintptr
	saved     savedRegisters
	trap      trapFrame
}

// secondaryTable is all CPUs, once StartCPU has been called: CPU 0 first. Each
// has a root of its own, with the same tables below. A CPU that does not take the
// interrupt which is to stop it is stopped by taking the kernel window out of
// its root: it faults at its next instruction, whatever is masked, and its
// vectors, which are not in the window, stop it. k.root stays as it is, for the
// dump.
type secondaryTable struct {
	count     uintptr // of all but CPU 0
	blocks    [maxSecondaries + 1]uintptr
	arguments [4]uintptr // of callFirmware and callSwitch
}

func secondarySymbols() (front, frontEnd, start, lower, trap, exception, interrupt uintptr)
func front()
func frontEnd()
func secondaryStart()
func secondaryUser()
func secondaryLower()
func secondaryTrap()
func secondaryFatal()

// StartCPU starts the CPU of an affinity (MPIDR_EL1), by PSCI or as the device
// tree says by the address that it waits at, and lets it run f, at EL0 on a stack
// of its own, while Go goes on on CPU 0. f and all that it calls must be nosplit,
// allocate nothing, make no system call, and touch only memory that is mapped and
// stays so: globals that were written before, and the direct map. There is no g.
// When f returns the CPU halts. An exception on the CPU is a panic with that CPU's
// registers. A panic stops every CPU, so a host that is armed for fewer CPUs
// (rescue.Config.CPUs) starts no more.
func StartCPU(id uint32, f func()) error {
	if !Running() {
		return ErrNotRunning
	}
	if err := startCPU(id, f); err != nil {
		return fmt.Errorf("start CPU %d: %w", id, err)
	}
	return nil
}

func startCPU(id uint32, f func()) error {
	s := &k.secondaries
	if s.count == maxSecondaries || f == nil {
		return fmt.Errorf("%d are started, at most %d: %w", s.count, maxSecondaries, ErrCPU)
	}
	if err := checkArmedRoom(s.count); err != nil {
		return err
	}
	_, _, entry, lower, trap, exception, _ := secondarySymbols()
	if s.blocks[0] == 0 {
		if err := prepareFirst(exception); err != nil {
			return err
		}
		if err := prepareController(); err != nil {
			return err
		}
	}
	if k.controller.version == 3 {
		if err := k.controller.prepareRedistributor(uintptr(id)); err != nil {
			return err
		}
	}
	block, err := newBlock(s.count+2, uintptr(id), lower, trap)
	if err != nil {
		return err
	}
	state := pointer[secondary](virtual(uintptr(block.Start) + secondaryState))
	state.function = functionValue(f)
	page, err := trampoline.PatchARM64(trampoline.ARM64{
		Page: block.Start + secondaryStartup, Root: block.Start + secondaryRoot, Entry: uint64(entry),
		EntryStack: uint64(state.stack), Block: block.Start, BlockVA: uint64(addressOf(state)),
		Conduit: k.facts.calls.Conduit,
	})
	if err != nil {
		return err
	}
	copy(bytesAt(virtual(uintptr(block.Start)), pageSize), page)
	cleanCache(virtual(uintptr(block.Start)), secondarySize)
	s.count++
	s.blocks[s.count] = virtual(uintptr(block.Start))
	start := turnOn
	if k.facts.cpus.releaseOf(uintptr(id)) != 0 {
		start = letGo
	}
	if err := start(id, block.Start+secondaryStartup); err != nil {
		s.count--
		return errors.Join(err, UnmapIdentity(physmem.Range{Start: block.Start, End: block.Start + secondaryRoot}), Release(block))
	}
	// From here on the CPU may use its block, and a panic stops it, even if it is
	// late.
	for range 200 {
		if atomic.LoadUintptr(&state.started) != 0 {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return fmt.Errorf("it was turned on and does not answer: %w", ErrCPU)
}

// prepareFirst gives CPU 0 vectors and a root that can be taken away.
func prepareFirst(exception uintptr) error {
	for a := k.window; a < k.windowEnd; a += rootEntry { // nobody makes entries in two roots
		if table(virtual(k.root)+a>>39&511*8, true) == 0 {
			return ErrNoMemory
		}
	}
	vectors := (k.symbols.vectors + arm64.VectorTableSize - 1) &^ (arm64.VectorTableSize - 1)
	synchronous := vectors + uintptr((arm64.VectorLowerAArch64 | arm64.VectorSynchronous).Offset()) + 4 // the front has done the first instruction
	block, err := newBlock(1, k.cpu, synchronous, exception)
	if err != nil {
		return err
	}
	s := &k.secondaries
	s.blocks[0] = virtual(uintptr(block.Start))
	state := stateOf(0)
	state.started, state.target = 1, k.first.target
	s.arguments = [4]uintptr{uintptr(block.Start) + secondaryRoot, uintptr(block.Start) + secondaryFront, addressOf(state)}
	_, err = call(callSwitch, 0, 0, 0, 0)
	return err
}

// newBlock makes a CPU's block but for its startup page.
func newBlock(place, cpu, lower, other uintptr) (physmem.Range, error) {
	r, err := Allocate(secondarySize, pageSize)
	if err != nil {
		return r, err
	}
	b := virtual(uintptr(r.Start))
	clear(bytesAt(b, secondarySize))
	code, end, _, _, _, _, interrupted := secondarySymbols()
	code = (code + arm64.VectorTableSize - 1) &^ (arm64.VectorTableSize - 1)
	copy(bytesAt(b+secondaryFront, frontWords), bytesAt(code, end-code))
	state := pointer[secondary](b + secondaryState)
	for i, word := range [...]uintptr{0, lower, other, interrupted, addressOf(state)} {
		store64(b+secondaryFront+frontWords+8*uintptr(i), word)
	}
	*state = secondary{
		place: place, cpu: cpu, front: uintptr(r.Start) + secondaryFront,
		stack: b + secondaryUserStack, trapStack: b + secondaryTrapStack,
	}
	pages := physmem.Range{Start: r.Start, End: r.Start + secondaryRoot}
	if err := MapIdentity(pages, true); err != nil {
		return r, errors.Join(err, Release(r))
	}
	copy(bytesAt(b+secondaryRoot, pageSize), bytesAt(virtual(k.root), pageSize))
	cleanCache(b, secondarySize)
	return r, nil
}

// turnOn calls PSCI's CPU_ON (Arm DEN 0022, 5.6).
func turnOn(id uint32, page physmem.Address) error {
	k.secondaries.arguments = [4]uintptr{arm64.PSCICPUOn, uintptr(id), uintptr(page), 0}
	r, err := call(callFirmware, 0, 0, 0, 0)
	if err != nil {
		return err
	}
	if result := arm64.PSCIResult(int32(r)); result != 0 {
		return fmt.Errorf("CPU_ON: %v: %w", result, ErrCPU)
	}
	return nil
}

// releaseOf is where a CPU waits for its entry, 0 if it waits nowhere.
func (c *cpuFacts) releaseOf(id uintptr) uintptr {
	for _, f := range c.list[:min(c.count, maxCPUFacts)] {
		if f.id == id {
			return f.release
		}
	}
	return 0
}

// letGo writes a CPU's entry where it waits for it: a spin table (Linux
// Documentation/arch/arm64/booting.rst; Devicetree Specification 3.8.1,
// cpu-release-addr). The place is no memory of the kernel's.
func letGo(id uint32, page physmem.Address) error {
	p := physmem.Address(k.facts.cpus.releaseOf(uintptr(id)))
	place, err := MapDevice(physmem.Range{Start: p, End: p + 8})
	if err != nil {
		return err
	}
	store64(place, uintptr(page))
	signalEvent()
	return nil
}

// Own calls that only this architecture has; their arguments are in
// k.secondaries.
const (
	callFirmware = callProcessor + 0 // PSCI function, three arguments; the result in 32 bits
	callSwitch   = callProcessor + 1 // root of the page tables, vectors, state
)

// callController lets CPU 0 take interrupts.
const callController = callProcessor + 2

//go:nosplit
func serveProcessor(number, _, _ uintptr) uintptr {
	a := &k.secondaries.arguments
	switch number {
	case callFirmware:
		return firmware(a[0], a[1], a[2], a[3]) & 0xffff_ffff
	case callSwitch:
		return gate(gateSwitch, a[0], a[1], a[2], 0)
	case callController:
		before := k.pstate
		takeInterrupts(stateOf(0))
		setMask(before & takingPSTATE)
		return 0
	}
	return errnoNoCall
}

// handleSecondary panics for an exception of a secondary CPU.
//
//go:nosplit
func handleSecondary(at uintptr) {
	state := pointer[secondary](at)
	trap := &state.trap
	reason := handoff.ReasonUserFault
	if trap.pstate&uintptr(arm64.PSTATELevelMask) != 0 {
		reason = handoff.ReasonKernelFault
	}
	if !beginPanic(state.place, state.cpu) {
		panicAgain(reason, trap.esr, 0, trap.far, trap.pc, trap.sp)
	}
	c := &panicNow().context
	setMessage("exception on a secondary CPU")
	c.Reason = reason
	c.Vector, c.ErrorCode, c.FaultAddress, c.ExitCode = uint64(trap.esr), 0, uint64(trap.far), 0
	trapContext(c, &state.saved, trap)
	enterPanic()
}
