package efi

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// Type is the type of an EFI memory descriptor (UEFI 2.10, 7.2.1,
// EFI_MEMORY_TYPE).
type Type uint32

// Types. Those from 0x70000000 on belong to OEMs and, from 0x80000000 on, to
// operating system loaders.
const (
	TypeReserved            Type = 0
	TypeLoaderCode          Type = 1
	TypeLoaderData          Type = 2
	TypeBootServicesCode    Type = 3
	TypeBootServicesData    Type = 4
	TypeRuntimeServicesCode Type = 5
	TypeRuntimeServicesData Type = 6
	TypeConventional        Type = 7
	TypeUnusable            Type = 8
	TypeACPIReclaim         Type = 9
	TypeACPINVS             Type = 10
	TypeMMIO                Type = 11
	TypeMMIOPort            Type = 12
	TypePALCode             Type = 13
	TypePersistent          Type = 14
	TypeUnaccepted          Type = 15
)

var typeNames = [...]string{
	"reserved", "loader code", "loader data", "boot services code", "boot services data",
	"runtime services code", "runtime services data", "conventional", "unusable",
	"ACPI reclaim", "ACPI NVS", "MMIO", "MMIO port", "PAL code", "persistent", "unaccepted",
}

// String is the type's name.
func (t Type) String() string {
	if uint64(t) < uint64(len(typeNames)) {
		return typeNames[t]
	}
	return fmt.Sprintf("EFI memory type %#x", uint32(t))
}

// MemoryType is what the type means once boot services have ended (UEFI 2.10,
// table 7.10): loader and boot services memory is free then. A type that is not
// known is reserved.
func (t Type) MemoryType() physmem.MemoryType {
	switch t {
	case TypeConventional, TypeLoaderCode, TypeLoaderData, TypeBootServicesCode, TypeBootServicesData:
		return physmem.MemoryRAM
	case TypeRuntimeServicesCode, TypeRuntimeServicesData, TypePALCode:
		return physmem.MemoryFirmware
	case TypeUnusable:
		return physmem.MemoryUnusable
	case TypeACPIReclaim:
		return physmem.MemoryACPIReclaimable
	case TypeACPINVS:
		return physmem.MemoryACPINVS
	case TypeMMIO, TypeMMIOPort:
		return physmem.MemoryMMIO
	case TypePersistent:
		return physmem.MemoryPersistent
	}
	return physmem.MemoryReserved
}
