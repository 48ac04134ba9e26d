// Package reader reads fault records wherever they were kept: an area's memory, the
// notes of a dump, what was written ahead of a dump on its device, a region or a
// folder of Linux's pstore, a variable of UEFI firmware, or plain CBOR.
//
// It is for who reads afterwards, on any system. It decodes with the CBOR library
// github.com/fxamacker/cbor, which hosts and rescue programs do not link: a record
// that somebody else wrote, in another encoding or with keys that are not known
// here, is taken if it keeps to the schema of package record.
//
// Open recognises what a file is by its content. All of it only reads; who wants to
// acknowledge uses Area and writes its memory back.
//
// Whatever is damaged is a problem of the Result and not the end: the records that
// are whole are there.
package reader
