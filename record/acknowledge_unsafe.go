package record

import (
	"fmt"
	"sync/atomic"
	"unsafe"
)

// Acknowledge frees all records of a restart up to and including a sequence
// number, and gives their number. A restart that the area has no records of, and
// a sequence number that was not given out, acknowledge nothing.
func (a *Area) Acknowledge(restart ID, sequence uint64) (freed int, err error) {
	current := restart == a.RestartID()
	last := atomic.LoadUint64(word64(a.start, offsetSequence))
	if !current {
		last = a.last(restart)
	}
	if sequence > last {
		return 0, nil
	}
	for i := range a.list {
		s := sourceAt(a.start, uintptr(i))
		if i != SourceHost && !s.acquireWithin(patienceOfReader) {
			err = fmt.Errorf("source %q: %w", a.list[i], ErrBusy)
			continue
		}
		freed += s.acknowledge(restart, sequence, current)
		if i != SourceHost {
			s.settle()
			s.unlock()
		}
	}
	return freed, err
}

// last is the highest sequence number that the area has of a restart.
func (a *Area) last(restart ID) (last uint64) {
	for i := range a.list {
		s := sourceAt(a.start, uintptr(i))
		for j := range s.slots() {
			if slot := s.slot(j); slotUsed(slot) && slotRestart(slot) == restart {
				last = max(last, load64(slot, slotOffsetSequence))
			}
		}
	}
	return last
}

func slotRestart(slot unsafe.Pointer) (id ID) {
	copyMemory(unsafe.Pointer(&id), 0, unsafe.Add(slot, slotOffsetRestart), 16)
	return id
}

// acknowledge frees a source's records. A panic's two slots count once.
func (s source) acknowledge(restart ID, sequence uint64, current bool) (freed int) {
	before := uint64(0)
	for j := range s.slots() {
		slot := s.slot(j)
		n := load64(slot, slotOffsetSequence)
		if !slotUsed(slot) || n > sequence || slotRestart(slot) != restart {
			continue
		}
		freeSlot(slot)
		if n != before {
			freed++
		}
		before = n
	}
	if lost := load64(s.block, sourceOffsetLost); current && lost != 0 && load64(s.block, sourceOffsetLast) <= sequence {
		store64(s.block, sourceOffsetLost, 0)
		store64(s.block, sourceOffsetFirst, 0)
		store64(s.block, sourceOffsetLast, 0)
		s.sign()
		freed++
	}
	return freed
}
