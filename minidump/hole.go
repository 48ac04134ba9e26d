package minidump

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// Hole is physical memory that should be in a dump and whose content is not.
type Hole struct {
	Range  physmem.Range
	Reason HoleReason
}

// String prints the hole as "[0x1000, 0x2000) unreadable".
func (h Hole) String() string { return fmt.Sprintf("%v %v", h.Range, h.Reason) }

// HoleReason says why a page's content is not in the dump. The numbers are
// part of the dump notes' format.
type HoleReason uint32

const (
	// HoleUnreadable: reading the machine's memory failed; zeros in the stream.
	HoleUnreadable HoleReason = 1
	// HoleRedacted: left out on the host's request; zeros in the stream.
	HoleRedacted HoleReason = 2
	// HoleOutside: the bitmap had the page, the machine's memory map has not.
	HoleOutside HoleReason = 3
	// HoleLeftOut: left out to keep the dump within a size.
	HoleLeftOut HoleReason = 4

	// The rest is found by a reader and never recorded.

	// HoleBeyondEnd: the file ends before the page.
	HoleBeyondEnd HoleReason = 0x100
	// HoleNoBitmap: the file ends before the page's bit, so that nobody knows
	// whether it was dumped.
	HoleNoBitmap HoleReason = 0x101
	// HoleNoDumpAvail: dump_avail is cut or damaged, so that there is no
	// telling which memory the machine has from here on.
	HoleNoDumpAvail HoleReason = 0x102
	// HoleSparse: the file system has no data there. It reads as zeros, which
	// may be the truth: FreeBSD's savecore writes zero blocks so.
	HoleSparse HoleReason = 0x103
)

var holeReasonNames = map[HoleReason]string{
	HoleUnreadable:  "unreadable",
	HoleRedacted:    "redacted",
	HoleOutside:     "outside of memory",
	HoleLeftOut:     "left out",
	HoleBeyondEnd:   "beyond the end of the file",
	HoleNoBitmap:    "beyond the end of the page bitmap",
	HoleNoDumpAvail: "beyond what dump_avail tells",
	HoleSparse:      "never written (sparse)",
}

// String returns the reason in words.
func (r HoleReason) String() string {
	if s, ok := holeReasonNames[r]; ok {
		return s
	}
	return fmt.Sprintf("reason %#x", uint32(r))
}
