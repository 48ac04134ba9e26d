//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// ErrCPU says that a CPU did not start.
var ErrCPU = errors.New("the CPU does not start")

// maxSecondaries is how many CPUs StartCPU can start.
const maxSecondaries = 63

// Layout of a secondary CPU's block, physically contiguous memory that is used
// through the direct map.
const (
	secondaryGDT       = 0x000
	secondaryTSS       = 0x100 // with its I/O bitmap up to 0x2169
	secondaryState     = 0x2200
	secondaryTLS       = 0x2340 // FS base; g is in the word below, none
	secondaryStack     = 0x2c00 // ring 0's, tops from here on
	secondaryTrapStack = 0x3400 // IST 1: every exception. Above each IST stack is the block's address.
	secondaryNMIStack  = 0x3c00 // IST 2
	secondaryUserStack = 0xc000
	secondarySize      = 0xc000
)

// secondary is what is at secondaryState in a block.
type secondary struct {
	gdtr, idtr [2]uintptr // operands of LGDT and LIDT: u16 limit, u64 base
	place      uintptr    // 2 and up: the owner of a panic
	cpu        uintptr    // APIC ID
	started    uintptr
	function   uintptr // address of a func value
}

// secondaryTable is all CPUs that StartCPU has started.
type secondaryTable struct {
	count  uintptr
	idt    uintptr // address of their interrupt descriptor table
	apic   uintptr // registers of the local APIC; 0: by MSRs (x2APIC), or not known yet
	x2apic uintptr
	blocks [maxSecondaries]uintptr // addresses
}

func secondarySymbols() (start, vectors uintptr)
func secondaryStart()
func secondaryUser()
func secondaryVectors()
func secondaryTrap()
func secondaryNMI()
func secondaryUndefined()
func secondaryFatal()

// StartCPU starts the CPU of an APIC ID by INIT and SIPI and lets it run f, in
// ring 3 on a stack of its own, while Go goes on on CPU 0. f and all that it
// calls must be nosplit, allocate nothing, make no system call, and touch only
// memory that is mapped and stays so: globals that were written before, and the
// direct map. There is no g. When f returns the CPU halts. An exception on the
// CPU is a panic with that CPU's registers. A panic stops every CPU.
func StartCPU(id uint32, f func()) error {
	if !Running() {
		return ErrNotRunning
	}
	s := &k.secondaries
	if s.count == maxSecondaries || f == nil {
		return fmt.Errorf("start CPU %d: %d are started, at most %d: %w", id, s.count, maxSecondaries, ErrCPU)
	}
	if err := prepareAPIC(); err != nil {
		return fmt.Errorf("start CPU %d: %w", id, err)
	}
	page, err := lowPage()
	if err != nil {
		return fmt.Errorf("start CPU %d: %w", id, err)
	}
	block, err := newSecondary(id, f)
	if err != nil {
		return fmt.Errorf("start CPU %d: %w", id, err)
	}
	entry, _ := secondarySymbols()
	copy(bytesAt(virtual(uintptr(page)), pageSize), startupCode(uint32(page), uint32(k.root), k.levels == 5, block, entry))
	code := physmem.Range{Start: page, End: page + pageSize}
	if err := MapIdentity(code, true); err != nil {
		return fmt.Errorf("start CPU %d: %w", id, err)
	}
	s.blocks[s.count] = block
	s.count++
	err = wake(id, page, pointer[secondary](block+secondaryState))
	if unmap := UnmapIdentity(code); err == nil {
		err = unmap
	}
	if err != nil {
		s.count--
		return fmt.Errorf("start CPU %d: %w", id, err)
	}
	return nil
}

// lowPage is a page of RAM below 640 KiB for the real-mode code: the highest
// that the memory map has. The allocator does not use the first megabyte.
func lowPage() (physmem.Address, error) {
	low := ramRanges().Intersect(physmem.NewRanges(physmem.Range{Start: pageSize, End: 0xa0000})).AlignInward(pageSize)
	if len(low) == 0 {
		return 0, fmt.Errorf("no RAM below 640 KiB: %w", ErrNoMemory)
	}
	return low[len(low)-1].End - pageSize, nil
}

// newSecondary makes a CPU's block: descriptor tables, task state, stacks.
func newSecondary(id uint32, f func()) (uintptr, error) {
	r, err := Allocate(secondarySize, pageSize)
	if err != nil {
		return 0, err
	}
	s := &k.secondaries
	b := virtual(uintptr(r.Start))
	clear(bytesAt(b, secondarySize))
	if s.idt == 0 {
		table, err := Allocate(pageSize, pageSize)
		if err != nil {
			return 0, err
		}
		s.idt = virtual(uintptr(table.Start))
		_, vectors := secondarySymbols()
		for i := uintptr(0); i < vectorCount; i++ {
			stack := uintptr(1)
			if i == vectorNMI {
				stack = 2
			}
			putGate(s.idt+16*i, vectors+16*i, stack)
		}
	}
	own := addressOf(&control) + controlGDT
	for i := uintptr(0x10); i < 0x38; i += 8 {
		store64(b+secondaryGDT+i, load64(own+i))
	}
	tss := b + secondaryTSS
	store64(b+secondaryGDT+taskSelector, 0x2068|tss&0xffffff<<16|0x89<<40|tss>>24&0xff<<56)
	store64(b+secondaryGDT+taskSelector+8, tss>>32)
	setStack(tss+4, b+secondaryStack)
	setStack(tss+0x24, b+secondaryTrapStack)
	setStack(tss+0x2c, b+secondaryNMIStack)
	store64(b+secondaryTrapStack, b)
	store64(b+secondaryNMIStack, b)
	store32(tss+0x64, 0x68<<16)
	store8(tss+0x2068, 0xff)
	state := pointer[secondary](b + secondaryState)
	state.gdtr = [2]uintptr{0x47 | b<<16, b >> 48}
	state.idtr = [2]uintptr{16*vectorCount - 1 | s.idt<<16, s.idt >> 48}
	state.place, state.cpu = s.count+2, uintptr(id)
	state.function = functionValue(f)
	return b, nil
}

// wake sends INIT and up to two SIPIs (SDM 3A 9.4.4.1) and waits for the CPU.
func wake(id uint32, page physmem.Address, state *secondary) error {
	const initialize, startup = 0x4500, 0x4600
	sendInterrupt(uintptr(id), initialize)
	time.Sleep(10 * time.Millisecond)
	for range 2 {
		sendInterrupt(uintptr(id), startup|uintptr(page)>>12)
		for range 100 {
			if atomic.LoadUintptr(&state.started) != 0 {
				return nil
			}
			time.Sleep(time.Millisecond)
		}
	}
	return fmt.Errorf("no answer to SIPI: %w", ErrCPU)
}

// Registers of the local APIC (SDM 3A 11.4, 11.12).
const (
	msrAPICBase     = 0x1b
	msrAPICCommand  = 0x830
	msrAPICSpurious = 0x80f
	apicSpurious    = 0xf0
	apicSoftware    = 1 << 8
	apicCommandLow  = 0x300
	apicCommandHigh = 0x310
	apicEnabled     = 1 << 11
	apicExtended    = 1 << 10
)

// prepareAPIC finds the local APIC.
func prepareAPIC() error {
	s := &k.secondaries
	if s.apic != 0 || s.x2apic != 0 {
		return nil
	}
	base, err := call(callReadMSR, msrAPICBase, 0, 0, 0)
	switch {
	case err != nil:
		return err
	case base&apicEnabled == 0:
		return fmt.Errorf("the local APIC is off (%#x): %w", base, ErrCPU)
	case base&apicExtended != 0:
		s.x2apic = 1
		spurious, err := call(callReadMSR, msrAPICSpurious, 0, 0, 0)
		if err == nil {
			_, err = call(callWriteMSR, msrAPICSpurious, spurious|apicSoftware, 0, 0)
		}
		return err
	}
	p := physmem.Address(base &^ 0xfff & (1<<52 - 1))
	apic, err := MapDevice(physmem.Range{Start: p, End: p + pageSize})
	if err != nil {
		return err
	}
	// A local APIC that software has not enabled sends nothing.
	store32(apic+apicSpurious, load32(apic+apicSpurious)|apicSoftware)
	s.apic = apic
	return nil
}

// sendInterrupt writes the interrupt command register. It is also used on the
// panic path.
//
//go:nosplit
func sendInterrupt(id, command uintptr) {
	s := &k.secondaries
	if s.x2apic != 0 {
		gate(msrAPICCommand, uint64(id<<32|command))
		return
	}
	store32(s.apic+apicCommandHigh, uint32(id<<24))
	store32(s.apic+apicCommandLow, uint32(command))
}

// stopOthers stops every other CPU by an NMI, and goes on without those that do
// not answer in time.
//
//go:nosplit
func stopOthers() {
	const deliverNMI, patience = 0x4400, 100 // milliseconds
	s := &k.secondaries
	sent := uintptr(0)
	if panicNow().owner > 1 {
		sendInterrupt(k.cpu, deliverNMI)
		sent++
	}
	for i := uintptr(0); i < s.count; i++ {
		other := pointer[secondary](*element(&s.blocks[0], i) + secondaryState)
		if other.place != panicNow().owner && other.started != 0 {
			sendInterrupt(other.cpu, deliverNMI)
			sent++
		}
	}
	for start := ticks(); atomic.LoadUintptr(&panicNow().stopped) < sent && ticks()-start < patience*k.kilohertz; {
		pause()
	}
}

// handleSecondary panics for an exception of a secondary CPU, on the stack that it
// was taken on.
//
//go:nosplit
func handleSecondary(saved, faultAddress uintptr) {
	at := saved + sizeOf[savedRegisters]()
	frame := pointer[trapFrame](at)
	block := load64(at + sizeOf[trapFrame]())
	state := pointer[secondary](block + secondaryState)
	beginPanic(state.place, state.cpu)
	c := &panicNow().context
	setMessage("exception on a secondary CPU")
	c.Reason = handoff.ReasonUserFault
	if frame.cs&3 == 0 {
		c.Reason = handoff.ReasonKernelFault
	}
	if frame.vector == vectorDouble {
		c.Reason = handoff.ReasonDoubleFault
	}
	c.Vector, c.ErrorCode, c.FaultAddress, c.ExitCode = uint64(frame.vector), uint64(frame.code), uint64(faultAddress), 0
	trapState(c, savedAt(saved), frame)
	putState(c, amd64.StateOffsetCR2, faultAddress)
	putState(c, amd64.StateOffsetFSBase, block+secondaryTLS)
	putState(c, amd64.StateOffsetGDTBase, block+secondaryGDT)
	putState(c, amd64.StateOffsetIDTBase, k.secondaries.idt)
	enterPanic()
}
