//go:build linux && (amd64 || arm64)

package kernel

import (
	"fmt"
	"os"
	"runtime"
	"syscall"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// OnPanic sets what is done when the kernel panics; the zero handler is to
// print and reset. Ranges of stacks are used through the direct map; those of
// NMI and double fault need 512 bytes, that of machine check, on which exceptions
// of the panic path are taken, 4096.
func OnPanic(h handoff.PanicHandler) error {
	if !Running() {
		return ErrNotRunning
	}
	top := func(r physmem.Range, own uintptr) uintptr {
		if r.IsEmpty() {
			return addressOf(&control) + own
		}
		return virtual(uintptr(r.End)) - stackWords
	}
	if !h.Stack.IsEmpty() && h.Stack.Size() < leastPanicSize {
		return fmt.Errorf("panic stack %v: less than %d bytes", h.Stack, leastPanicSize)
	}
	k.panicOnNMI, k.panic.handled = 0, 0
	panicRun = h.Run
	k.panic.block, k.panic.panicArea = h.Block, h.PanicArea
	k.panic.handled = flag(h.Run != nil)
	k.panic.memory = 0
	if !h.Stack.IsEmpty() {
		k.panic.memory = virtual(uintptr(h.Stack.Start))
	}
	k.panic.count, k.panic.size = 0, 0
	if h.OtherStackSize >= leastOtherStack {
		k.panic.others, k.panic.size = virtual(uintptr(h.OtherStacks.Start)), uintptr(h.OtherStackSize)
		k.panic.count = uintptr(h.OtherStacks.Size() / h.OtherStackSize)
	}
	_, err := call(callPanicStack, top(h.Stack, controlPanicStack), top(h.NMIStack, controlNMI),
		top(h.DoubleFaultStack, controlDoubleFault), top(h.MachineCheckStack, controlMachineCheck))
	k.panicOnNMI = flag(h.NMI)
	unmaskErrors()
	return err
}

// Panic panics with a message, the registers being the caller's.
func Panic(message string) {
	if Running() {
		// The string may lie on this goroutine's stack, which may move.
		n := copy(k.panic.explicit[:], message)
		_, _ = call(callPanic, addressOf(&k.panic.explicit), uintptr(n), 0, 0)
	}
	panic(message)
}

// Facts is what a dump of this host needs. The regions are physical and do not
// move while the kernel runs.
func Facts() (handoff.HostFacts, error) {
	if !Running() {
		return handoff.HostFacts{}, ErrNotRunning
	}
	free, err := Free()
	if err != nil {
		return handoff.HostFacts{}, err
	}
	memory, err := memoryMap()
	if err != nil {
		return handoff.HostFacts{}, err
	}
	f := handoff.HostFacts{
		Architecture: architecture,
		Host: handoff.Host{
			PageSize: pageSize, CPUs: cpuCount(), Name: hostName(), Version: runtime.Version(), BuildID: buildID(),
			KernelBase: uint64(k.window), KernelEnd: uint64(k.windowEnd),
			DirectMapBase: uint64(k.directMap), DirectMapEnd: uint64(k.directMap + k.frames.ranges[2*k.frames.count-1]),
			Architecture: architectureName,
		},
		Map:           memory,
		Used:          memory.RAM().Minus(free),
		Root:          physmem.Address(k.root),
		PagingLevels:  int(k.levels),
		GigabytePages: gigabytePages(),
		ACPI:          physmem.Address(k.facts.rsdp),
	}
	f.Calls, f.Panic = k.facts.calls, panicMachine()
	f.Clock = clockNow()
	if f.Interrupts, err = interruptTables(); err != nil {
		return handoff.HostFacts{}, err
	}
	// RawSyscall is nosplit: f does not move until it is done.
	_, _, _ = syscall.RawSyscall(callRandom, addressOf(&f.Seed), uintptr(len(f.Seed)), 0)
	hostRegions(&f)
	err = firmwareFacts(&f)
	return f, err
}

// stackWords is the room above a stack for what belongs to it: on amd64 the word
// that says whose it is.
const stackWords = 16

// leastOtherStack is the least that another CPU needs for its stacks.
const leastOtherStack = 0x3000

// cpuCount is how many CPUs a dump may have registers of: those of the machine,
// where its tree or its tables tell, or those that run.
func cpuCount() uint32 {
	return uint32(min(max(1+k.secondaries.count, k.facts.cpus.count), handoff.MaxCPUs))
}

// hostName is what uname says.
func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}

// hostRegions fills in what a host, and no rescue program, keeps.
func hostRegions(f *handoff.HostFacts) {
	if k.frames.used == 0 {
		return
	}
	region := func(start, length uintptr) handoff.Region {
		s := physmem.Address(start)
		return handoff.Region{Length: uint64(length), Extents: []physmem.Range{{Start: s, End: s + physmem.Address(roundUp(length))}}}
	}
	f.Bitmap = region(k.frames.used-k.directMap, k.frames.setBytes())
	f.DumpAvail = region(k.dumpAvailable-k.directMap, pageSize)
	f.MessageBuffer = region(k.message.physical, messageRing)
}

// memoryMap is the firmware's map without what contradicts it: RAM is what the
// allocator took for RAM.
func memoryMap() (physmem.MemoryMap, error) {
	types := map[uintptr]physmem.MemoryType{
		3: physmem.MemoryACPIReclaimable, 4: physmem.MemoryACPINVS, 5: physmem.MemoryUnusable, 7: physmem.MemoryPersistent,
	}
	ram := ramRanges()
	var regions []physmem.Region
	for _, r := range ram {
		regions = append(regions, physmem.Region{Range: r, Type: physmem.MemoryRAM})
	}
	for _, e := range k.facts.memory[:k.facts.mapCount] {
		if e.kind == e820RAM || e.end > uintptr(physmem.MaxAddress) {
			continue
		}
		rest := physmem.NewRanges(physmem.Range{Start: physmem.Address(e.start), End: physmem.Address(e.end)}).Minus(ram)
		for _, r := range rest {
			regions = append(regions, physmem.Region{Range: r, Type: types[e.kind]})
		}
		ram = ram.Union(rest)
	}
	return physmem.NewMemoryMap(regions...)
}

// ramRanges is the RAM that the allocator runs over.
func ramRanges() physmem.Ranges {
	f := &k.frames
	var ranges []physmem.Range
	for i := uintptr(0); i < f.count; i++ {
		ranges = append(ranges, physmem.Range{Start: physmem.Address(f.ranges[2*i]), End: physmem.Address(f.ranges[2*i+1])})
	}
	return physmem.NewRanges(ranges...)
}

// clockNow relates the counter to the time of day, where that is known: a time
// counted from 1970 on would be worse than none.
func clockNow() handoff.Clock {
	now := ticks()
	since := now - k.clockBase
	c := handoff.Clock{Kilohertz: uint64(k.kilohertz), Counter: uint64(now)}
	if k.wallClock != 0 {
		c.Wall = int64(k.wallClock + since>>24*k.clockScale + since&0xffffff*k.clockScale>>24)
	}
	return c
}
