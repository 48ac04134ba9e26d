package container

import (
	"bytes"
	"errors"
	"fmt"
)

// Format is what a file is.
type Format uint8

// Dumps, and what they are wrapped in.
const (
	FormatUnknown   Format = iota
	FormatMinidump         // FreeBSD minidump
	FormatFullDump         // FreeBSD full dump: an ELF core with OS ABI 255
	FormatDevice           // a dump device, or an image of one
	FormatEncrypted        // FreeBSD EKCD
	FormatGzip
	FormatZstd
)

// Formats that are recognised to be named.
const (
	FormatEmpty Format = iota + 64
	FormatZeros
	FormatTextDump // FreeBSD's, on a device or saved
	FormatInfo     // savecore's info.N
	FormatELF      // a program, a library or a kernel
	FormatELFCore  // of a user program
	FormatLinuxVmcore
	FormatQEMUCore // dump-guest-memory
	FormatBreakpad
	FormatWindows
	FormatDiskdump  // makedumpfile
	FormatFlattened // makedumpfile -F
	FormatLiME
	FormatAVML
	FormatQEMUState
	FormatDiskImage // qcow2 and the like
	FormatArchive   // xz, bzip2, tar and the like
	FormatConverted // ELF core that was made of a minidump: minidump.ELFCore
)

// description is a format's name and what to do with such a file.
type description struct{ name, advice string }

var descriptions = map[Format]description{
	FormatUnknown:     {"unknown", "no magic of a dump is at its start, and no kernel dump header at its end"},
	FormatMinidump:    {"FreeBSD minidump", ""},
	FormatFullDump:    {"FreeBSD full dump", ""},
	FormatDevice:      {"kernel dump device", ""},
	FormatEncrypted:   {"encrypted kernel dump", "give the RSA private key, and key.N beside vmcore_encrypted.N"},
	FormatGzip:        {"gzip", ""},
	FormatZstd:        {"zstd", ""},
	FormatEmpty:       {"empty file", "nothing was saved; look at the dump device itself"},
	FormatZeros:       {"nothing but zeros", "the dump was not written, or the copy has only holes"},
	FormatTextDump:    {"FreeBSD text dump", "it holds text files and no memory; unpack the saved textdump.tar.N with tar"},
	FormatInfo:        {"savecore's info file", "the dump is the vmcore file with the same number"},
	FormatELF:         {"ELF program", "it is no dump; if it is the kernel, give it as the kernel"},
	FormatELFCore:     {"core file of a user program", "use a debugger with the program: gdb, lldb or dlv"},
	FormatLinuxVmcore: {"Linux kernel core (ELF vmcore)", "use crash or drgn with the kernel's debug file"},
	FormatQEMUCore:    {"ELF core of a virtual machine", "use crash, drgn or gdb"},
	FormatBreakpad:    {"Breakpad, Crashpad or Windows user minidump (MDMP)", "use minidump-stackwalk or WinDbg"},
	FormatWindows:     {"Windows kernel dump", "use WinDbg"},
	FormatDiskdump:    {"Linux kdump file (makedumpfile)", "use crash or drgn with the kernel's debug file"},
	FormatFlattened:   {"flattened makedumpfile stream", "restore it with `makedumpfile -R`, then use crash or drgn"},
	FormatLiME:        {"LiME memory image", "use volatility, or avml-convert it first"},
	FormatAVML:        {"AVML memory image", "use avml-convert, then volatility"},
	FormatQEMUState:   {"QEMU saved machine state", "load it with QEMU and use dump-guest-memory"},
	FormatDiskImage:   {"disk image", "convert it to a raw image first: `qemu-img convert -O raw`"},
	FormatArchive:     {"archive", "unpack it first"},
	FormatConverted:   {"ELF core made of a minidump", "give the minidump itself; this one is for gdb, readelf and dlv"},
}

// String is the format's name.
func (f Format) String() string {
	if d, ok := descriptions[f]; ok {
		return d.name
	}
	return fmt.Sprintf("Format(%d)", uint8(f))
}

// ErrNotDump says that a file is no FreeBSD kernel dump. It comes as a
// *FormatError.
var ErrNotDump = errors.New("not a FreeBSD kernel dump")

// FormatError is a file that is something else.
type FormatError struct {
	Format Format
	Detail string // what exactly, "" if the format says it
	Advice string // what to do with such a file
}

func (e *FormatError) Error() string {
	s := fmt.Sprintf("%v but %v", ErrNotDump, e.Format)
	if e.Detail != "" {
		s += " (" + e.Detail + ")"
	}
	if e.Advice != "" {
		s += ": " + e.Advice
	}
	return s
}

// Unwrap returns ErrNotDump.
func (e *FormatError) Unwrap() error { return ErrNotDump }

func formatError(f Format, detail string) *FormatError {
	return &FormatError{Format: f, Detail: detail, Advice: descriptions[f].advice}
}

// magics are what files begin with. The first that fits counts.
var magics = []struct {
	magic  string
	format Format
	detail string
}{
	{"minidump", FormatMinidump, ""}, // FreeBSD minidump.h; the architecture follows
	{"\x1f\x8b\x08", FormatGzip, ""}, // RFC 1952
	{"\x28\xb5\x2f\xfd", FormatZstd, ""},
	{"MDMP", FormatBreakpad, ""},
	{"PAGEDU64", FormatWindows, "64-bit"},
	{"PAGEDUMP", FormatWindows, "32-bit"},
	{"KDUMP   ", FormatDiskdump, ""},
	{"DISKDUMP", FormatDiskdump, "diskdump"},
	{"makedumpfile\x00", FormatFlattened, ""},
	{"EMiL", FormatLiME, ""}, // 0x4C694D45
	{"AVML", FormatAVML, ""},
	{"QEVM", FormatQEMUState, ""},
	{"QFI\xfb", FormatDiskImage, "qcow2"},
	{"KDMV", FormatDiskImage, "VMDK"},
	{"vhdxfile", FormatDiskImage, "VHDX"},
	{"conectix", FormatDiskImage, "VHD"},
	{"<<< ", FormatDiskImage, "VDI"},
	{"\xfd7zXZ\x00", FormatArchive, "xz"},
	{"BZh", FormatArchive, "bzip2"},
	{"\x5d\x00\x00", FormatArchive, "lzma"},
	{"\x04\x22\x4d\x18", FormatArchive, "lz4"},
	{"PK\x03\x04", FormatArchive, "zip"},
	{"7z\xbc\xaf\x27\x1c", FormatArchive, "7z"},
	{"Dump header from device", FormatInfo, ""}, // savecore.c
}

// textDumpMembers are the files in a text dump (FreeBSD db_textdump.c).
var textDumpMembers = []string{"ddb.txt", "config.txt", "msgbuf.txt", "panic.txt", "version.txt"}

// identifySize is how much of a file's start is looked at.
const identifySize = 4096

// identify says what a file with this start is, as far as that tells. ELF
// files need a closer look (identifyELF).
func identify(start []byte) (f Format, detail string) {
	for _, m := range magics {
		if bytes.HasPrefix(start, []byte(m.magic)) {
			return m.format, m.detail
		}
	}
	switch {
	case len(start) == 0:
		return FormatEmpty, ""
	case len(start) >= 4 && start[0]&0xF0 == 0x50 && string(start[1:4]) == "\x2a\x4d\x18":
		return FormatZstd, "" // a skippable frame, as package seekable begins with
	case len(start) >= 4 && string(start[:4]) == "\x7fELF":
		return FormatELF, ""
	case len(start) >= 512 && string(start[257:262]) == "ustar":
		for _, member := range textDumpMembers {
			if bytes.HasPrefix(start, append([]byte(member), 0)) {
				return FormatTextDump, "saved by savecore"
			}
		}
		return FormatArchive, "tar"
	}
	if isNoise(start) {
		return FormatUnknown, "it looks encrypted: vmcore_encrypted.N needs key.N and the private key"
	}
	return FormatUnknown, ""
}

// isNoise reports whether b looks like encrypted data: nearly all byte values,
// none often. Random bytes fail it less than once in a million.
func isNoise(b []byte) bool {
	if len(b) < 4096 {
		return false
	}
	var count [256]int
	for _, c := range b[:4096] {
		count[c]++
	}
	seen := 0
	for _, n := range count {
		if n > 48 {
			return false
		}
		if n > 0 {
			seen++
		}
	}
	return seen >= 250
}
