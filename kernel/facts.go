package kernel

import "github.com/seed64aab995/rescuekernel/handoff"

// Limits of what is taken from a boot loader.
const (
	maxMap         = 128
	maxModules     = 8
	maxCommandLine = 2048
)

// bootFacts is what the boot protocol handed over, copied so that the memory
// it was in can be used. Reading it allocates nothing; addresses are
// physical.
type bootFacts struct {
	protocol      uintptr // handoff.BootProtocol
	pointer       uintptr
	rsdp          uintptr
	mapCount      uintptr
	memory        [maxMap]mapEntry
	moduleCount   uintptr
	modules       [maxModules]moduleFact
	commandLength uintptr
	command       [maxCommandLine]byte

	// Of a device tree.
	tree     treeReader
	calls    handoff.FirmwareCalls
	initrd   [2]uintptr
	realTime uintptr   // registers of a PL031
	seed     [4]uint64 // from the boot loader
	gic      gicFacts
	cpus     cpuFacts

	efi efiFacts
}

// gicFacts is where the frames of an Arm interrupt controller are, from a device
// tree or from ACPI's MADT.
type gicFacts struct {
	version           uintptr // 2, 3 (and 4), 0: there is none
	distributor       uintptr
	cpuInterface      uintptr // version 2
	redistributor     uintptr // version 3: the first region
	redistributorSize uintptr
	its               uintptr // the first translation service
	timer             uintptr // interrupt of EL1's virtual timer; 0: not known
}

// mapEntry is one range of the firmware's memory map; kind is an E820 type.
type mapEntry struct{ start, end, kind uintptr }

// moduleFact is one module; command is the address of its command line.
type moduleFact struct{ start, end, command uintptr }

const e820RAM = 1

// window through which physical memory can be read while facts are gathered:
// physical address p is at base + p, for p from low on below limit.
type physicalWindow struct {
	base, low, limit uintptr
	own              [2]uintptr // seen in any case: the image
	firmware         *efiFacts  // if not nil: of the rest only what its map calls memory
}

// at is the address of size bytes of physical memory, 0 if they cannot be
// seen.
//
//go:nosplit
func (w *physicalWindow) at(p, size uintptr) uintptr {
	if p >= w.own[0] && p < w.own[1] && size <= w.own[1]-p {
		return w.base + p
	}
	if p == 0 || p < w.low || p >= w.limit || size > w.limit-p || w.firmware != nil && !w.firmware.covers(p, size) {
		return 0
	}
	return w.base + p
}

//go:nosplit
func (b *bootFacts) addMap(start, size, kind uintptr) {
	if b.mapCount == maxMap || size == 0 || start+size < start {
		return
	}
	// Sorted by start; equal starts in the order they came.
	i := b.mapCount
	for ; i > 0 && element(&b.memory[0], i-1).start > start; i-- {
		to, from := element(&b.memory[0], i), element(&b.memory[0], i-1)
		to.start, to.end, to.kind = from.start, from.end, from.kind
	}
	e := element(&b.memory[0], i)
	e.start, e.end, e.kind = start, start+size, kind
	b.mapCount++
}

//go:nosplit
func (b *bootFacts) addModule(start, size, command uintptr) {
	if b.moduleCount == maxModules || size == 0 || start+size < start {
		return
	}
	m := element(&b.modules[0], b.moduleCount)
	m.start, m.end, m.command = start, start+size, command
	b.moduleCount++
}

// setCommand copies a command line that ends at a zero byte.
//
//go:nosplit
func (b *bootFacts) setCommand(w *physicalWindow, p uintptr) {
	for b.commandLength < maxCommandLine-1 {
		a := w.at(p+b.commandLength, 1)
		if a == 0 || load8(a) == 0 {
			return
		}
		*element(&b.command[0], b.commandLength) = load8(a)
		b.commandLength++
	}
}

// gather reads what protocol left at pointer.
//
//go:nosplit
func (b *bootFacts) gather(w *physicalWindow, protocol, pointer uintptr) {
	b.protocol, b.pointer = protocol, pointer
	switch handoff.BootProtocol(protocol) {
	case handoff.BootLinux:
		b.gatherLinux(w, pointer)
	case handoff.BootPVH:
		b.gatherPVH(w, pointer)
	case handoff.BootFDT:
		b.gatherTree(w, pointer)
	case handoff.BootEFI:
		b.gatherEFI(w, pointer)
	}
}

// Offsets in struct boot_params (Linux Documentation/arch/x86/zero-page.rst).
const (
	linuxRSDP        = 0x070
	linuxRamdiskHigh = 0x0c0
	linuxRamSizeHigh = 0x0c4
	linuxCommandHigh = 0x0c8
	linuxMapCount    = 0x1e8
	linuxRamdisk     = 0x218
	linuxRamSize     = 0x21c
	linuxCommand     = 0x228
	linuxMap         = 0x2d0
	linuxMapEntry    = 20
	linuxParameters  = 4096
)

//go:nosplit
func (b *bootFacts) gatherLinux(w *physicalWindow, pointer uintptr) {
	p := w.at(pointer, linuxParameters)
	if p == 0 {
		return
	}
	b.rsdp = load64(p + linuxRSDP)
	count := uintptr(load8(p + linuxMapCount))
	for i := uintptr(0); i < count && i < maxMap; i++ {
		e := p + linuxMap + i*linuxMapEntry
		b.addMap(unaligned64(e), unaligned64(e+8), uintptr(load32(e+16)))
	}
	b.addModule(join(load32(p+linuxRamdisk), load32(p+linuxRamdiskHigh)),
		join(load32(p+linuxRamSize), load32(p+linuxRamSizeHigh)), 0)
	b.setCommand(w, join(load32(p+linuxCommand), load32(p+linuxCommandHigh)))
}

//go:nosplit
func unaligned64(p uintptr) uintptr { return join(load32(p), load32(p+4)) }

//go:nosplit
func join(low, high uint32) uintptr { return uintptr(uint64(high)<<32 | uint64(low)) }

// Offsets in struct hvm_start_info (Xen include/public/arch-x86/hvm/start_info.h).
const (
	pvhMagic       = 0x336ec578
	pvhVersion     = 4
	pvhModuleCount = 12
	pvhModules     = 16
	pvhCommand     = 24
	pvhRSDP        = 32
	pvhMap         = 40 // version 1 on
	pvhMapCount    = 48
	pvhSize        = 56
	pvhSizeOld     = 40
	pvhModuleEntry = 32
	pvhMapEntry    = 24
)

//go:nosplit
func (b *bootFacts) gatherPVH(w *physicalWindow, pointer uintptr) {
	p := w.at(pointer, pvhSizeOld)
	if p == 0 || load32(p) != pvhMagic {
		return
	}
	b.rsdp = load64(p + pvhRSDP)
	modules := load64(p + pvhModules)
	for i := uintptr(0); i < uintptr(load32(p+pvhModuleCount)) && i < maxModules; i++ {
		if m := w.at(modules+i*pvhModuleEntry, pvhModuleEntry); m != 0 {
			b.addModule(load64(m), load64(m+8), load64(m+16))
		}
	}
	if load32(p+pvhVersion) >= 1 && w.at(pointer, pvhSize) != 0 {
		list := load64(p + pvhMap)
		for i := uintptr(0); i < uintptr(load32(p+pvhMapCount)) && i < maxMap; i++ {
			if e := w.at(list+i*pvhMapEntry, pvhMapEntry); e != 0 {
				b.addMap(load64(e), load64(e+8), uintptr(load32(e+16)))
			}
		}
	}
	b.setCommand(w, load64(p+pvhCommand))
}

// pieces goes through the RAM that may be used: usable ranges of the map above
// low without the excluded ranges, each piece in whole pages. next returns
// false after the last one.
type pieces struct {
	facts    *bootFacts
	low      uintptr
	excluded *[maxExcluded][2]uintptr // unused ones are empty
	cursor   uintptr
}

const maxExcluded = maxModules + 4

//go:nosplit
func (p *pieces) next() (start, end uintptr, ok bool) {
	a := p.cursor
	if a < p.low {
		a = p.low
	}
	for {
		a, end = p.ram(a)
		if end == 0 {
			return 0, 0, false
		}
		if past := p.obstacleAt(a); past != 0 {
			a = past
			continue
		}
		end = p.obstacleAfter(a, end)
		start = (a + pageSize - 1) &^ (pageSize - 1)
		if last := end &^ (pageSize - 1); start < last {
			p.cursor = end
			return start, last, true
		}
		a = end
	}
}

// ram is the lowest RAM at or above a and the end of its range; 0 and 0 if
// there is none.
//
//go:nosplit
func (p *pieces) ram(a uintptr) (start, end uintptr) {
	for i := uintptr(0); i < p.facts.mapCount; i++ {
		if e := element(&p.facts.memory[0], i); e.kind == e820RAM && e.end > a {
			if e.start > a {
				return e.start, e.end
			}
			return a, e.end
		}
	}
	return 0, 0
}

// obstacle is the i-th range that is not to be used: first the excluded ones,
// then what the map says is not RAM. ok is false after the last.
//
//go:nosplit
func (p *pieces) obstacle(i uintptr) (start, end uintptr, ok bool) {
	if i < maxExcluded {
		x := element(&p.excluded[0], i)
		return x[0], x[1], true
	}
	if i -= maxExcluded; i >= p.facts.mapCount {
		return 0, 0, false
	}
	if e := element(&p.facts.memory[0], i); e.kind != e820RAM {
		return e.start, e.end, true
	}
	return 0, 0, true
}

// obstacleAt is the end of an obstacle that covers a, 0 if none does.
//
//go:nosplit
func (p *pieces) obstacleAt(a uintptr) uintptr {
	for i := uintptr(0); ; i++ {
		start, end, ok := p.obstacle(i)
		if !ok {
			return 0
		}
		if a >= start && a < end {
			return end
		}
	}
}

// obstacleAfter is the start of the first obstacle in [a, end), or end.
//
//go:nosplit
func (p *pieces) obstacleAfter(a, end uintptr) uintptr {
	for i := uintptr(0); ; i++ {
		start, last, ok := p.obstacle(i)
		if !ok {
			return end
		}
		if last > start && start >= a && start < end {
			end = start
		}
	}
}
