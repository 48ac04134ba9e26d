package record

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"sort"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Stored is a record as it lies in an area.
type Stored struct {
	RestartID ID
	Sequence  uint64
	Boot      uint32 // of the area: orders restarts
	Time      int64  // nanoseconds since 1970 UTC, 0 if not known
	Source    string // in whose space it lies
	Minimal   bool   // of a panic that was not completed
	Loss      bool   // a count of what was lost, made when it was read
	Data      []byte // CBOR
}

// SourceState is the space of one source.
type SourceState struct {
	Name     string
	Slots    int
	SlotSize int
	Used     int    // slots
	Lost     uint64 // records lost that are not acknowledged
	First    uint64 // sequence number with which losing began
	Last     uint64 // and of the last loss
	Faults   uint32 // faults noted of which nothing is recorded yet
}

// Contents is what an area held at one moment. It shares no memory with it.
type Contents struct {
	RestartID ID
	Boot      uint32
	Sequence  uint64 // the last one given
	Panics    uint32 // boots in a row that ended in a panic
	Panicked  bool   // this boot, too
	Size      int
	Sources   []SourceState

	// Records in order of boot and sequence number; losses are among them.
	Records []Stored
	// Torn is how many records are there and broken: cut off while they were
	// written, or changed since.
	Torn int
	// Damaged says that the header or the table of sources is broken. Records
	// are those that were found by searching, Sources is empty.
	Damaged bool
}

// Parse reads an area, which nobody may write meanwhile: a copy, or an earlier
// boot's. It takes any bytes and never panics. Only memory in which there is
// nothing of an area is ErrNoArea; of a damaged one it finds what can be found.
func Parse(memory []byte) (*Contents, error) {
	le := binary.LittleEndian
	c := &Contents{Size: len(memory)}
	if len(memory) < offsetTable {
		return nil, fmt.Errorf("%d bytes: %w", len(memory), ErrNoArea)
	}
	if le.Uint64(memory) == areaMagic && le.Uint32(memory[offsetVersion:]) != areaVersion {
		return nil, fmt.Errorf("version %d, want %d: %w", le.Uint32(memory[offsetVersion:]), areaVersion, ErrNoArea)
	}
	sources, sound := parseTable(memory)
	if sound {
		c.header(memory)
		for i := range sources {
			c.source(memory, uint32(i), &sources[i])
		}
		c.Sources = sources
	} else if c.search(memory); c.Torn == 0 && len(c.Records) == 0 && le.Uint64(memory) != areaMagic {
		return nil, ErrNoArea
	}
	c.order()
	return c, nil
}

// header reads what the header has, which is sound.
func (c *Contents) header(memory []byte) {
	le := binary.LittleEndian
	c.RestartID = ID(memory[offsetRestart:])
	c.Boot = le.Uint32(memory[offsetBoot:])
	c.Size = int(le.Uint64(memory[offsetSize:]))
	c.running(memory)
}

// running reads the numbers that no checksum covers.
func (c *Contents) running(memory []byte) {
	le := binary.LittleEndian
	c.Sequence = le.Uint64(memory[offsetSequence:])
	if n := le.Uint32(memory[offsetPanics:]); le.Uint32(memory[offsetPanics+4:]) == ^n {
		c.Panics = n
	}
	c.Panicked = le.Uint64(memory[offsetCurrent:]) != 0
}

// parseTable reads the table of sources, and says whether it and the header are
// sound: then every slot lies in memory.
func parseTable(memory []byte) ([]SourceState, bool) {
	le := binary.LittleEndian
	count := uint64(le.Uint32(memory[offsetSources:]))
	if le.Uint64(memory) != areaMagic ||
		le.Uint32(memory[offsetCRC:]) != crc32.Checksum(memory[offsetSize:offsetFixedEnd], castagnoli) ||
		le.Uint64(memory[offsetSize:]) > uint64(len(memory)) ||
		count < FirstSource || count > MaxSources || uint64(tableEnd(int(count))) > uint64(len(memory)) {
		return nil, false
	}
	list := make([]SourceState, count)
	for i := range list {
		block := memory[offsetTable+i*sourceSize:][:sourceSize]
		slots, size := uint64(le.Uint32(block[sourceOffsetSlots:])), uint64(le.Uint32(block[sourceOffsetSlots+4:]))
		start, name := le.Uint64(block[sourceOffsetStart:]), int(block[sourceOffsetName])
		if le.Uint32(block) != sourceMagic ||
			le.Uint32(block[sourceOffsetCRC:]) != crc32.Checksum(block[sourceOffsetName:], castagnoli) ||
			slots > MaxSlots || size < MinSlotSize || size > MaxSlotSize || size%slotAlign != 0 || name > MaxName ||
			start%slotAlign != 0 || start < uint64(tableEnd(int(count))) || start > uint64(len(memory)) || slots*size > uint64(len(memory))-start {
			return nil, false
		}
		list[i] = SourceState{
			Name: string(block[sourceOffsetName+1:][:name]), Slots: int(slots), SlotSize: int(size),
			Lost: le.Uint64(block[sourceOffsetLost:]), First: le.Uint64(block[sourceOffsetFirst:]), Last: le.Uint64(block[sourceOffsetLast:]),
			Faults: unpacked(le.Uint64(block[sourceOffsetFaults:])),
		}
		if busy := uint64(unpacked(le.Uint64(block[sourceOffsetBusy:]))); busy > 0 {
			list[i].Lost += busy
			list[i].Last = max(list[i].Last, le.Uint64(memory[offsetSequence:]))
		}
	}
	return list, true
}

// source collects the records of one source.
func (c *Contents) source(memory []byte, index uint32, s *SourceState) {
	block := memory[offsetTable+int(index)*sourceSize:]
	start := int(binary.LittleEndian.Uint64(block[sourceOffsetStart:]))
	for j := range s.Slots {
		slot := memory[start+j*s.SlotSize:][:s.SlotSize]
		magic := binary.LittleEndian.Uint32(slot)
		if magic == 0 {
			continue
		}
		s.Used++
		if r, ok := parseSlot(slot); ok && binary.LittleEndian.Uint32(slot[slotOffsetSource:]) == index {
			r.Source = s.Name
			c.Records = append(c.Records, r)
		} else {
			c.Torn++
		}
	}
	if s.Lost > 0 {
		c.Records = append(c.Records, s.loss(c.RestartID, c.Boot))
	}
}

// loss is what a source has lost, as a record.
func (s *SourceState) loss(restart ID, boot uint32) Stored {
	r := Record{
		RestartID: restart, Sequence: s.Last, CPU: NoCPU, Class: ClassLoss, Source: s.Name,
		Count: s.Lost, First: s.First, Message: "its space was full",
	}
	data, _ := r.AppendBinary(nil) // never fails
	return Stored{RestartID: restart, Sequence: s.Last, Boot: boot, Source: s.Name, Loss: true, Data: data}
}

// parseSlot reads a slot if it is whole. It may be longer than the record.
func parseSlot(slot []byte) (Stored, bool) {
	le := binary.LittleEndian
	if len(slot) < slotHeader || le.Uint32(slot) != slotMagic {
		return Stored{}, false
	}
	length := uint64(le.Uint32(slot[slotOffsetLength:]))
	if length > uint64(len(slot)-slotHeader) ||
		crc32.Checksum(slot[slotOffsetLength:slotHeader+length], castagnoli) != le.Uint32(slot[slotOffsetCRC:]) {
		return Stored{}, false
	}
	return Stored{
		RestartID: ID(slot[slotOffsetRestart:]), Sequence: le.Uint64(slot[slotOffsetSequence:]),
		Boot: le.Uint32(slot[slotOffsetBoot:]), Time: int64(le.Uint64(slot[slotOffsetTime:])),
		Minimal: le.Uint32(slot[slotOffsetRevision:]) == 1,
		Data:    append([]byte(nil), slot[slotHeader:][:length]...),
	}, true
}

// search looks for slots where there is no table to tell where they are.
func (c *Contents) search(memory []byte) {
	le := binary.LittleEndian
	c.Damaged = true
	for at := 0; at+slotHeader <= len(memory); at += slotAlign {
		magic := le.Uint32(memory[at:])
		if magic != slotMagic && magic != slotWriting {
			continue
		}
		r, ok := parseSlot(memory[at:])
		if !ok {
			c.Torn++
			continue
		}
		if index := le.Uint32(memory[at+slotOffsetSource:]); index < FirstSource {
			r.Source = fixedSources[index]
		}
		c.Records = append(c.Records, r)
		at += (slotHeader + len(r.Data) - 1) / slotAlign * slotAlign // what it holds is no slot
	}
	if le.Uint64(memory) == areaMagic {
		c.running(memory)
	}
	for _, r := range c.Records {
		if r.Boot >= c.Boot {
			c.Boot, c.RestartID = r.Boot, r.RestartID
		}
	}
}

// order sorts the records, and leaves out the minimal record of a panic that has
// a complete one.
func (c *Contents) order() {
	list := c.Records
	sort.SliceStable(list, func(i, j int) bool {
		a, b := &list[i], &list[j]
		switch {
		case a.Boot != b.Boot:
			return a.Boot < b.Boot
		case a.Sequence != b.Sequence:
			return a.Sequence < b.Sequence
		}
		return a.Minimal && !b.Minimal
	})
	kept := list[:0]
	for i := range list {
		if list[i].Minimal && i+1 < len(list) && list[i+1].RestartID == list[i].RestartID && list[i+1].Sequence == list[i].Sequence {
			continue
		}
		kept = append(kept, list[i])
	}
	c.Records = kept
}
