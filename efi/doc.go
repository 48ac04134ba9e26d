// Package efi reads the memory maps that PC firmware hands to an operating
// system, restricts them to a reservation, and writes them back: the EFI
// memory map (UEFI 2.10, 7.2.3) in [Map], and its predecessor, the address
// ranges of INT 15h E820 (ACPI 6.5, 15.1), which FreeBSD calls SMAP, in [E820].
//
// A rescue program must take no memory but its own for RAM. So in a restricted
// map each entry of RAM is gone but for one, which is exactly the reservation;
// everything else (ACPI tables, firmware, devices) stays as it was. Low memory
// can be kept for those who start other CPUs.
//
// Numbers are little-endian, addresses and sizes are in bytes, ranges are
// half-open. Maps come from a host that may be broken: sizes are capped before
// anything is allocated, and ranges that wrap or overlap are errors.
package efi
