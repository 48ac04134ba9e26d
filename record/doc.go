// Package record keeps fault records: small structured records of what broke,
// written before any dump is tried, that say so when some of them were lost.
//
// It has three parts. The encoder makes a record's CBOR in fixed memory. An Area
// is memory, normally a part of a rescue kernel's reservation, that holds records
// in fixed space for each source, is found again by the next boot, and recognises
// what is torn. BeginPanic and CompletePanic write the record of a panic into an
// area that is known by its address only.
//
// The package is linked into hosts and rescue programs: it uses no reflection and
// no CBOR library. Package record/reader decodes with one, on the side of who
// reads. Stores other than the area are in the packages record/ramoops and
// record/efivar.
//
// # A record
//
// A record is one CBOR map (RFC 8949) in the deterministic encoding of section
// 4.2.1, with this schema (CDDL, RFC 8610):
//
//	fault-record = {
//	  0 => 1,                 ; version of the schema
//	  1 => bstr .size 16,     ; restart id
//	  2 => uint,              ; sequence number, from 1 in each restart
//	  ? 3 => int,             ; time, nanoseconds since 1970 UTC
//	  ? 4 => uint,            ; uptime, nanoseconds
//	  ? 5 => uint,            ; CPU, its own number: APIC ID, MPIDR affinity
//	  6 => tstr,              ; class: "host.fault.panic"
//	  7 => tstr,              ; source: who failed
//	  ? 8 => uint,            ; generation: restarts of the source; of the host, boots
//	  ? 9 => uint,            ; flags, see Flags
//	  ? 10 => uint,           ; reason, see handoff.Reason
//	  ? 11 => uint,           ; exception vector; arm64: ESR_EL1
//	  ? 12 => uint,           ; error code
//	  ? 13 => uint,           ; fault address
//	  ? 14 => uint,           ; program counter
//	  ? 15 => uint,           ; other CPUs that were stopped
//	  ? 16 => uint,           ; and that could not be stopped
//	  ? 17 => uint / null,    ; count, of classes that count; null: not known
//	  ? 18 => uint,           ; sequence number with which counting began
//	  ? 19 => tstr,           ; build id
//	  ? 20 => uint,           ; architecture of the registers: 1 amd64, 2 arm64
//	  ? 21 => tstr,           ; message
//	  ? 22 => bstr,           ; registers, as machdep's CPUState has them
//	  ? 23 => uint,           ; address of the stack's first byte
//	  ? 24 => bstr,           ; top of the stack
//	  ? 25 => tstr,           ; trace: a task's calls, as text
//	}
//
// What is 0 or empty is left out. A reader skips keys that it does not know; a
// change that a reader of version 1 would get wrong makes it version 2.
//
// # Sources, and what is lost
//
// Each source has slots of its own, so that one that fails in a loop cannot crowd
// out another. Of a source that has run out of slots the first record is kept and
// the newest; those between give way and are counted. Such a loss is a record, too
// (ClassLoss, made when the area is read): its sequence number is that of the last
// loss, First that of the one with which losing began. Memory that held no area
// begins with a loss of an unknown count.
//
// Records are acknowledged by restart id and sequence number. What is acknowledged
// is freed; a loss that has grown since it was read is not.
//
// # An area in memory
//
// A header of 64 bytes under a CRC-32C, running numbers, a table of sources, and
// their slots, each of them 64 bytes of header and a record, under a CRC-32C of its
// own. A slot's first word is written last. So an area that was cut off at any
// store is read up to there, and a slot that is torn is told from one that is
// whole. The record of a panic has a second slot beside it: the complete record is
// written there, and the minimal one is good until it is.
//
// # On the panic path
//
// PanicFields, BeginPanic, CompletePanic, CurrentFields, Panics, LatestPanic, View,
// Nanoseconds and the Encoder are nosplit, allocate nothing, take no lock, check no
// bounds and write nothing outside of the area. Their area is mapped memory at a multiple of 8
// bytes, whose address and size were fixed when arming. A machine whose reset does
// not keep caches (arm64) must clean the area to the point of coherency before it:
// package rescue does after either call, by handoff.PanicMachine.Clean.
//
//	f := record.PanicFields(area, size)       // in the area itself
//	f.Message.Set(record.ViewAt(address, length)) // Set: no write barrier
//	...
//	n := record.BeginPanic(area, size, f)     // valid from here on
//	...                                       // stop the others, save registers
//	f.Stack.Set(record.ViewAt(sp, 1024))
//	f.StackAddress = uint64(sp)
//	record.CompletePanic(area, size, n, f)
package record
