package kernel

import (
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// What a host on arm64 needs of ACPI before there is a heap: console, PSCI, the
// interrupt controller. Package acpi reads all the rest. Section numbers are those
// of ACPI 6.5; SPCR is Microsoft's.
const (
	rsdpSize     = 36 // 5.2.5.3; revision 0 ends at 20
	rsdpRevision = 15
	rsdpRSDT     = 16
	rsdpXSDT     = 24

	acpiHeader = 36 // 5.2.6
	acpiLength = 4
	acpiMost   = 1 << 20 // bytes of a table

	fadtArmBoot = 129 // u16 (5.2.9.4)
	armPSCI     = 1 << 0
	armHVC      = 1 << 1

	spcrInterface = 36
	spcrSpace     = 40
	spcrAddress   = 44

	madtEntries = 44 // 5.2.12
	gtdtVirtual = 64 // interrupt of EL1's virtual timer (5.2.25)
)

// gatherACPI goes through the tables.
//
//go:nosplit
func (b *bootFacts) gatherACPI(w *physicalWindow, rsdp uintptr) {
	p := w.at(rsdp, rsdpSize)
	if p == 0 || !hasPrefix(p, 8, "RSD PTR ") {
		return
	}
	root, width := uintptr(load32(p+rsdpRSDT)), uintptr(4)
	if load8(p+rsdpRevision) >= 2 {
		root, width = unaligned64(p+rsdpXSDT), 8
	}
	list, length := acpiTable(w, root)
	for at := uintptr(acpiHeader); at+width <= length; at += width {
		next := uintptr(load32(list + at))
		if width == 8 {
			next = unaligned64(list + at)
		}
		table, size := acpiTable(w, next)
		switch {
		case size == 0:
		case hasPrefix(table, 4, "FACP"):
			b.gatherFADT(table, size)
		case hasPrefix(table, 4, "SPCR"):
			b.gatherSPCR(table, size)
		case hasPrefix(table, 4, "APIC"):
			b.gatherMADT(table, size)
		case hasPrefix(table, 4, "GTDT") && size >= gtdtVirtual+4 && b.gic.timer == 0:
			b.gic.timer = uintptr(load32(table + gtdtVirtual))
		}
	}
}

// acpiTable is where a table can be seen, and its size; 0 and 0 if it cannot, or if
// its checksum is wrong.
//
//go:nosplit
func acpiTable(w *physicalWindow, at uintptr) (p, size uintptr) {
	p = w.at(at, acpiHeader)
	if p == 0 {
		return 0, 0
	}
	size = uintptr(load32(p + acpiLength))
	if size < acpiHeader || size > acpiMost || w.at(at, size) == 0 {
		return 0, 0
	}
	sum := byte(0)
	for i := uintptr(0); i < size; i++ {
		sum += load8(p + i)
	}
	if sum != 0 {
		return 0, 0
	}
	return p, size
}

//go:nosplit
func (b *bootFacts) gatherFADT(p, size uintptr) {
	if size < fadtArmBoot+2 || b.calls.Conduit != handoff.ConduitNone {
		return
	}
	flags := load8(p + fadtArmBoot)
	switch {
	case flags&armPSCI == 0:
	case flags&armHVC != 0:
		b.calls.Conduit = handoff.ConduitHVC
	default:
		b.calls.Conduit = handoff.ConduitSMC
	}
}

// gatherSPCR takes a PL011, or one that firmware has set up (SBSA).
//
//go:nosplit
func (b *bootFacts) gatherSPCR(p, size uintptr) {
	if size < spcrAddress+8 || b.calls.Console != 0 || load8(p+spcrSpace) != 0 {
		return
	}
	switch load8(p + spcrInterface) {
	case 3, 0xd, 0xe: // Debug Port Table 2, table 3
		b.calls.Console = physmem.Address(unaligned64(p + spcrAddress))
	}
}

// gatherMADT takes the interrupt controller's frames.
//
//go:nosplit
func (b *bootFacts) gatherMADT(p, size uintptr) {
	if b.gic.version != 0 {
		return
	}
	g := &b.gic
	version := uintptr(0)
	for at := uintptr(madtEntries); at+2 <= size; {
		entry, length := p+at, uintptr(load8(p+at+1))
		if length < 2 || length > size-at {
			break
		}
		switch kind := load8(entry); {
		case kind == 0xb && length >= 76: // GICC, 5.2.12.14
			b.gatherGICC(entry)
		case kind == 0xc && length >= 24: // GICD, 5.2.12.15
			g.distributor, version = unaligned64(entry+8), uintptr(load8(entry+20))
		case kind == 0xe && length >= 16 && g.redistributorSize == 0: // GICR, 5.2.12.17
			g.redistributor, g.redistributorSize = unaligned64(entry+4), uintptr(load32(entry+12))
		case kind == 0xf && length >= 20 && g.its == 0: // 5.2.12.18
			g.its = unaligned64(entry + 8)
		}
		at += length
	}
	if g.distributor == 0 {
		return
	}
	if version == 0 { // not said
		version = 2
		if g.redistributor != 0 {
			version = 3
		}
	}
	g.version = version
}

// gatherGICC takes a CPU and its interface of the interrupt controller.
//
//go:nosplit
func (b *bootFacts) gatherGICC(entry uintptr) {
	if load32(entry+12)&1 == 0 { // not enabled
		return
	}
	if b.gic.cpuInterface == 0 {
		b.gic.cpuInterface = unaligned64(entry + 32)
	}
	if b.gic.redistributor == 0 {
		b.gic.redistributor = unaligned64(entry + 60)
	}
	b.cpus.add(unaligned64(entry+68), 0)
}
