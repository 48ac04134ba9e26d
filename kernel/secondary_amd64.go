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
	secondaryTrapStack = 0x33f0 // IST 1: every exception. Above each IST stack is the block's address.
	secondaryNMIStack  = 0x3bf0 // IST 2
	secondaryLastStack = 0x47f0 // IST 3: exceptions on the panic path
	secondaryUserStack = 0xd000
	secondarySize      = 0xd000
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
	timer  timerState
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
// CPU is a panic with that CPU's registers. A panic stops every CPU, so a host that
// is armed for fewer CPUs (rescue.Config.CPUs) starts no more.
func StartCPU(id uint32, f func()) error {
	if !Running() {
		return ErrNotRunning
	}
	s := &k.secondaries
	if s.count == maxSecondaries || f == nil {
		return fmt.Errorf("start CPU %d: %d are started, at most %d: %w", id, s.count, maxSecondaries, ErrCPU)
	}
	if err := checkArmedRoom(s.count); err != nil {
		return fmt.Errorf("start CPU %d: %w", id, err)
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
	setSecondaryStacks(b, s.count+2)
	store32(tss+0x64, 0x68<<16)
	store8(tss+0x2068, 0xff)
	state := pointer[secondary](b + secondaryState)
	state.gdtr = [2]uintptr{0x47 | b<<16, b >> 48}
	state.idtr = [2]uintptr{16*vectorCount - 1 | s.idt<<16, s.idt >> 48}
	state.place, state.cpu = s.count+2, uintptr(id)
	state.function = functionValue(f)
	return b, nil
}

// setSecondaryStacks sets the stacks of a CPU's exceptions: those of the handler
// of panics, as far as there are any, or those in its block.
//
//go:nosplit
func setSecondaryStacks(b, place uintptr) {
	trap, nmi, last := b+secondaryTrapStack, b+secondaryNMIStack, b+secondaryLastStack
	if start, end := otherStacks(place); end != 0 {
		third := ((end - start) / 3) &^ 15
		trap, nmi, last = start+third-stackWords, start+2*third-stackWords, start+3*third-stackWords
	}
	store64(trap, b)
	store64(nmi, b)
	store64(last, b)
	tss := b + secondaryTSS
	setStack(tss+0x24, trap)
	setStack(tss+0x2c, nmi)
	setStack(tss+0x34, last)
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

// stopOthers stops every other CPU by an NMI, and goes on without those that do
// not answer in time: it returns how many they are.
//
//go:nosplit
func stopOthers(patience uintptr) (missing uintptr) {
	const deliverNMI = 0x4400
	s := &k.secondaries
	w := panicNow()
	sent := uintptr(0)
	if w.owner > 1 {
		writeAPIC(apicSpurious, apicSoftware|vectorSpurious)
		sendInterrupt(k.cpu, deliverNMI)
		sent = 1
	}
	for i := uintptr(0); i < s.count; i++ {
		other := pointer[secondary](*element(&s.blocks[0], i) + secondaryState)
		if other.place != w.owner && other.started != 0 {
			sendInterrupt(other.cpu, deliverNMI)
			sent |= 1 << (other.place - 1)
		}
	}
	for start := ticks(); sent&^atomic.LoadUintptr(&w.stopped) != 0 && ticks()-start < patience; {
		pause()
	}
	for left := sent &^ atomic.LoadUintptr(&w.stopped); left != 0; left &= left - 1 {
		missing++
	}
	return missing
}

// stopHere is where another CPU's panic stops this one: its registers go into
// its slot. Nothing else of the host is written.
//
//go:nosplit
func stopHere(place, block, saved, faultAddress uintptr, frame *trapFrame) {
	cpu := k.cpu
	if block != 0 {
		cpu = pointer[secondary](block + secondaryState).cpu
	}
	if slot := registerSlot(place); slot != 0 {
		at := slot + handoff.SlotOffsetState
		trapState(at, savedAt(saved), frame)
		putState(at, amd64.StateOffsetCR2, faultAddress)
		if block != 0 {
			putSecondary(at, block)
		}
		finishSlot(slot, cpu, amd64.StateSize)
	}
	w := panicNow()
	if bit := uintptr(1) << (place - 1); atomic.LoadUintptr(&w.stopped)&bit == 0 {
		atomic.AddUintptr(&w.stopped, bit)
	}
	haltMachine()
}

// putSecondary fills in what a secondary CPU has of its own.
//
//go:nosplit
func putSecondary(at, block uintptr) {
	putState(at, amd64.StateOffsetFSBase, block+secondaryTLS)
	putState(at, amd64.StateOffsetGDTBase, block+secondaryGDT)
	putState(at, amd64.StateOffsetIDTBase, k.secondaries.idt)
}

// handleSecondary has the exceptions of secondary CPUs, those of any CPU on its
// panic path, and the NMI by which another CPU's panic stops this one. It runs on
// the stack that they were taken on; above the frame is the CPU's block, 0 for
// CPU 0.
//
//go:nosplit
func handleSecondary(saved, faultAddress uintptr) {
	at := saved + sizeOf[savedRegisters]()
	frame := pointer[trapFrame](at)
	block := load64(at + sizeOf[trapFrame]())
	place, cpu := uintptr(1), k.cpu
	if block != 0 {
		state := pointer[secondary](block + secondaryState)
		place, cpu = state.place, state.cpu
	}
	w := panicNow()
	switch {
	case w.owner == place && w.depth != 0:
		if frame.vector == vectorTimer {
			writeAPIC(apicEOI, 0)
		}
		panicTrapped(frame.vector, frame.code, faultAddress, frame.ip, frame.sp, frame.vector == vectorTimer)
	case w.owner != 0 && w.owner != place:
		stopHere(place, block, saved, faultAddress, frame)
	}
	beginPanic(place, cpu)
	c := &w.context
	setMessage("exception on a secondary CPU")
	c.Reason = handoff.ReasonUserFault
	if frame.cs&3 == 0 {
		c.Reason = handoff.ReasonKernelFault
	}
	if frame.vector == vectorDouble {
		c.Reason = handoff.ReasonDoubleFault
	}
	c.Vector, c.ErrorCode, c.FaultAddress, c.ExitCode = uint64(frame.vector), uint64(frame.code), uint64(faultAddress), 0
	trapContext(c, savedAt(saved), frame)
	putState(addressOf(&c.State), amd64.StateOffsetCR2, faultAddress)
	putSecondary(addressOf(&c.State), block)
	enterPanic()
}
