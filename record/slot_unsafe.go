package record

import (
	"sync/atomic"
	"unsafe"
)

// source is one source's block in an area.
type source struct {
	area  unsafe.Pointer
	block unsafe.Pointer
}

//go:nosplit
func sourceAt(area unsafe.Pointer, index uintptr) source {
	return source{area, unsafe.Add(area, offsetTable+index*sourceSize)}
}

//go:nosplit
func (s source) slots() uintptr { return uintptr(load32(s.block, sourceOffsetSlots)) }

//go:nosplit
func (s source) slotSize() uintptr { return uintptr(load32(s.block, sourceOffsetSlots+4)) }

//go:nosplit
func (s source) slot(i uintptr) unsafe.Pointer {
	return unsafe.Add(s.area, uintptr(load64(s.block, sourceOffsetStart))+i*s.slotSize())
}

// lock takes the source's lock at once or not at all. A CPU that was stopped
// while it held one keeps it for ever, so nobody waits for it for ever.
//
//go:nosplit
func (s source) lock() bool {
	return atomic.CompareAndSwapUint32(word32(s.block, sourceOffsetLock), 0, 1)
}

//go:nosplit
func (s source) unlock() { publish32(s.block, sourceOffsetLock, 0) }

// lose counts a record that was lost. Its sequence number is the loss's own, so
// that a reader who acknowledges an earlier one keeps the loss.
//
//go:nosplit
func (s source) lose(sequence uint64) {
	lost := load64(s.block, sourceOffsetLost)
	if load64(s.block, sourceOffsetFirst) == 0 {
		store64(s.block, sourceOffsetFirst, sequence)
	}
	if lost < UnknownCount-1 {
		lost++
	}
	store64(s.block, sourceOffsetLost, lost)
	store64(s.block, sourceOffsetLast, sequence)
	s.sign()
}

// sign writes the checksum of the block.
//
//go:nosplit
func (s source) sign() {
	store32(s.block, sourceOffsetCRC, crc32C(s.block, sourceOffsetName, sourceSize-sourceOffsetName))
}

//go:nosplit
func slotUsed(slot unsafe.Pointer) bool { return load32(slot, slotOffsetMagic) == slotMagic }

// packed is a counter's u64, and unpacked its count: 0 if the halves do not
// agree.
//
//go:nosplit
func packed(n uint32) uint64 { return uint64(n)<<32 | uint64(^n) }

//go:nosplit
func unpacked(v uint64) uint32 {
	if n := uint32(v >> 32); uint32(v) == ^n {
		return n
	}
	return 0
}

// count adds one to a counter.
//
//go:nosplit
func (s source) count(offset uintptr) {
	p := word64(s.block, offset)
	for {
		old := atomic.LoadUint64(p)
		n := unpacked(old)
		if n == ^uint32(0) || atomic.CompareAndSwapUint64(p, old, packed(n+1)) {
			return
		}
	}
}

// uncount takes up to most off a counter and gives how many.
//
//go:nosplit
func (s source) uncount(offset uintptr, most uint32) uint32 {
	p := word64(s.block, offset)
	for {
		old := atomic.LoadUint64(p)
		n := unpacked(old)
		taken := min(n, most)
		if taken == 0 || atomic.CompareAndSwapUint64(p, old, packed(n-taken)) {
			return taken
		}
	}
}

// settle makes a loss of the records that found the lock taken. The lock is held.
//
//go:nosplit
func (s source) settle() {
	n := unpacked(atomic.SwapUint64(word64(s.block, sourceOffsetBusy), packed(0)))
	if n == 0 {
		return
	}
	store64(s.block, sourceOffsetLost, load64(s.block, sourceOffsetLost)+uint64(n)-1)
	if load64(s.block, sourceOffsetFirst) == 0 {
		store64(s.block, sourceOffsetFirst, next(s.area))
	}
	s.lose(next(s.area))
}

//go:nosplit
func freeSlot(slot unsafe.Pointer) { publish32(slot, slotOffsetMagic, 0) }

// older reports whether slot a was written before slot b.
//
//go:nosplit
func older(a, b unsafe.Pointer) bool {
	x, y := load32(a, slotOffsetBoot), load32(b, slotOffsetBoot)
	if x != y {
		return x < y
	}
	return load64(a, slotOffsetSequence) < load64(b, slotOffsetSequence)
}

// choose gives a slot for a new record: a free one, or that of the oldest record
// but the first, which is never given up. Without any it is the number of slots.
//
//go:nosplit
func (s source) choose() (slot uintptr, evict bool) {
	n := s.slots()
	first, second := n, n
	for i := uintptr(0); i < n; i++ {
		switch p := s.slot(i); {
		case !slotUsed(p):
			return i, false
		case first == n || older(p, s.slot(first)):
			first, second = i, first
		case second == n || older(p, s.slot(second)):
			second = i
		}
	}
	return second, true
}

// stamp is what a slot's header says beside the payload.
type stamp struct {
	restart  unsafe.Pointer
	sequence uint64
	time     int64
	source   uint32
	boot     uint32
	revision uint32
}

// write encodes a record into a slot. The slot is nobody's until its last word
// is written.
//
//go:nosplit
func (s source) write(i uintptr, f *Fields, t *stamp) {
	slot, size := s.slot(i), s.slotSize()
	publish32(slot, slotOffsetMagic, slotWriting)
	f.fit(size - slotHeader)
	e := Encoder{start: unsafe.Add(slot, slotHeader), size: size - slotHeader}
	e.record(f, t.restart, t.sequence)
	s.seal(slot, e.used, t)
}

// seal writes the header of a slot whose payload is there.
//
//go:nosplit
func (s source) seal(slot unsafe.Pointer, length uintptr, t *stamp) {
	store32(slot, slotOffsetLength, uint32(length))
	store32(slot, slotOffsetSource, t.source)
	store64(slot, slotOffsetSequence, t.sequence)
	store32(slot, slotOffsetBoot, t.boot)
	store32(slot, slotOffsetRevision, t.revision)
	copyMemory(slot, slotOffsetRestart, t.restart, 16)
	store64(slot, slotOffsetTime, uint64(t.time))
	store64(slot, slotOffsetTime+8, 0)
	store32(slot, slotOffsetCRC, crc32C(slot, slotOffsetLength, slotHeader-slotOffsetLength+length))
	publish32(slot, slotOffsetMagic, slotMagic)
}

// next gives out a sequence number.
//
//go:nosplit
func next(area unsafe.Pointer) uint64 { return atomic.AddUint64(word64(area, offsetSequence), 1) }

// add writes a record for a source whose lock is held. It returns 0 for a record
// that was counted as lost.
//
//go:nosplit
func (s source) add(index uint32, f *Fields) uint64 {
	s.settle()
	i, evict := s.choose()
	if i == s.slots() {
		s.lose(next(s.area))
		return 0
	}
	if evict {
		freeSlot(s.slot(i))
		s.lose(next(s.area))
	}
	t := stamp{
		restart: unsafe.Add(s.area, offsetRestart), sequence: next(s.area), time: f.Time,
		source: index, boot: load32(s.area, offsetBoot), revision: 2,
	}
	s.write(i, f, &t)
	return t.sequence
}

// nameView is the source's name.
//
//go:nosplit
func (s source) nameView() View {
	return View{unsafe.Add(s.block, sourceOffsetName+1), uintptr(load8(s.block, sourceOffsetName))}.clip(MaxName)
}
