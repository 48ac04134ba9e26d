package minidump

import (
	"errors"
	"fmt"
)

// openNotes reads the dump notes, if the header's page points to any. That
// they are damaged is no reason not to open the dump.
func (r *Reader) openNotes(start []byte) {
	if len(start) < NotesPointerOffset+NotesPointerSize {
		r.notesErr = ErrNoNotes
		return
	}
	r.notesPointer, r.notesErr = ParseNotesPointer(start[NotesPointerOffset:])
	if r.notesErr != nil {
		if !errors.Is(r.notesErr, ErrNoNotes) {
			r.problems = append(r.problems, r.notesErr)
		}
		return
	}
	area := make([]byte, min(r.notesPointer.Size, uint64(max(0, r.size))))
	n, err := r.ReadPhysical(area, r.notesPointer.Address)
	r.notes, r.notesErr = DecodeNotes(area[:n])
	if err != nil && r.notesErr != nil {
		// What could not be read is the cause of what could not be decoded.
		r.notesErr = fmt.Errorf("dump notes: %w", err)
	}
	if r.notesErr != nil {
		r.problems = append(r.problems, r.notesErr)
	}
	if r.notes != nil {
		r.holes = normaliseHoles(r.notes.Holes)
	}
}

// Notes returns the dump notes. Without any the error is ErrNoNotes. Where
// they are damaged, what is left of them, which may be nil, comes with the
// error.
func (r *Reader) Notes() (*Notes, error) {
	if r.notes == nil && r.notesErr == nil {
		return nil, ErrNoNotes
	}
	return r.notes, r.notesErr
}

// NotesPointer returns where the dump notes are, if the dump has any.
func (r *Reader) NotesPointer() (p NotesPointer, ok bool) {
	return r.notesPointer, r.notesPointer.Size > 0
}
