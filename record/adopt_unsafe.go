package record

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"unsafe"
)

// Open uses the area that Format or Adopt made in memory. It writes nothing.
func Open(memory []byte) (*Area, error) {
	start := unsafe.Pointer(unsafe.SliceData(memory))
	if len(memory) < offsetTable || uintptr(start)%8 != 0 {
		return nil, fmt.Errorf("%d bytes of memory at %#x: %w", len(memory), uintptr(start), ErrNoArea)
	}
	states, sound := parseTable(memory)
	if !sound {
		if load64(start, offsetMagic) == areaMagic {
			return nil, fmt.Errorf("header or table of sources: %w", ErrDamaged)
		}
		return nil, ErrNoArea
	}
	sources := make([]SourceLayout, len(states))
	for i, s := range states {
		sources[i].Name = s.Name
	}
	return newArea(memory, sources), nil
}

// Adopted is what Adopt found.
type Adopted struct {
	// Found says that there was an area; without one all of it is zero.
	Found   bool
	Damaged bool   // its header or table was broken
	Boot    uint32 // of the new area
	Records int    // that were kept
	Dropped int    // that the new layout had no room for: counted as lost
	Torn    int    // that were broken: counted as lost
	Panics  uint32 // boots in a row that ended in a panic
}

// Adopt makes an area in memory and takes over what an earlier boot left in old,
// which may be the same memory: the records that nobody has acknowledged, with
// their own restart ids, and the count of panics in a row, which begins again if
// the last boot did not panic. What was lost becomes records, too. If there is no
// area in old it is Format.
func Adopt(memory, old []byte, layout Layout, restart ID) (*Area, Adopted, error) {
	contents, err := Parse(old)
	if errors.Is(err, ErrNoArea) {
		a, err := Format(memory, layout, restart)
		return a, Adopted{Boot: 1}, err
	}
	if err != nil {
		return nil, Adopted{}, err
	}
	result := Adopted{Found: true, Damaged: contents.Damaged, Boot: contents.Boot + 1, Torn: contents.Torn}
	a, err := format(memory, layout, restart, result.Boot)
	if err != nil {
		return nil, Adopted{}, err
	}
	if contents.Panicked {
		result.Panics = contents.Panics
		putPanics(a.start, contents.Panics)
	}
	for i := range contents.Records {
		if a.keep(&contents.Records[i]) {
			result.Records++
		} else {
			result.Dropped++
		}
	}
	if contents.Damaged {
		_, err = a.Add(SourceRecord, &Record{Class: ClassLoss, CPU: NoCPU, Count: UnknownCount, Message: "the earlier boot's area is damaged"})
	} else if contents.Torn > 0 {
		_, err = a.Add(SourceRecord, &Record{Class: ClassLoss, CPU: NoCPU, Count: uint64(contents.Torn), Message: "records of an earlier boot are torn"})
	}
	a.keepFaults(contents.Sources)
	return a, result, err
}

// keepFaults takes over the faults that were noted and never recorded.
func (a *Area) keepFaults(sources []SourceState) {
	for _, old := range sources {
		index, ok := a.names[old.Name]
		if !ok {
			index = SourceUnknown
		}
		s := sourceAt(a.start, uintptr(index))
		n := unpacked(load64(s.block, sourceOffsetFaults))
		store64(s.block, sourceOffsetFaults, packed(n+min(old.Faults, ^uint32(0)-n)))
	}
}

// keep puts a record of an earlier boot into the space of its source, or of
// SourceUnknown if there is none of that name any more. Without room it is
// counted as lost there.
func (a *Area) keep(r *Stored) bool {
	index, ok := a.names[r.Source]
	switch {
	case r.Loss:
		index = SourceRecord
	case !ok:
		index = SourceUnknown
	}
	s := sourceAt(a.start, uintptr(index))
	if uintptr(len(r.Data)) > s.slotSize()-slotHeader {
		s.lose(next(a.start))
		return false
	}
	slot, ok := s.room(index == SourceHost)
	if !ok {
		return false
	}
	t := stamp{restart: unsafe.Pointer(&r.RestartID), sequence: r.Sequence, time: r.Time, source: uint32(index), boot: r.Boot, revision: 2}
	if r.Minimal {
		t.revision = 1
	}
	publish32(slot, slotOffsetMagic, slotWriting)
	data := ViewBytes(r.Data)
	copyMemory(slot, slotHeader, data.start, data.length)
	s.seal(slot, data.length, &t)
	runtime.KeepAlive(r)
	return true
}

// room is a slot for a record that is kept. What has to give way for it is
// counted as lost. Of the host's panics each has a pair of slots, of which a
// record that is whole needs the first.
func (s source) room(host bool) (unsafe.Pointer, bool) {
	if host {
		pair := uintptr(0)
		if slotUsed(s.slot(0)) {
			pair = 2
		}
		if slotUsed(s.slot(pair)) {
			s.lose(next(s.area))
		}
		return s.slot(pair), true
	}
	i, evict := s.choose()
	if i == s.slots() || evict {
		s.lose(next(s.area))
	}
	if i == s.slots() {
		return nil, false
	}
	return s.slot(i), true
}

// Contents is what the area holds now. Others may add meanwhile.
func (a *Area) Contents() (*Contents, error) { return Parse(a.Copy()) }

// Copy is a copy of the area's memory that nobody was writing to, of all sources at
// one moment: who acknowledges its last sequence number frees nothing that is not in
// it. What is added later is not.
func (a *Area) Copy() []byte {
	size := int(load64(a.start, offsetSize))
	copied := make([]byte, size)
	copy(copied[:offsetSequence], a.memory) // does not change
	to := unsafe.Pointer(unsafe.SliceData(copied))
	var locked [MaxSources]bool
	for i := range a.list {
		s := sourceAt(a.start, uintptr(i))
		if locked[i] = i != SourceHost && s.acquireWithin(patienceOfReader); locked[i] {
			s.settle()
		}
	}
	for i := range a.list {
		sourceAt(a.start, uintptr(i)).copyTo(to, uintptr(i)) // digests tell what is torn
	}
	defer func() {
		for i := range a.list {
			if locked[i] {
				sourceAt(a.start, uintptr(i)).unlock()
			}
		}
	}()
	store64(to, offsetSequence, atomic.LoadUint64(word64(a.start, offsetSequence)))
	copyMemory(to, offsetPanics, unsafe.Add(a.start, offsetPanics), offsetFields-offsetPanics)
	return copied
}

// copyTo copies a source's block and slots, but for the lock and the counters
// that are counted without it.
func (s source) copyTo(to unsafe.Pointer, index uintptr) {
	at := offsetTable + index*sourceSize
	store32(to, at, sourceMagic)
	store64(to, at+sourceOffsetBusy, packed(0))
	store64(to, at+sourceOffsetFaults, atomic.LoadUint64(word64(s.block, sourceOffsetFaults)))
	copyMemory(to, at+sourceOffsetCRC, unsafe.Add(s.block, sourceOffsetCRC), sourceSize-sourceOffsetCRC)
	start := uintptr(load64(s.block, sourceOffsetStart))
	copyMemory(to, start, unsafe.Add(s.area, start), s.slots()*s.slotSize())
}
