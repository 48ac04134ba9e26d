package symbols

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"io"
)

// Types of the notes that hold build ids. The Go linker writes its own, a
// string, under the name "Go" (cmd/link/internal/ld/elf.go); GNU ld and lld
// write theirs, a digest, under "GNU" (NT_GNU_BUILD_ID).
const (
	noteGoBuildID  = 4
	noteGNUBuildID = 3
)

// maxNotes bounds the notes looked at in one section or segment.
const maxNotes = 256

// readBuildIDs takes the build ids from the note sections, and from the note
// segments of a file without sections. Notes that cannot be read are none.
func (t *Table) readBuildIDs(file *elf.File) {
	for _, s := range file.Sections {
		if s.Type == elf.SHT_NOTE && s.Size <= maxNoteBytes {
			if data, err := readSection(s, maxNoteBytes); err == nil {
				t.readNotes(data, file.ByteOrder)
			}
		}
	}
	for _, p := range file.Progs {
		if p.Type == elf.PT_NOTE && p.Filesz <= maxNoteBytes {
			if data, err := readAll(io.ReaderAt(p), p.Filesz, "notes"); err == nil {
				t.readNotes(data, file.ByteOrder)
			}
		}
	}
}

// readNotes reads notes: u32 name size, u32 description size, u32 type, then
// name and description, each padded to 4 bytes (System V gABI, chapter 5).
func (t *Table) readNotes(data []byte, order binary.ByteOrder) {
	for range maxNotes {
		if len(data) < 12 {
			return
		}
		nameSize, descriptionSize := uint64(order.Uint32(data)), uint64(order.Uint32(data[4:]))
		kind := order.Uint32(data[8:])
		name, rest, ok := cutPadded(data[12:], nameSize)
		if !ok {
			return
		}
		description, rest, ok := cutPadded(rest, descriptionSize)
		if !ok {
			return
		}
		switch owner := string(bytes.TrimRight(name, "\x00")); {
		case owner == "Go" && kind == noteGoBuildID:
			t.goBuildID = string(description)
		case owner == "GNU" && kind == noteGNUBuildID:
			t.buildID = bytes.Clone(description)
		}
		data = rest
	}
}

// cutPadded takes size bytes and their padding to 4 from the front of data.
// The padding of the last note may be missing.
func cutPadded(data []byte, size uint64) (front, rest []byte, ok bool) {
	if size > uint64(len(data)) {
		return nil, nil, false
	}
	padded := min((size+3)&^3, uint64(len(data)))
	return data[:size], data[padded:], true
}
