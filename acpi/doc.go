// Package acpi reads the tables that firmware describes a machine with, as far as
// a host needs them that has no AML: where PCI configuration spaces are (MCFG), the
// console (SPCR), CPUs and interrupt controllers (MADT), how PSCI is called (FADT),
// timers (GTDT).
//
// [Open] follows the root pointer (RSDP) to the list of tables (XSDT, or RSDT where
// there is no other) and reads their headers; [Tables.Table] reads one. What a
// table says comes from its Parse function. A host arms with that: a rescue program
// is started from the hand-off block and reads no tables.
//
// # Trust
//
// Tables come from firmware, through the memory of a host that may be broken. At
// most MaxTables tables of MaxTable bytes are taken, every offset is checked before
// it is used, checksums must be right. A table that cannot be read is left out of
// the list, and the list says why in Problems.
//
// Numbers are little-endian; addresses and sizes are in bytes. Sections are those of
// the ACPI specification, version 6.5; SPCR is Microsoft's (Serial Port Console
// Redirection Table, revision 4), MCFG that of the PCI Firmware Specification 3.3,
// 4.1.2.
package acpi
