package minidump

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// Notes of an ELF core that are ours: their name, and their types, which no
// note of Linux, FreeBSD or Delve has, because readers look at the type alone.
const (
	ELFNoteName = "rescuekernel"
	// ELFNoteFacts is text, a line "key=value" for each fact that the
	// minidump's header knew: architecture, version, page_size, kernel_base,
	// dmap_physical, dmap_base, dmap_end, pages, missing_pages (beyond the end
	// of the file), omitted_mappings and interrupted (1 if the conversion was
	// ended early, see ELFCore.Convert).
	ELFNoteFacts uint32 = 0x524b0001
	// ELFNoteNotes is the dump notes as they were in the dump, encoded anew.
	ELFNoteNotes uint32 = 0x524b0002
	// ELFNoteMessages is the text of the message buffer, oldest first.
	ELFNoteMessages uint32 = 0x524b0003
)

// buildNotes makes the content of the PT_NOTE.
func (c *ELFCore) buildNotes() []byte {
	var b []byte
	notes, _ := c.reader.Notes()
	if notes != nil {
		cpus := slices.Clone(notes.CPUs)
		slices.SortStableFunc(cpus, func(a, b CPUNote) int {
			return int(b.Flags&CPUPanicked) - int(a.Flags&CPUPanicked)
		})
		for i := range cpus {
			if registers := linuxRegisters(&cpus[i], c.reader.header.Architecture); registers != nil {
				b = appendELFNote(b, "CORE", elfNotePRStatus, prstatus(&cpus[i], registers))
			}
		}
	}
	facts := c.facts() + "interrupted=0\n"
	b = appendELFNote(b, ELFNoteName, ELFNoteFacts, []byte(facts))
	c.interrupted = int64(len(b) - -len(facts)&3 - len("0\n"))
	if notes != nil {
		if encoded, err := EncodeNotes(notes, NotesSize(notes)); err == nil {
			b = appendELFNote(b, ELFNoteName, ELFNoteNotes, encoded)
		}
	}
	if messages, err := c.reader.MessageBuffer(); err == nil && len(messages.Text) > 0 {
		b = appendELFNote(b, ELFNoteName, ELFNoteMessages, messages.Text)
	}
	return b
}

// facts is the text of ELFNoteFacts but for its last line.
func (c *ELFCore) facts() string {
	h := &c.reader.header
	have := uint64(max(0, c.reader.size-c.reader.layout.PageOffset(0)) / c.reader.layout.PageSize)
	var b strings.Builder
	for _, fact := range []struct {
		key   string
		value any
	}{
		{"architecture", h.Architecture},
		{"version", h.Version},
		{"page_size", h.PageSize},
		{"kernel_base", fmt.Sprintf("%#x", h.KernelBase)},
		{"dmap_physical", fmt.Sprintf("%#x", h.DirectMapPhysical)},
		{"dmap_base", fmt.Sprintf("%#x", h.DirectMapBase)},
		{"dmap_end", fmt.Sprintf("%#x", h.DirectMapEnd)},
		{"pages", c.reader.NumPages()},
		{"missing_pages", c.reader.NumPages() - min(c.reader.NumPages(), have)},
		{"omitted_mappings", c.omitted},
	} {
		fmt.Fprintf(&b, "%s=%v\n", fact.key, fact.value)
	}
	return b.String()
}

// appendELFNote appends a note, name and descriptor padded to 4 bytes (System
// V ABI, "Note Section"; Linux and FreeBSD pad ELF64 notes to 4 as well).
func appendELFNote(b []byte, name string, kind uint32, descriptor []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(name)+1))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(descriptor)))
	b = binary.LittleEndian.AppendUint32(b, kind)
	b = append(append(b, name...), 0)
	b = append(b, make([]byte, -len(b)&3)...)
	b = append(b, descriptor...)
	return append(b, make([]byte, -len(b)&3)...)
}
