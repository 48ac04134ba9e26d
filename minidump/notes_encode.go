package minidump

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// NotesSize is the number of bytes that n takes with its whole list of holes.
func NotesSize(n *Notes) int {
	return len(appendRecords(make([]byte, notesHeaderSize), n, len(n.Holes)))
}

// EncodeNotes encodes n into an area of exactly size bytes, zeros behind it.
// Where the list of holes does not fit, as many as do are in it and the rest
// is counted; it fails with ErrTooLarge where nothing else fits either. The
// same notes and size always give the same bytes.
func EncodeNotes(n *Notes, size int) ([]byte, error) {
	if size > MaxNotesSize {
		return nil, fmt.Errorf("dump notes of %d bytes: %w (%d)", size, ErrTooLarge, MaxNotesSize)
	}
	holes := len(n.Holes)
	if need := NotesSize(n); need > size {
		holes -= (need - size + holeSize - 1) / holeSize
		if holes < 0 {
			return nil, fmt.Errorf("dump notes: %d bytes without the holes, room for %d: %w", need-len(n.Holes)*holeSize, size, ErrTooLarge)
		}
	}
	area := appendRecords(make([]byte, notesHeaderSize, size), n, holes)
	if len(area) > size {
		return nil, fmt.Errorf("dump notes: %d bytes, room for %d: %w", len(area), size, ErrTooLarge)
	}
	copy(area, notesMagic)
	binary.LittleEndian.PutUint32(area[8:], NotesVersion)
	binary.LittleEndian.PutUint32(area[12:], notesHeaderSize)
	binary.LittleEndian.PutUint64(area[16:], uint64(len(area)))
	binary.LittleEndian.PutUint32(area[24:], countRecords(area))
	binary.LittleEndian.PutUint32(area[28:], crc32.Checksum(area[:28], castagnoli))
	return area[:size], nil
}

// countRecords counts the records in area.
func countRecords(area []byte) (records uint32) {
	for at := notesHeaderSize; at < len(area); records++ {
		at += recordHeaderSize + int(roundUp(int64(binary.LittleEndian.Uint32(area[at+4:])), 8))
	}
	return records
}

// appendRecords appends the records of n with so many of its holes. Small
// things come first, the holes last.
func appendRecords(b []byte, n *Notes, holes int) []byte {
	if !n.Time.IsZero() {
		b = appendRecord(b, recordTime, binary.LittleEndian.AppendUint64(nil, uint64(n.Time.UnixNano())))
	}
	for _, text := range []struct {
		kind uint32
		body []byte
	}{
		{recordPanic, []byte(n.Panic)},
		{recordBuildID, n.BuildID},
		{recordHostName, []byte(n.HostName)},
		{recordVersion, []byte(n.Version)},
	} {
		if len(text.body) > 0 {
			b = appendRecord(b, text.kind, text.body)
		}
	}
	for _, m := range n.Marks {
		body := binary.LittleEndian.AppendUint32(nil, uint32(len(m.Part)))
		b = appendRecord(b, recordMark, append(append(body, m.Part...), m.Detail...))
	}
	if n.Cut != nil {
		body := binary.LittleEndian.AppendUint32(nil, uint32(n.Cut.Reason))
		body = binary.LittleEndian.AppendUint32(body, 0)
		body = binary.LittleEndian.AppendUint64(body, n.Cut.Pages)
		b = appendRecord(b, recordCut, append(body, n.Cut.Detail...))
	}
	if len(n.FaultRecord) > 0 {
		b = appendRecord(b, recordFault, n.FaultRecord)
	}
	for _, c := range n.CPUs {
		b = appendRecord(b, recordCPU, appendCPU(nil, &c))
	}
	if omitted := n.HolesOmitted + uint64(len(n.Holes)-holes); len(n.Holes) > 0 || omitted > 0 {
		body := binary.LittleEndian.AppendUint64(nil, omitted)
		for _, h := range n.Holes[:holes] {
			body = binary.LittleEndian.AppendUint64(body, uint64(h.Range.Start))
			body = binary.LittleEndian.AppendUint64(body, uint64(h.Range.End))
			body = binary.LittleEndian.AppendUint32(body, uint32(h.Reason))
			body = binary.LittleEndian.AppendUint32(body, 0)
		}
		b = appendRecord(b, recordHoles, body)
	}
	return b
}

// appendCPU appends the body of a CPU's record.
func appendCPU(b []byte, c *CPUNote) []byte {
	b = binary.LittleEndian.AppendUint32(b, c.Number)
	b = binary.LittleEndian.AppendUint32(b, uint32(c.Flags))
	b = binary.LittleEndian.AppendUint64(b, c.Time)
	b = binary.LittleEndian.AppendUint32(b, uint32(c.Architecture))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(c.State)))
	return append(b, c.State...)
}

// appendRecord appends a record and its padding.
func appendRecord(b []byte, kind uint32, body []byte) []byte {
	start := len(b)
	b = binary.LittleEndian.AppendUint32(b, kind)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(body)))
	sum := crc32.Update(crc32.Checksum(b[start:start+8], castagnoli), castagnoli, body)
	b = binary.LittleEndian.AppendUint32(b, sum)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = append(b, body...)
	return append(b, make([]byte, -len(body)&7)...)
}
