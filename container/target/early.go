package target

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"
)

const (
	earlyMagic   = "RKEARLY\n"
	earlyHeader  = 512
	earlyCRC     = 508
	earlyEntries = 48
	entrySize    = 32
	// MaxSections is how many sections an early record has at most.
	MaxSections = (earlyCRC - earlyEntries) / entrySize
)

// ErrNoEarly says that there is no early record.
var ErrNoEarly = errors.New("no early record")

// Kind says what a section of the early record holds. The numbers are part of
// the format.
type Kind uint32

// Kinds.
const (
	// KindNotes are dump notes (minidump.DecodeNotes).
	KindNotes Kind = 1
	// KindStack is the stack of the CPU that panicked, from its stack pointer
	// up.
	KindStack Kind = 2
	// KindRecord are fault records, a CBOR sequence (package record). As the first
	// section it is written before anything of the dump.
	KindRecord Kind = 3
)

// String names the kind.
func (k Kind) String() string {
	names := [...]string{"", "dump notes", "stack", "fault record"}
	if k > 0 && uint64(k) < uint64(len(names)) {
		return names[k]
	}
	return fmt.Sprintf("kind %d", uint32(k))
}

// Section is one part of an early record.
type Section struct {
	Kind    Kind
	Address uint64 // of the first byte in the host, where that means something
	Data    []byte
	// Damaged says that the checksum is wrong; Data is what is there.
	Damaged bool
}

// Early is what is written before the dump.
type Early struct {
	Stream   uint32 // kerneldump.Header.Identity of the dump
	Time     time.Time
	Label    ID
	Sections []Section
}

// Section is the first section of a kind, nil if there is none.
func (e *Early) Section(kind Kind) *Section {
	for i := range e.Sections {
		if e.Sections[i].Kind == kind {
			return &e.Sections[i]
		}
	}
	return nil
}

// entry is where a section lies in the early record.
type entry struct {
	kind           Kind
	crc            uint32
	offset, length int64
	address        uint64
}

// earlyHead is an early record's header.
type earlyHead struct {
	stream  uint32
	time    int64
	label   ID
	entries []entry
}

// put fills b, a sector or more.
func (h *earlyHead) put(b []byte) {
	le := binary.LittleEndian
	clear(b)
	copy(b, earlyMagic)
	le.PutUint32(b[8:], Version)
	le.PutUint32(b[12:], uint32(len(h.entries)))
	le.PutUint32(b[16:], h.stream)
	le.PutUint64(b[24:], uint64(h.time))
	copy(b[32:], h.label[:])
	for i, e := range h.entries {
		p := b[earlyEntries+i*entrySize:]
		le.PutUint32(p, uint32(e.kind))
		le.PutUint32(p[4:], e.crc)
		le.PutUint64(p[8:], uint64(e.offset))
		le.PutUint64(p[16:], uint64(e.length))
		le.PutUint64(p[24:], e.address)
	}
	le.PutUint32(b[earlyCRC:], crc32.Checksum(b[:earlyCRC], castagnoli))
}

func parseEarly(b []byte) (*earlyHead, error) {
	if len(b) < earlyHeader || string(b[:8]) != earlyMagic {
		return nil, ErrNoEarly
	}
	le := binary.LittleEndian
	if got, want := crc32.Checksum(b[:earlyCRC], castagnoli), le.Uint32(b[earlyCRC:]); got != want {
		return nil, fmt.Errorf("early record: CRC-32C %08x, want %08x: %w", got, want, ErrDamaged)
	}
	if v := le.Uint32(b[8:]); v != Version {
		return nil, fmt.Errorf("early record: version %d, want %d: %w", v, Version, ErrVersion)
	}
	count := le.Uint32(b[12:])
	if count > MaxSections {
		return nil, fmt.Errorf("early record: %d sections, at most %d: %w", count, MaxSections, ErrDamaged)
	}
	h := &earlyHead{stream: le.Uint32(b[16:]), time: int64(le.Uint64(b[24:])), label: ID(b[32:48])}
	for i := range int(count) {
		p := b[earlyEntries+i*entrySize:]
		h.entries = append(h.entries, entry{
			kind: Kind(le.Uint32(p)), crc: le.Uint32(p[4:]),
			offset: int64(le.Uint64(p[8:])), length: int64(le.Uint64(p[16:])), address: le.Uint64(p[24:]),
		})
	}
	return h, nil
}

// ReadEarly reads the early record of the extent that l labels, on the device
// r. A section whose checksum is wrong is there and marked. The errors are
// ErrNoEarly, ErrDamaged, ErrVersion, ErrMismatch and the device's own.
func ReadEarly(r io.ReaderAt, l *Label) (*Early, error) {
	if err := l.check(); err != nil {
		return nil, fmt.Errorf("early record: %w", err)
	}
	base := l.Start + l.EarlyOffset
	b := make([]byte, blockSize)
	if err := readFull(r, b, base); err != nil {
		return nil, fmt.Errorf("early record: %w", err)
	}
	h, err := parseEarly(b)
	if err != nil {
		return nil, err
	}
	if h.label != l.ID {
		return nil, fmt.Errorf("early record of label %v on %v: %w", h.label, l.ID, ErrMismatch)
	}
	early := &Early{Stream: h.stream, Time: time.Unix(0, h.time).UTC(), Label: h.label}
	for _, e := range h.entries {
		if e.offset < 0 || e.offset%blockSize != 0 || e.length < 0 || e.offset > l.EarlySize-e.length {
			return nil, fmt.Errorf("early record: %v at %#x+%#x in %#x: %w", e.kind, e.offset, e.length, l.EarlySize, ErrDamaged)
		}
		data := make([]byte, roundUp(e.length, blockSize)) // whole sectors
		if err := readFull(r, data, base+e.offset); err != nil {
			return early, fmt.Errorf("early record: %v: %w", e.kind, err)
		}
		s := Section{Kind: e.kind, Address: e.address, Data: data[:e.length]}
		s.Damaged = crc32.Checksum(s.Data, castagnoli) != e.crc
		early.Sections = append(early.Sections, s)
	}
	return early, nil
}
