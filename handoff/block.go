package handoff

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// Architecture is the machine that an image runs on, by its ELF number (ELF
// e_machine).
type Architecture uint32

// Architectures.
const (
	AMD64 Architecture = 62
	ARM64 Architecture = 183
)

// String is the architecture as GOARCH has it.
func (a Architecture) String() string {
	switch a {
	case AMD64:
		return "amd64"
	case ARM64:
		return "arm64"
	}
	return fmt.Sprintf("machine %d", uint32(a))
}

// Role says what the image that a block belongs to is.
type Role uint32

// Roles.
const (
	RoleRescue Role = 1 // a rescue image in a reservation, armed by a host
	RoleHost   Role = 2 // a host image, wrapped by package bootimage
)

// String names the role.
func (r Role) String() string {
	switch r {
	case RoleRescue:
		return "rescue"
	case RoleHost:
		return "host"
	}
	return fmt.Sprintf("role %d", uint32(r))
}

// Limits of the lists in a block.
const (
	MaxExtents   = 64   // of one region of the host
	MaxRanges    = 1024 // of memory, of redactions
	MaxTargets   = 16
	MaxFirmware  = 32
	MaxDigests   = 32
	MaxString    = 255
	MaxSize      = 1 << 40 // of a reservation
	MaxHostPages = 1 << 16 // bytes of a host's page
)

// Block is a hand-off block, decoded. All offsets count from the start of the
// reservation.
type Block struct {
	// Minor is the minor version that Parse found; AppendBinary writes its own.
	Minor uint16

	Architecture Architecture
	Role         Role
	// Reservation is the physical block that all parts lie in. Role host: the
	// physical memory that the wrapped image occupies.
	Reservation physmem.Range
	// Parts is the part table, indexed by Part.
	Parts [MaxParts]Extent

	Image  Image
	Tables Tables
	Space  Space
	Limits Limits
	Clock  Clock
	Calls  FirmwareCalls
	// TrampolineEntry is the offset of the freeze point.
	TrampolineEntry uint64
	// CPUs is the number of register slots in the panic area.
	CPUs uint32
	// PagingLevels is how many levels the host's page tables have; 0 if it is
	// not known (role host).
	PagingLevels uint32
	// Seed feeds getrandom and AT_RANDOM. Zeros: there was no randomness.
	Seed [32]byte
	// Seals is the first-stage table. AppendBinary puts the seal of the block's
	// own sections in front.
	Seals []Seal

	Host          Host
	DumpAvail     Region
	Bitmap        Region
	MessageBuffer Region
	// Memory is the RAM to dump from, ascending, without the reservation.
	Memory []physmem.Range
	// Redactions are never read; they become recorded holes.
	Redactions []physmem.Range
	Targets    []Target
	Firmware   []Firmware
	// PCI is the memory-mapped configuration spaces of the machine. Without one
	// that has its segment, a target on PCI is reached by I/O ports.
	PCI []PCISpace
	// Interrupts is the memory that the host's interrupt controllers use; arm64.
	Interrupts []InterruptTable
	// Digests is the second-stage list.
	Digests []Digest
}

// Range is where a part lies; the empty range if there is no such part.
func (b *Block) Range(part Part) physmem.Range {
	if part >= MaxParts || b.Parts[part].Size == 0 {
		return physmem.Range{}
	}
	return b.At(b.Parts[part].Offset, b.Parts[part].Size)
}

// WithAccess is where the parts lie that have all of the given access: what a
// host leaves writable (AccessHostWrite), what it maps at its physical address
// (AccessIdentity).
func (b *Block) WithAccess(access Access) physmem.Ranges {
	var list physmem.Ranges
	for p := range b.Parts {
		if b.Parts[p].Access&access == access {
			list = append(list, b.Range(Part(p)))
		}
	}
	return physmem.NewRanges(list...)
}

// At is the physical range of size bytes at an offset in the reservation.
func (b *Block) At(offset, size uint64) physmem.Range {
	start := b.Reservation.Start + physmem.Address(offset)
	return physmem.Range{Start: start, End: start + physmem.Address(size)}
}

// Image is where an image was linked to. Its file-backed pages lie in
// PartImage in the same order: the byte linked at LinkBase + n is the byte n
// of the part. Pages from FileEnd on are zero on demand.
type Image struct {
	Entry     uint64
	LinkBase  uint64 // page aligned
	FileEnd   uint64 // page aligned
	MemoryEnd uint64 // page aligned
}

// Tables are the prebuilt page tables in PartTables.
type Tables struct {
	Root4 uint64 // offset of the 4-level root
	Root5 uint64 // offset of the 5-level root on top, 0 = none
	Used  uint64 // bytes of the part in use; the rest are free frames
}

// Space is the address space that the tables map.
type Space struct {
	StackTop     uint64
	DirectMap    uint64
	DirectMapEnd uint64
	Window       uint64
	WindowEnd    uint64
}

// FirmwareCalls is what an arm64 machine has in place of amd64's ports: known
// from its device tree or its ACPI tables, and needed before there is a heap.
type FirmwareCalls struct {
	// Console is where the registers of a PL011 are; 0 = there is none.
	Console physmem.Address
	// Conduit is the instruction that calls PSCI.
	Conduit Conduit
}

// Conduit is how PSCI is called (Arm DEN 0022, 5.10).
type Conduit uint32

// Conduits.
const (
	ConduitNone Conduit = 0 // there is no PSCI
	ConduitHVC  Conduit = 1
	ConduitSMC  Conduit = 2
)

// Limits are what the image's Go program must keep to.
type Limits struct {
	Memory     uint64 // bytes, runtime/debug.SetMemoryLimit
	GCPercent  uint32
	ZstdWindow uint32 // bytes
}

// Clock relates the CPU's counter to time.
type Clock struct {
	Kilohertz uint64 // of TSC or CNTVCT, 0 = unknown
	Counter   uint64 // at Wall
	Wall      int64  // nanoseconds since 1970 UTC, 0 = unknown
}

// Seal is one range of the reservation that the panic path checks before the
// jump.
type Seal struct {
	Part   Part
	Offset uint64
	Length uint64
	CRC    uint32 // CRC-32C
}

// Digest is one range that the rescue program checks after the jump.
type Digest struct {
	Part   Part
	Kind   DigestKind
	Offset uint64
	Length uint64
	SHA256 [32]byte
}

// DigestKind says what a digest covers.
type DigestKind uint32

// Kinds.
const (
	DigestText        DigestKind = 1 // the image's executable segments
	DigestReadOnly    DigestKind = 2 // the image's read-only data
	DigestEnvironment DigestKind = 3
	DigestMetadata    DigestKind = 4
	DigestParameters  DigestKind = 5 // the block's sections but for the digests
)

// String is the kind as marks in a dump have it.
func (k DigestKind) String() string {
	names := [...]string{"", "text", "read-only data", "environment", "metadata", "dump parameters"}
	if k > 0 && uint64(k) < uint64(len(names)) {
		return names[k]
	}
	return fmt.Sprintf("digest kind %d", uint32(k))
}

// Host is what a dump must say about the host.
type Host struct {
	PageSize          uint32 // bytes, the unit of its page bitmap
	CPUs              uint32
	KernelBase        uint64 // virtual start and end of what the page-table section maps
	KernelEnd         uint64
	DirectMapBase     uint64 // virtual start and end of its direct map, 0 and 0 if it has none
	DirectMapEnd      uint64
	DirectMapPhysical uint64 // physical address at DirectMapBase
	Name              string
	Version           string // of the kernel
	BuildID           string
	Architecture      string // as its uname has it
}

// Region is a part of the host's memory that the rescue program reads as one:
// Length bytes, in the order of the extents.
type Region struct {
	Length  uint64
	Extents []physmem.Range
}

// TargetKind says what a target is.
type TargetKind uint32

// Kinds of target.
const (
	TargetBlock  TargetKind = 1 // an extent of a block device
	TargetSerial TargetKind = 2 // a serial line
	TargetRecord TargetKind = 3 // nothing but the fault record
)

// Bus says how a target's device is reached.
type Bus uint32

// Buses.
const (
	BusNone Bus = 0
	BusPCI  Bus = 1 // Address: segment<<32 | bus<<16 | device<<11 | function<<8
	BusMMIO Bus = 2 // Address: physical address of the registers
	BusPort Bus = 3 // Address: I/O port
)

// Target is one place where the dump may go; they are tried in order.
type Target struct {
	Kind       TargetKind
	Bus        Bus
	Address    uint64
	DeviceSize uint64 // bytes of the whole device
	Start      uint64 // of the extent in the device, bytes
	Length     uint64
	Label      [16]byte // identifies the label that must be found there
	Flags      uint32   // TargetTruncate
	Speed      uint32   // serial: bits a second
}

// TargetTruncate allows a dump that does not fit to be cut.
const TargetTruncate uint32 = 1

// FirmwareKind says what one table of the firmware is.
type FirmwareKind uint32

// Kinds of firmware tables.
const (
	FirmwareEFIMap     FirmwareKind = 1 // EFI memory map restricted to the reservation; Version, EntrySize set
	FirmwareE820       FirmwareKind = 2 // 20-byte address range descriptors
	FirmwareFDT        FirmwareKind = 3
	FirmwareACPI       FirmwareKind = 4 // Address of the RSDP, no bytes
	FirmwareEFISystem  FirmwareKind = 5 // Address of the EFI system table, no bytes
	FirmwareHostEFIMap FirmwareKind = 6 // the host's own map, as it was
	FirmwareHostE820   FirmwareKind = 7
)

// Firmware is one table: bytes of PartMetadata, or an address.
type Firmware struct {
	Kind      FirmwareKind
	Version   uint32 // of the descriptors
	EntrySize uint32 // bytes of a descriptor
	Offset    uint64 // in the reservation
	Length    uint64
	Address   physmem.Address
}
