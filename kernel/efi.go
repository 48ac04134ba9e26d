package kernel

import "github.com/seed64aab995/rescuekernel/handoff"

// efiFacts is what EFI left. The map lies in the image, as boot services gave it.
type efiFacts struct {
	system, runtime uintptr // physical; 0: there is no EFI
	memory          uintptr // address of the memory map
	mapSize         uintptr
	descriptor      uintptr // bytes of one
	version         uintptr
	seconds         uintptr // since 1970 when boot services ended, 0 if it was not said
}

// Memory descriptors (UEFI 2.10, 7.2.3).
const (
	efiDescriptorLeast = 40
	efiDescriptorMost  = 1024
	efiStart           = 8
	efiPages           = 24
	efiAttribute       = 32

	efiWriteBack = 1 << 3  // it can be cached: memory
	efiSpecific  = 1 << 18 // for somebody special
)

// gatherEFI reads the EFI area.
//
//go:nosplit
func (b *bootFacts) gatherEFI(w *physicalWindow, pointer uintptr) {
	a := w.at(pointer, handoff.EFIAreaSize)
	if a == 0 {
		return
	}
	e := &b.efi
	size, descriptor := load64(a+handoff.EFIOffsetMapSize), load64(a+handoff.EFIOffsetDescriptor)
	if size == 0 || size > handoff.EFIMaxMap || descriptor < efiDescriptorLeast || descriptor > efiDescriptorMost || descriptor&7 != 0 {
		return
	}
	e.system, e.runtime = load64(a+handoff.EFIOffsetSystem), load64(a+handoff.EFIOffsetRuntime)
	e.memory, e.mapSize, e.descriptor = a+handoff.EFIOffsetMap, size, descriptor
	e.version = uintptr(load32(a + handoff.EFIOffsetVersion))
	e.seconds = efiSeconds(a + handoff.EFIOffsetTime)
	for at := e.memory; at+descriptor <= e.memory+size; at += descriptor {
		b.addEFIMemory(load64(at+efiStart), load64(at+efiPages), efiKind(uintptr(load32(at)), load64(at+efiAttribute)))
	}
	b.addOptions(a+handoff.EFIOffsetOptions, load64(a+handoff.EFIOffsetOptionsSize))
	b.gatherEFITables(w, a+handoff.EFIOffsetTableList, load64(a+handoff.EFIOffsetTables))
}

// efiKind is the E820 type that says the same as an EFI memory type after the end
// of boot services (UEFI 2.10, table 7.10).
//
//go:nosplit
func efiKind(kind, attribute uintptr) uintptr {
	switch kind {
	case 1, 2, 3, 4, 7: // loader, boot services, conventional
		if attribute&efiWriteBack != 0 && attribute&efiSpecific == 0 {
			return e820RAM
		}
	case 8:
		return e820Unusable
	case 9:
		return e820ACPI
	case 10:
		return e820NVS
	case 14:
		return e820Persistent
	}
	return e820Reserved
}

// More types of E820 entries (ACPI 6.5, table 15.4).
const (
	e820ACPI       = 3
	e820NVS        = 4
	e820Unusable   = 5
	e820Persistent = 7
)

// addEFIMemory adds a descriptor to the map, with its neighbour where that is of
// the same kind: firmware has a hundred of them and more.
//
//go:nosplit
func (b *bootFacts) addEFIMemory(start, pages, kind uintptr) {
	if pages>>52 != 0 || start&(pageSize-1) != 0 {
		return
	}
	if b.mapCount > 0 {
		last := element(&b.memory[0], b.mapCount-1)
		if last.end == start && last.kind == kind && start+pages*pageSize >= start {
			last.end += pages * pageSize
			return
		}
	}
	b.addMap(start, pages*pageSize, kind)
}

// covers reports whether one descriptor calls all of [p, p+size) memory. The first
// tables of arm64 map that and what is in the same GiB.
//
//go:nosplit
func (e *efiFacts) covers(p, size uintptr) bool {
	for at := e.memory; at+e.descriptor <= e.memory+e.mapSize; at += e.descriptor {
		start, bytes := load64(at+efiStart), load64(at+efiPages)*pageSize
		if load64(at+efiAttribute)&efiWriteBack != 0 && p >= start && p-start < bytes && size <= bytes-(p-start) {
			return true
		}
	}
	return false
}

// tables reports whether firmware may have tables in a page that is not RAM. With
// EFI that is memory by its map; else memory for ACPI, and on amd64 what is
// reserved, as the ROM area is.
func (b *bootFacts) tables(page uintptr) bool {
	if b.efi.mapSize != 0 {
		return b.efi.covers(page, pageSize)
	}
	for _, m := range b.memory[:b.mapCount] {
		inside := page >= m.start && page < m.end
		if inside && (m.kind == e820ACPI || m.kind == e820NVS || m.kind == e820Reserved && b.protocol != uintptr(handoff.BootFDT)) {
			return true
		}
	}
	return false
}

// addCommand appends n characters, stride bytes apart, to the command line, with a
// blank before them if there is something already.
//
//go:nosplit
func (b *bootFacts) addCommand(p, n, stride uintptr) {
	if n != 0 && b.commandLength != 0 {
		b.addCharacter(' ')
	}
	for i := uintptr(0); i < n; i++ {
		b.addCharacter(load8(p + i*stride))
	}
}

//go:nosplit
func (b *bootFacts) addCharacter(c byte) {
	if b.commandLength < maxCommandLine-1 {
		*element(&b.command[0], b.commandLength) = c
		b.commandLength++
	}
}

// addOptions appends the load options, UCS-2, if they are text: boot managers
// have been seen to hand over numbers of their own.
//
//go:nosplit
func (b *bootFacts) addOptions(p, size uintptr) {
	if size > handoff.EFIMaxOptions {
		size = handoff.EFIMaxOptions
	}
	n := uintptr(0)
	for ; 2*n+2 <= size; n++ {
		low, high := load8(p+2*n), load8(p+2*n+1)
		if low == 0 && high == 0 {
			break
		}
		if high != 0 || low < ' ' || low > '~' {
			return
		}
	}
	b.addCommand(p, n, 2)
}

// GUIDs of configuration tables as two numbers each (UEFI 2.10, 4.6).
const (
	acpi20Low, acpi20High = 0x11d3e4f1_8868e871, 0x81883cc7_800022bc // 8868e871-e4f1-11d3-bc22-0080c73c8881
	acpi10Low, acpi10High = 0x11d32d88_eb9d2d30, 0x4dc13f27_9000169a // eb9d2d30-2d88-11d3-9a16-0090273fc14d
	treeLow, treeHigh     = 0x41a5f19c_b1b621d5, 0xe0aa692c_15d90b83 // b1b621d5-f19c-41a5-830b-d9152c69aae0
)

// gatherEFITables looks for ACPI's root pointer, the newer one first, and for a
// device tree.
//
//go:nosplit
func (b *bootFacts) gatherEFITables(w *physicalWindow, list, count uintptr) {
	tree, old := uintptr(0), uintptr(0)
	for i := uintptr(0); i < count && i < handoff.EFIMaxTables; i++ {
		t := list + i*handoff.EFITableSize
		low, high, at := uint64(load64(t)), uint64(load64(t+8)), load64(t+16)
		switch {
		case low == acpi20Low && high == acpi20High:
			b.rsdp = at
		case low == acpi10Low && high == acpi10High:
			old = at
		case low == treeLow && high == treeHigh:
			tree = at
		}
	}
	if b.rsdp == 0 {
		b.rsdp = old
	}
	if tree != 0 {
		b.gatherTree(w, tree)
	}
	if b.rsdp != 0 {
		b.gatherACPI(w, b.rsdp)
	}
}

// efiSeconds reads an EFI_TIME (UEFI 2.10, 8.3) as seconds since 1970.
//
//go:nosplit
func efiSeconds(p uintptr) uintptr {
	date, clock := load64(p), load64(p+8)
	year, month, day := date&0xffff, date>>16&0xff, date>>24&0xff
	if year < 1970 || year > 9999 || month-1 > 11 || day-1 > 30 {
		return 0
	}
	seconds := daysSince1970(year, month, day)*86400 + date>>32&0xff*3600 + date>>40&0xff*60 + date>>48&0xff
	zone := int16(clock >> 32) // minutes: UTC is local time and that; 2047: not known
	if zone >= -1440 && zone <= 1440 {
		seconds += uintptr(int(zone) * 60)
	}
	return seconds
}

// sealHeader writes the block header's checksum: an EFI application's block lies
// where firmware has moved it, and says so.
//
//go:nosplit
func sealHeader(block uintptr) {
	crc := ^uint32(0)
	for at := uintptr(0); at < handoff.HeaderLength; at++ {
		if at >= handoff.OffsetHeaderCRC && at < handoff.OffsetHeaderCRC+4 {
			continue
		}
		crc ^= uint32(load8(block + at))
		for bit := 0; bit < 8; bit++ {
			crc = crc>>1 ^ 0x82f63b78&-(crc&1) // CRC-32C
		}
	}
	store32(block+handoff.OffsetHeaderCRC, ^crc)
}
