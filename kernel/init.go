//go:build linux && (amd64 || arm64)

package kernel

import (
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Where things are in the window below the image.
const (
	vdsoAddress = uintptr(handoff.EntryStackTop) // one page; image and stack have theirs elsewhere
	mainStack   = 256 << 10
	maxPhysical = 512 << 30 // of RAM: what one table of 1 GiB entries maps
)

//go:nosplit
func header(offset uintptr) uintptr { return load64(k.block + offset) }

// part is where a part of the reservation is: physical start and end.
//
//go:nosplit
func part(p handoff.Part) (start, end uintptr) {
	slot := k.block + handoff.OffsetParts + uintptr(p)*handoff.PartSlotSize
	start = k.reservation[0] + load64(slot+handoff.OffsetPartOffset)
	return start, start + load64(slot+handoff.OffsetPartSize)
}

// initFacts reads the block and, for a host, what the boot loader left.
//
//go:nosplit
func initFacts() {
	k.directMap = header(handoff.OffsetDirectMap)
	k.window = header(handoff.OffsetWindow)
	k.windowEnd = header(handoff.OffsetWindowEnd)
	k.role = uintptr(load32(k.block + handoff.OffsetRole))
	k.reservation[0] = header(handoff.OffsetReservation)
	k.reservation[1] = k.reservation[0] + header(handoff.OffsetSize)
	if handoff.Role(k.role) != handoff.RoleHost {
		k.facts.calls.Console = physmem.Address(header(handoff.OffsetConsole))
		k.facts.calls.Conduit = handoff.Conduit(load32(k.block + handoff.OffsetConduit))
		return
	}
	area, _ := part(handoff.PartPanicArea)
	area = virtual(area)
	if module, end := part(handoff.PartMetadata); end > module {
		slot := k.block + handoff.OffsetParts + uintptr(handoff.PartMetadata)*handoff.PartSlotSize
		if n := uintptr(load32(slot + handoff.OffsetPartLength)); n != 0 {
			end = module + n
		}
		k.facts.addModule(module, end-module, 0)
	}
	command, length := partText(handoff.PartEnvironment)
	k.facts.addCommand(command, length, 1)
	w := physicalWindow{base: k.directMap, low: firstMapped(), limit: header(handoff.OffsetDirectMapEnd) - k.directMap}
	protocol := uintptr(load32(area + handoff.BootOffsetProtocol))
	if handoff.BootProtocol(protocol) == handoff.BootEFI { // which may lie anywhere
		w.low, w.own, w.firmware = 0, k.reservation, &k.facts.efi
		sealHeader(k.block)
	}
	k.facts.gather(&w, protocol, load64(area+handoff.BootOffsetPointer))
}

// partText is where the bytes of a part lie that are in use, and how many.
//
//go:nosplit
func partText(p handoff.Part) (address, length uintptr) {
	start, end := part(p)
	if n := uintptr(load32(k.block + handoff.OffsetParts + uintptr(p)*handoff.PartSlotSize + handoff.OffsetPartLength)); n < end-start {
		return virtual(start), n
	}
	return virtual(start), end - start
}

// initMemory makes the frame allocator and, for a host, page bitmap and message
// buffer.
//
//go:nosplit
func initMemory() {
	if handoff.Role(k.role) == handoff.RoleHost {
		initHostMemory()
	} else {
		initRescueMemory()
	}
	k.framesAtStart = k.frames.left
	k.frames.least = k.frames.left
}

// initRescueMemory uses the reservation's free frames and nothing else.
//
//go:nosplit
func initRescueMemory() {
	f := &k.frames
	f.addRange(k.reservation[0], k.reservation[1])
	start, end := part(handoff.PartProgram)
	set := f.setBytes()
	if end-start < set {
		panicEarly("no program memory in the reservation")
	}
	f.free = virtual(start)
	fill(f.free, set, 0)
	f.give(start+set, end)
	tables, tablesEnd := part(handoff.PartTables)
	tables += roundUp(header(handoff.OffsetTablesUsed))
	f.give(tables, tablesEnd)
}

// initHostMemory uses what the firmware's map calls RAM, above the first
// megabyte, without the wrapped image and the modules.
//
//go:nosplit
func initHostMemory() {
	x := &k.excluded
	x[0] = k.reservation
	for i := uintptr(0); i < k.facts.moduleCount; i++ {
		m := element(&k.facts.modules[0], i)
		*element(&x[0], 1+i) = [2]uintptr{m.start &^ (pageSize - 1), roundUp(m.end)}
	}
	if t := &k.facts.tree; t.size != 0 {
		x[maxExcluded-2] = [2]uintptr{t.physical &^ (pageSize - 1), roundUp(t.physical + t.size)}
	}
	ram := pieces{facts: &k.facts, excluded: &k.noExclusion}
	for {
		start, end, ok := ram.next()
		if !ok || start >= maxPhysical {
			break
		}
		if end > maxPhysical {
			end = maxPhysical
		}
		k.frames.addRange(start, end)
	}
	initHostSets()
}

// initHostSets finds a place for the bit sets, dump_avail's page and the message
// buffer in the part of RAM that the first tables map, and gives the rest of
// RAM to the allocator.
//
//go:nosplit
func initHostSets() {
	f := &k.frames
	set := f.setBytes()
	need := 2*set + pageSize + messageArea
	mapped := header(handoff.OffsetDirectMapEnd) - k.directMap
	search := pieces{facts: &k.facts, excluded: &k.excluded, low: lowMemory}
	for {
		start, end, ok := search.next()
		if !ok || start >= mapped {
			panicEarly("no memory for the page bitmap")
		}
		if end > mapped {
			end = mapped
		}
		if end-start >= need {
			k.excluded[maxExcluded-1] = [2]uintptr{start, start + need}
			fill(virtual(start), need, 0)
			f.free, f.used = virtual(start), virtual(start+set)
			k.dumpAvailable = virtual(start + 2*set)
			k.message.init(virtual(start+2*set+pageSize), start+2*set+pageSize)
			break
		}
	}
	for i := uintptr(0); i < f.count; i++ {
		store64(k.dumpAvailable+16*i, *element(&f.ranges[0], 2*i))
		store64(k.dumpAvailable+16*i+8, *element(&f.ranges[0], 2*i+1))
	}
	free := pieces{facts: &k.facts, excluded: &k.excluded, low: lowMemory}
	for {
		start, end, ok := free.next()
		if !ok {
			break
		}
		f.give(start, end)
	}
	f.mark(k.reservation[0], k.reservation[1])
	f.mark(k.excluded[maxExcluded-2][0], k.excluded[maxExcluded-2][1])
	f.mark(k.excluded[maxExcluded-1][0], k.excluded[maxExcluded-1][1])
}

// initAddressSpace completes the tables: a host's direct map, and the areas of
// the window.
//
//go:nosplit
func initAddressSpace() {
	if handoff.Role(k.role) == handoff.RoleHost {
		k.windowEnd = k.window + k.frames.pages*pageSize + windowSlack
		if !buildDirectMap() {
			panicEarly("no memory for the direct map")
		}
	}
	end := header(handoff.OffsetFileEnd)
	if memoryEnd := header(handoff.OffsetMemoryEnd); memoryEnd > end {
		k.areas.insert(end, memoryEnd, protectRead|protectWrite)
		end = memoryEnd
	}
	// A page that is never mapped on either side of the stack.
	stack := end + pageSize
	k.areas.insert(stack, stack+mainStack, protectRead|protectWrite)
	k.stackTop = stack + mainStack
	k.mmapBase = k.stackTop + pageSize
	if !ensure(k.stackTop-startSize, k.stackTop) {
		panicEarly("no memory for the first stack")
	}
}

// panicEarly ends an initialization that cannot go on.
//
//go:nosplit
func panicEarly(message string) {
	beginPanic(1, k.cpu)
	setMessage(message)
	panicNow().context.Reason = handoff.ReasonMemory
	enterPanic()
}
