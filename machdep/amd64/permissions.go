package amd64

import (
	"errors"
	"strings"
)

// Permissions are what a mapping shall allow, beside reading, and of what kind
// its memory is. The zero value is for reading by the kernel alone.
type Permissions uint8

// Permissions. Write and Execute together are refused unless a Builder allows
// them.
const (
	Write   Permissions = 1 << iota
	Execute             // by any privilege level that may read
	User                // by CPL 3 too
	Global              // outlives a load of CR3 where CR4.PGE is set
	Device              // not cached: PWT and PCD, entry 3 of the PAT (UC after a reset)
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

// Entries are made as if they had been used: the processor then never writes to
// the tables, which may be read-only and sealed.
const (
	// tableEntry is a table that leaves all rights to its leaves.
	tableEntry = EntryPresent | EntryWritable | EntryUser | EntryAccessed
	leafEntry  = EntryPresent | EntryAccessed | EntryDirty
)

// rightsBits are the bits of a leaf that Protect changes.
const rightsBits = EntryWritable | EntryUser | EntryNoExecute

// rights are the permissions as bits of a leaf.
func (p Permissions) rights() Entry {
	entry := EntryNoExecute
	if p&Execute != 0 {
		entry = 0
	}
	if p&Write != 0 {
		entry |= EntryWritable
	}
	if p&User != 0 {
		entry |= EntryUser
	}
	return entry
}

// leaf is a leaf at level without an address.
func (p Permissions) leaf(level int) Entry {
	entry := leafEntry | p.rights()
	if p&Global != 0 {
		entry |= EntryGlobal
	}
	if p&Device != 0 {
		entry |= EntryWriteThrough | EntryCacheDisable
	}
	if level > LevelPTE {
		entry |= EntryLarge
	}
	return entry
}

// split is the first of the leaves, a level below, that together do what a
// large leaf at level does.
func split(large Entry, level int) Entry {
	small := large
	if level-1 == LevelPTE {
		small &^= EntryLarge | EntryLargePAT
		if large&EntryLargePAT != 0 {
			small |= EntryPAT
		}
	}
	return small
}
