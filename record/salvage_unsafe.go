package record

import "unsafe"

// AppendValid appends what a copy of an area holds, as a CBOR sequence (RFC
// 8742) of no more than limit bytes: the record of this boot's panic first, then
// whatever else nobody has acknowledged, with losses. It is for rescue programs,
// which put it into the dump: it links nothing that Parse needs, is content with
// any bytes, and appends nothing if there is no area.
func AppendValid(dst, memory []byte, limit int) []byte {
	address, size := uintptr(unsafe.Pointer(unsafe.SliceData(memory))), uintptr(len(memory))
	p, ok := areaAt(address, size)
	if !ok {
		return dst
	}
	end := len(dst) + limit
	latest := ^uintptr(0)
	if at, n := LatestPanic(address, size); n != 0 {
		latest = at - address - slotHeader
		dst = appendRecord(dst, memory[at-address:][:n], end)
	}
	for i := range min(uintptr(load32(p, offsetSources)), MaxSources) {
		if offsetTable+(i+1)*sourceSize > size {
			break
		}
		s := sourceAt(p, i)
		start, slot, slots := uintptr(load64(s.block, sourceOffsetStart)), s.slotSize(), s.slots()
		if slot < MinSlotSize || slot > MaxSlotSize || slots > MaxSlots || start%8 != 0 || start > size || slots*slot > size-start {
			continue
		}
		for j := range slots {
			q := s.slot(j)
			at := start + j*slot
			// The minimal record of a panic has the complete one behind it.
			superseded := i == SourceHost && j%2 == 0 && validSlot(s.slot(j+1), slot) &&
				load64(s.slot(j+1), slotOffsetSequence) == load64(q, slotOffsetSequence)
			if at != latest && !superseded && validSlot(q, slot) {
				dst = appendRecord(dst, memory[at+slotHeader:][:load32(q, slotOffsetLength)], end)
			}
		}
		dst = s.appendLoss(dst, end)
	}
	return dst
}

func appendRecord(dst, data []byte, end int) []byte {
	if len(data) > end-len(dst) {
		return dst
	}
	return append(dst, data...)
}

// appendLoss appends what the source has lost.
func (s source) appendLoss(dst []byte, end int) []byte {
	lost := load64(s.block, sourceOffsetLost)
	if lost == 0 || load32(s.block, sourceOffsetCRC) != crc32C(s.block, sourceOffsetName, sourceSize-sourceOffsetName) {
		return dst
	}
	f := Fields{CPU: NoCPU, Count: lost, First: load64(s.block, sourceOffsetFirst), Class: ViewString(ClassLoss), Source: s.nameView()}
	var b [leastPayload]byte
	e := NewEncoder(b[:])
	e.record(&f, unsafe.Add(s.area, offsetRestart), load64(s.block, sourceOffsetLast))
	return appendRecord(dst, b[:e.Len()], end)
}
