package minidump

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// DecodeNotes decodes what EncodeNotes has encoded. Data may go on behind the
// notes.
//
// Records that are damaged are left out, and notes with what is left are
// returned together with an error that is ErrDamaged or, where data ends
// early, ErrTruncated. Without a good header no notes are returned.
func DecodeNotes(data []byte) (*Notes, error) {
	length, records, err := notesHeader(data)
	if err != nil {
		return nil, fmt.Errorf("dump notes: %w", err)
	}
	n := &Notes{}
	var problems []error
	if length > uint64(len(data)) {
		problems = append(problems, fmt.Errorf("dump notes: %d bytes of %d: %w", len(data), length, ErrTruncated))
		length = uint64(len(data))
	}
	data = data[:length]
	at := int(binary.LittleEndian.Uint32(data[12:]))
	seen := uint32(0)
	for ; at+recordHeaderSize <= len(data) && seen < records; seen++ {
		kind, size := binary.LittleEndian.Uint32(data[at:]), binary.LittleEndian.Uint32(data[at+4:])
		if uint64(size) > uint64(len(data)-at-recordHeaderSize) {
			problems = append(problems, fmt.Errorf("dump notes: record %d at %#x has %d bytes of %d: %w",
				seen, at, len(data)-at-recordHeaderSize, size, ErrDamaged))
			break
		}
		body := data[at+recordHeaderSize:][:size:size]
		sum := crc32.Update(crc32.Checksum(data[at:at+8], castagnoli), castagnoli, body)
		if want := binary.LittleEndian.Uint32(data[at+8:]); sum != want {
			problems = append(problems, fmt.Errorf("dump notes: record %d at %#x, type %d: CRC-32C %#x, want %#x: %w",
				seen, at, kind, sum, want, ErrDamaged))
		} else if !n.decodeRecord(kind, body) {
			problems = append(problems, fmt.Errorf("dump notes: record %d at %#x, type %d: body of %d bytes: %w",
				seen, at, kind, size, ErrDamaged))
		}
		at += recordHeaderSize + int(roundUp(int64(size), 8))
	}
	if seen < records && len(problems) == 0 {
		problems = append(problems, fmt.Errorf("dump notes: %d records of %d: %w", seen, records, ErrDamaged))
	}
	return n, joinProblems(problems)
}

// maxProblems caps the errors that a damaged file makes.
const maxProblems = 16

// joinProblems joins the first of problems.
func joinProblems(problems []error) error {
	if len(problems) > maxProblems {
		problems = append(problems[:maxProblems:maxProblems], fmt.Errorf("and %d more: %w", len(problems)-maxProblems, ErrDamaged))
	}
	return errors.Join(problems...)
}

// notesHeader checks the header and returns its length and record count.
func notesHeader(data []byte) (length uint64, records uint32, err error) {
	if len(data) < notesHeaderSize {
		return 0, 0, fmt.Errorf("%d bytes, the header has %d: %w", len(data), notesHeaderSize, ErrTruncated)
	}
	if string(data[:8]) != notesMagic {
		return 0, 0, fmt.Errorf("magic %q, want %q: %w", data[:8], notesMagic, ErrDamaged)
	}
	if sum, want := crc32.Checksum(data[:28], castagnoli), binary.LittleEndian.Uint32(data[28:]); sum != want {
		return 0, 0, fmt.Errorf("header's CRC-32C %#x, want %#x: %w", sum, want, ErrDamaged)
	}
	if version := binary.LittleEndian.Uint32(data[8:]); version != NotesVersion {
		return 0, 0, fmt.Errorf("version %d: %w", version, ErrUnsupported)
	}
	header, length := binary.LittleEndian.Uint32(data[12:]), binary.LittleEndian.Uint64(data[16:])
	if header < notesHeaderSize || header%8 != 0 || header > MaxNotesSize || length < uint64(header) || length > MaxNotesSize {
		return 0, 0, fmt.Errorf("header of %d bytes, length %d: %w", header, length, ErrDamaged)
	}
	return length, binary.LittleEndian.Uint32(data[24:]), nil
}

// decodeRecord takes a record in; false where its body is too short.
func (n *Notes) decodeRecord(kind uint32, body []byte) bool {
	switch kind {
	case recordCPU:
		return n.decodeCPU(body)
	case recordFault:
		n.FaultRecord = body
	case recordBuildID:
		n.BuildID = body
	case recordHostName:
		n.HostName = string(body)
	case recordVersion:
		n.Version = string(body)
	case recordPanic:
		n.Panic = string(body)
	case recordMark:
		if len(body) < 4 || uint64(binary.LittleEndian.Uint32(body)) > uint64(len(body)-4) {
			return false
		}
		part := binary.LittleEndian.Uint32(body)
		n.Marks = append(n.Marks, Mark{Part: string(body[4 : 4+part]), Detail: string(body[4+part:])})
	case recordHoles:
		return n.decodeHoles(body)
	case recordCut:
		if len(body) < recordCutSize {
			return false
		}
		n.Cut = &Cut{Reason: CutReason(binary.LittleEndian.Uint32(body)), Pages: binary.LittleEndian.Uint64(body[8:]), Detail: string(body[recordCutSize:])}
	case recordTime:
		if len(body) < 8 {
			return false
		}
		n.Time = time.Unix(0, int64(binary.LittleEndian.Uint64(body))).UTC()
	default:
		n.Unknown++
	}
	return true
}

// decodeCPU takes in the body of a CPU's record.
func (n *Notes) decodeCPU(body []byte) bool {
	if len(body) < recordCPUSize {
		return false
	}
	size := binary.LittleEndian.Uint32(body[20:])
	if uint64(size) > uint64(len(body)-recordCPUSize) {
		return false
	}
	n.CPUs = append(n.CPUs, CPUNote{
		Number:       binary.LittleEndian.Uint32(body),
		Flags:        CPUFlags(binary.LittleEndian.Uint32(body[4:])),
		Time:         binary.LittleEndian.Uint64(body[8:]),
		Architecture: Architecture(min(binary.LittleEndian.Uint32(body[16:]), 255)),
		State:        body[recordCPUSize:][:size:size],
	})
	return true
}

// decodeHoles takes in the body of the list of holes. A range that is no
// range of physical memory makes it a bad record, but the others count.
func (n *Notes) decodeHoles(body []byte) (good bool) {
	if len(body) < recordHolesPrefix || (len(body)-recordHolesPrefix)%holeSize != 0 {
		return false
	}
	n.HolesOmitted += binary.LittleEndian.Uint64(body)
	good = true
	for body = body[recordHolesPrefix:]; len(body) > 0; body = body[holeSize:] {
		h := Hole{
			Range: physmem.Range{
				Start: physmem.Address(binary.LittleEndian.Uint64(body)),
				End:   physmem.Address(binary.LittleEndian.Uint64(body[8:])),
			},
			Reason: HoleReason(binary.LittleEndian.Uint32(body[16:])),
		}
		if h.Range.IsEmpty() || h.Range.End > physmem.MaxAddress {
			good = false
			continue
		}
		n.Holes = append(n.Holes, h)
	}
	return good
}
