package arm64

import (
	"errors"
	"strings"
)

// Permissions are what a mapping shall allow, beside reading, and of what kind
// its memory is. The zero value is for reading by the kernel alone.
type Permissions uint8

// Permissions. Write and Execute together are refused unless a Builder allows
// them; what EL0 may write EL1 never executes.
const (
	Write   Permissions = 1 << iota
	Execute             // by any exception level that may read
	User                // by EL0 too
	Global              // belongs to every ASID
	Device              // MAIRDevice instead of MAIRNormal
)

// Indexes into MAIR_EL1 of the memory that a Builder maps, which the register
// must hold as MAIRValue does.
const (
	MAIRNormal = 0 // write-back, read and write allocate
	MAIRDevice = 1 // Device-nGnRnE

	MAIRValue MAIR = MAIRNormalWriteBack<<(8*MAIRNormal) | MAIRDeviceNGnRnE<<(8*MAIRDevice)
)

var permissionNames = [...]string{"write", "execute", "user", "global", "device"}

// String lists the permissions: "read+write+user".
func (p Permissions) String() string {
	var b strings.Builder
	b.WriteString("read")
	for i, name := range permissionNames {
		if p>>i&1 != 0 {
			b.WriteString("+" + name)
		}
	}
	return b.String()
}

// ErrWriteExecute says that memory would be writable and executable.
var ErrWriteExecute = errors.New("writable and executable")

// rightsBits are the bits of a leaf that Protect changes.
const rightsBits = EntryRO | EntryUser | EntryPXN | EntryUXN

// rights are the permissions as bits of a leaf.
func (p Permissions) rights() Entry {
	entry := EntryRO | EntryPXN | EntryUXN
	if p&Write != 0 {
		entry &^= EntryRO
	}
	if p&Execute != 0 {
		entry &^= EntryPXN
	}
	if p&User != 0 {
		entry |= EntryUser
		if p&Execute != 0 {
			entry &^= EntryUXN
		}
	}
	return entry
}

// leaf is a leaf at level without an address. Its access flag is set: the
// processor then never writes to the tables, which may be read-only and sealed.
func (p Permissions) leaf(paging Paging, level int) Entry {
	entry := EntryValid | EntryAF | EntryNG | p.rights()
	if level == LevelPage {
		entry |= EntryTable
	}
	if p&Global != 0 {
		entry &^= EntryNG
	}
	if p&Device != 0 {
		return entry | AttributeIndex(MAIRDevice)
	}
	entry |= AttributeIndex(MAIRNormal)
	if !paging.LPA2 { // else TCR_EL1.SH0 and SH1 say it, and the bits are address
		entry |= EntryInnerShareable
	}
	return entry
}
