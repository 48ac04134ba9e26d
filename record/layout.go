package record

import (
	"errors"
	"fmt"
)

// Errors of an area.
var (
	// ErrNoArea says that memory does not hold an area.
	ErrNoArea = errors.New("no record area")
	// ErrDamaged says that an area is there and breaks a rule of its layout.
	ErrDamaged = errors.New("record area is damaged")
	// ErrLayout says that an area cannot be laid out as asked.
	ErrLayout = errors.New("record area cannot be laid out")
	// ErrSource says that an area has no such source.
	ErrSource = errors.New("no such source in the record area")
	// ErrFull says that a record was counted as lost: its source keeps its first.
	ErrFull = errors.New("no room for the record: it was counted as lost")
	// ErrBusy says that a record was counted as lost: others were writing.
	ErrBusy = errors.New("source is busy: the record was counted as lost")
)

// Offsets in an area's header. Numbers are the machine's own, little-endian on
// every machine that has areas.
const (
	areaMagic   = 0x44524f434552_4b52 // "RKRECORD"
	areaVersion = 1

	offsetMagic    = 0   // u64
	offsetVersion  = 8   // u32
	offsetCRC      = 12  // u32 CRC-32C of bytes 16 to 63
	offsetSize     = 16  // u64 of the area
	offsetSources  = 24  // u32 number of sources
	offsetBoot     = 28  // u32 how often the area was adopted, and 1
	offsetRestart  = 32  // 16 bytes, the restart id
	offsetFixedEnd = 64  // where the checksum ends
	offsetSequence = 64  // u64 last sequence number given
	offsetPanics   = 72  // u32 panics in a row, u32 its complement
	offsetCurrent  = 80  // u64 sequence number of the panic of this boot, 0 = none
	offsetFields   = 128 // Fields for the panic path
	offsetTable    = 512 // one block a source
)

// Offsets in a source's block. A counter is a u64: the count in the upper half,
// its complement in the lower, so that it can be counted up by one atomic store
// and a flipped bit is seen.
const (
	sourceMagic = 0x4352534b // "KSRC"
	sourceSize  = 160

	sourceOffsetMagic  = 0   // u32
	sourceOffsetLock   = 4   // u32, 1: somebody writes
	sourceOffsetBusy   = 8   // counter: records lost because of the lock
	sourceOffsetFaults = 16  // counter: faults noted, of which nothing is recorded yet
	sourceOffsetCRC    = 24  // u32 CRC-32C of bytes 32 to 159
	sourceOffsetName   = 32  // u8 length, MaxName bytes
	sourceOffsetSlots  = 96  // u32 number of slots, u32 size of each
	sourceOffsetStart  = 104 // u64 offset of the first slot
	sourceOffsetLost   = 112 // u64 records lost, unless acknowledged
	sourceOffsetFirst  = 120 // u64 sequence number with which losing began
	sourceOffsetLast   = 128 // u64 sequence number of the last loss
)

// Offsets in a slot.
const (
	slotMagic   = 0x4c53_4b52 // "RKSL"
	slotWriting = 0x5753_4b52 // "RKSW": somebody writes, or was cut off

	slotOffsetMagic    = 0  // u32, 0 if the slot is free; written last
	slotOffsetCRC      = 4  // u32 CRC-32C of bytes 8 to 63 and the payload
	slotOffsetLength   = 8  // u32 of the payload
	slotOffsetSource   = 12 // u32 index
	slotOffsetSequence = 16 // u64
	slotOffsetBoot     = 24 // u32
	slotOffsetRevision = 28 // u32 1 minimal, 2 complete
	slotOffsetRestart  = 32 // 16 bytes
	slotOffsetTime     = 48 // i64
	slotHeader         = 64 // payload: the record as CBOR

	slotAlign = 64
)

// Sources that every area has, by index.
const (
	// SourceHost is where the panic path writes: nobody else can.
	SourceHost = 0
	// SourceUnknown has faults that nobody could attribute.
	SourceUnknown = 1
	// SourceRecord has what the records have to say about themselves: losses.
	SourceRecord = 2
	// FirstSource is the index of the first of Layout.Sources.
	FirstSource = 3
)

var fixedSources = [FirstSource]string{"host", "unknown", "record"}

// Limits of a layout.
const (
	MaxSources  = 64
	MaxSlots    = 1024
	MinSlotSize = 1024
	MaxSlotSize = 64 << 10

	panicSlots = 4 // first and last, minimal and complete
)

// SourceLayout is the space of one source. With one slot only the first record
// is kept; with more the first, and the newest in the others.
type SourceLayout struct {
	Name     string
	Slots    int // 0 = 8
	SlotSize int // 0 = 2048; a multiple of 64
}

// Layout says how an area is divided.
type Layout struct {
	// PanicSlotSize is the most that the record of a panic takes; 0 = 4096.
	PanicSlotSize int
	// Sources beside those that every area has.
	Sources []SourceLayout
}

// DefaultLayout fits into 64 KiB: the host's own faults that it survived, and
// tasks that have no space of their own.
func DefaultLayout() Layout {
	return Layout{Sources: []SourceLayout{{Name: "kernel"}, {Name: "task"}}}
}

// sources are all sources of the layout, with their defaults.
func (l *Layout) sources() []SourceLayout {
	panicSize := l.PanicSlotSize
	if panicSize == 0 {
		panicSize = 4096
	}
	list := []SourceLayout{
		{fixedSources[SourceHost], panicSlots, panicSize},
		{fixedSources[SourceUnknown], 4, MinSlotSize},
		{fixedSources[SourceRecord], 4, MinSlotSize},
	}
	for _, s := range l.Sources {
		if s.Slots == 0 {
			s.Slots = 8
		}
		if s.SlotSize == 0 {
			s.SlotSize = 2048
		}
		list = append(list, s)
	}
	return list
}

// check refuses a layout that cannot be.
func check(sources []SourceLayout) error {
	if len(sources) > MaxSources {
		return fmt.Errorf("%d sources, at most %d: %w", len(sources), MaxSources, ErrLayout)
	}
	names := map[string]bool{}
	for _, s := range sources {
		switch {
		case s.Name == "" || len(s.Name) > MaxName || names[s.Name]:
			return fmt.Errorf("source %q: empty, too long or twice: %w", s.Name, ErrLayout)
		case s.Slots < 1 || s.Slots > MaxSlots:
			return fmt.Errorf("source %q: %d slots, want 1 to %d: %w", s.Name, s.Slots, MaxSlots, ErrLayout)
		case s.SlotSize < MinSlotSize || s.SlotSize > MaxSlotSize || s.SlotSize%slotAlign != 0:
			return fmt.Errorf("source %q: slots of %d bytes, want %d to %d in steps of %d: %w", s.Name, s.SlotSize, MinSlotSize, MaxSlotSize, slotAlign, ErrLayout)
		}
		names[s.Name] = true
	}
	return nil
}

// tableEnd is where the slots begin.
func tableEnd(sources int) int {
	return (offsetTable + sources*sourceSize + slotAlign - 1) / slotAlign * slotAlign
}

// Size is how many bytes an area of this layout needs.
func (l *Layout) Size() int {
	sources := l.sources()
	n := tableEnd(len(sources))
	for _, s := range sources {
		n += s.Slots * s.SlotSize
	}
	return n
}
