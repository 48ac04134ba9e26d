package container

import (
	"encoding/binary"
	"fmt"
	"io"
)

// What is needed of ELF (System V ABI, gABI 4.1).
const (
	elfTypeCore        = 4
	elfSegmentNote     = 4
	elfOSABIFreeBSD    = 9
	elfOSABIStandalone = 255 // of FreeBSD's full dumps (kern/kern_dump.c)
	maxProgramHeaders  = 4096
	maxNotes           = 256 << 10
)

// identifyELF tells FreeBSD's full dumps from other ELF files by type, OS ABI
// and the names of the notes.
func identifyELF(r io.ReaderAt, size int64, start []byte) (Format, string) {
	if len(start) < 64 || start[4] < 1 || start[4] > 2 || start[5] < 1 || start[5] > 2 {
		return FormatELF, "its header is damaged"
	}
	var order binary.ByteOrder = binary.LittleEndian
	if start[5] == 2 {
		order = binary.BigEndian
	}
	if order.Uint16(start[16:]) != elfTypeCore {
		return FormatELF, ""
	}
	switch start[7] {
	case elfOSABIStandalone:
		return FormatFullDump, ""
	case elfOSABIFreeBSD:
		return FormatELFCore, "FreeBSD"
	}
	if start[4] == 1 {
		return FormatELFCore, "32-bit"
	}
	for _, name := range elfNoteNames(r, size, start, order) {
		switch name {
		case "VMCOREINFO":
			return FormatLinuxVmcore, ""
		case "QEMU":
			return FormatQEMUCore, "QEMU"
		case "rescuekernel": // minidump.ELFCore
			return FormatConverted, ""
		case "LINUX":
			return FormatELFCore, "Linux"
		}
	}
	return FormatELFCore, fmt.Sprintf("OS ABI %d", start[7])
}

// elfNoteNames gives the names of the notes of a 64-bit ELF core.
func elfNoteNames(r io.ReaderAt, size int64, start []byte, order binary.ByteOrder) (names []string) {
	offset, entry, count := order.Uint64(start[32:]), order.Uint16(start[54:]), order.Uint16(start[56:])
	if entry != 56 || count > maxProgramHeaders || offset > uint64(size) {
		return nil
	}
	table := make([]byte, int(count)*int(entry))
	n, _ := r.ReadAt(table, int64(offset))
	for ; n >= 56; table, n = table[56:], n-56 {
		at, length := order.Uint64(table[8:]), order.Uint64(table[32:])
		if order.Uint32(table) != elfSegmentNote || at > uint64(size) {
			continue
		}
		notes := make([]byte, min(length, maxNotes, uint64(size)-at))
		m, _ := r.ReadAt(notes, int64(at))
		names = appendNoteNames(names, notes[:m], order)
	}
	return names
}

// appendNoteNames walks over notes: sizes of name and description, type, and
// the two, each padded to four bytes.
func appendNoteNames(names []string, b []byte, order binary.ByteOrder) []string {
	for len(b) >= 12 {
		name, description := uint64(order.Uint32(b)), uint64(order.Uint32(b[4:]))
		b = b[12:]
		padded := (name + 3) &^ 3
		if name == 0 || padded > uint64(len(b)) {
			return names
		}
		names = append(names, string(b[:name-1]))
		b = b[padded:]
		b = b[min((description+3)&^3, uint64(len(b))):]
	}
	return names
}
