package arm64

import (
	"encoding/binary"
	"fmt"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// Protect gives size bytes from va on other permissions. Global and Device stay
// as they are. Blocks that reach out of the range are split. If a part is
// not mapped nothing is changed and the error is ErrNotMapped.
func (b *Builder) Protect(va, size uint64, permissions Permissions) error {
	err := b.checkPermissions(permissions)
	if err == nil {
		err = b.checkRange(va, size)
	}
	if err == nil {
		err = b.checkMapped(va, va+size-1)
	}
	if err == nil {
		err = b.changeTable(b.paging.StartLevel(), b.paging.Root, b.lowest(),
			&change{start: va, last: va + size - 1, permissions: permissions})
	}
	if err != nil {
		return fmt.Errorf("protect %#x bytes at %#x (%v): %w", size, va, permissions, err)
	}
	return nil
}

// Unmap takes away what is mapped in size bytes from va on. Large pages that
// reach out of the range are split.
func (b *Builder) Unmap(va, size uint64) error {
	err := b.checkRange(va, size)
	if err == nil {
		err = b.changeTable(b.paging.StartLevel(), b.paging.Root, b.lowest(),
			&change{start: va, last: va + size - 1, unmap: true})
	}
	if err != nil {
		return fmt.Errorf("unmap %#x bytes at %#x: %w", size, va, err)
	}
	return nil
}

// checkMapped checks that leaves cover [start, last] without a gap.
func (b *Builder) checkMapped(start, last uint64) error {
	w, err := b.walker()
	if err != nil {
		return err
	}
	next, done := start, false
	err = w.Walk(start, last, func(m Mapping) error {
		if m.Virtual > next {
			return fmt.Errorf("%w: %#x", ErrNotMapped, next)
		}
		next = m.Virtual + m.Size // wraps after the last page of all
		done = m.Virtual+(m.Size-1) >= last
		return nil
	})
	if err == nil && !done {
		err = fmt.Errorf("%w: %#x", ErrNotMapped, next)
	}
	return err
}

// changeTable changes the leaves of one table and of those below it.
func (b *Builder) changeTable(level int, table physmem.Address, base uint64, c *change) error {
	return b.editTable(level, table, base, c, func(at Step, va uint64) (Entry, error) {
		entry := at.Entry
		if !entry.Present() {
			return entry, nil
		}
		if err := b.shapes[ordinal(level)].check(entry, level); err != nil {
			return entry, failure(va, at, err)
		}
		if entry.Leaf(level) {
			if va >= c.start && va+(b.paging.PageSizeAt(level)-1) <= c.last {
				if c.unmap {
					return 0, nil
				}
				return entry&^rightsBits | c.permissions.rights(), nil
			}
			next, err := b.splitLeaf(entry, level)
			if err != nil {
				return entry, err
			}
			entry = b.paging.encode(next) | EntryPage
		}
		return entry, b.changeTable(level+1, entry.Address(b.paging, level), va, c)
	})
}

// splitLeaf makes a table whose leaves do together what a block does.
func (b *Builder) splitLeaf(large Entry, level int) (physmem.Address, error) {
	table, err := b.newTable()
	if err != nil {
		return 0, err
	}
	first := large.Address(b.paging, level)
	small := large &^ (b.paging.encode(first) | EntryNT | EntryHint)
	if level+1 == LevelPage {
		small |= EntryTable
	}
	entries := make([]byte, 0, b.granule())
	for i := range physmem.Address(b.paging.entriesAt(level + 1)) {
		physical := first + i*physmem.Address(b.paging.PageSizeAt(level+1))
		entries = binary.LittleEndian.AppendUint64(entries, uint64(small|b.paging.encode(physical)))
	}
	if _, err := b.memory.WritePhysical(entries, table); err != nil {
		return 0, fmt.Errorf("write a table: %w", err)
	}
	return table, nil
}
