// Package efivar keeps the last fault record in a variable of UEFI firmware, which
// survives a loss of power: the last store where there is no other, and a small
// one.
//
// The variable has the name "RescueRecord" and our vendor GUID, and the attributes
// non-volatile, boot service access and runtime access (UEFI 2.10 section 8.2). It
// holds, little-endian:
//
//	 0 8 bytes "RKEFIREC"
//	 8 u32 version, 1
//	12 u32 length of the record
//	16 u32 CRC-32C of bytes 0 to 15 and the record
//	20 u32 0
//	24 the record: CBOR, package record
//
// There is one, because the store of variables is small, slow and worn by writing:
// Save keeps the first record that nobody has acknowledged, and writes the last one
// into a second variable, "RescueRecord2", so that a loop of panics writes no more
// than that often. It is never larger than MaxSize.
//
// # Not at the panic
//
// A record is saved by the next boot that finds it in the reservation, or by the host
// while it is healthy (rescue.Armed.SaveRecords), and not by the panic path, although
// run-time services could be called there. They are code of firmware's, in ring 0 or EL1,
// that allows one caller at a time (2.10, 8.1) and may have been interrupted by the panic; they
// write to firmware's memory, which is evidence by then; on amd64 most enter system
// management mode, which stops all CPUs; writing flash takes as long as it takes, and
// neither a timer nor a guard of ours ends it. The panic path's rule is to be able to
// end what it calls. What is lost by that is the record of a panic after which power failed
// and nothing was dumped.
//
// # Stores
//
// VariableStore is how a host reaches its firmware's GetVariable and SetVariable.
// Linux shows the same variables as files of efivarfs, which begin with four bytes
// of attributes: ParseFile. OpenImage reads the image of a virtual machine's flash,
// OVMF_VARS.fd.
package efivar
