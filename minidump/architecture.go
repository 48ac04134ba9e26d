package minidump

import (
	"fmt"
	"runtime"
)

// Architecture is the machine that a dump is of, as the magic of its header
// names it.
type Architecture uint8

// The architectures that FreeBSD writes or wrote minidumps on. AMD64 and ARM64
// are read in full; of the others the header, dump_avail, the page bitmap and
// physical memory are read, and virtual addresses give ErrUnsupported.
const (
	UnknownArchitecture Architecture = iota
	AMD64
	ARM64
	RISCV
	I386
	ARM
	PowerPC64
	MIPS
)

var architectureNames = [...]string{
	UnknownArchitecture: "unknown",
	AMD64:               "amd64",
	ARM64:               "arm64",
	RISCV:               "riscv",
	I386:                "i386",
	ARM:                 "arm",
	PowerPC64:           "powerpc64",
	MIPS:                "mips",
}

// String returns FreeBSD's name of the architecture, as in the magic.
func (a Architecture) String() string {
	if int(a) < len(architectureNames) {
		return architectureNames[a]
	}
	return fmt.Sprintf("architecture %d", uint8(a))
}

// CanTranslate reports whether kernel virtual addresses of a can be
// translated, not only its physical ones.
func (a Architecture) CanTranslate() bool { return a == AMD64 || a == ARM64 }

// CanDump reports whether this program can dump a host of a: amd64 and arm64, but
// one built with the tag rescue_image only the architecture that it runs on. The
// compiler knows the answer for a constant.
func (a Architecture) CanDump() bool {
	return a == AMD64 && (!ownOnly || runtime.GOARCH == "amd64") || a == ARM64 && (!ownOnly || runtime.GOARCH == "arm64")
}
