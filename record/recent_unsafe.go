package record

import "unsafe"

// Recent is what a line about a record says. The views lie in the area.
type Recent struct {
	Boot     uint32 // of the area: orders restarts
	Sequence uint64
	Class    View
	Source   View
	Message  View
}

// Before finds the newest valid record in the area at an address that came before
// a boot's sequence number; 1<<32-1 and 1<<64-1 come after all of them. So a notifier
// at a panic lists the last records: it allocates nothing and takes no lock. A
// record that is written meanwhile, or broken, is passed over.
func Before(area, size uintptr, boot uint32, sequence uint64) (r Recent, ok bool) {
	p, ok := areaAt(area, size)
	if !ok {
		return r, false
	}
	var best unsafe.Pointer
	count := min(uintptr(load32(p, offsetSources)), MaxSources, (size-offsetTable)/sourceSize)
	for i := uintptr(0); i < count; i++ {
		s := sourceAt(p, i)
		start, slots, length := uintptr(load64(s.block, sourceOffsetStart)), s.slots(), s.slotSize()
		if slots > MaxSlots || length < MinSlotSize || length > MaxSlotSize || start > size || slots*length > size-start {
			continue
		}
		for j := uintptr(0); j < slots; j++ {
			slot := s.slot(j)
			if !slotUsed(slot) || !slotBefore(slot, boot, sequence) || best != nil && slotBefore(slot, load32(best, slotOffsetBoot), load64(best, slotOffsetSequence)) {
				continue
			}
			if validSlot(slot, length) {
				best = slot
			}
		}
	}
	if best == nil {
		return r, false
	}
	r.Boot, r.Sequence = load32(best, slotOffsetBoot), load64(best, slotOffsetSequence)
	r.read(View{unsafe.Add(best, slotHeader), uintptr(load32(best, slotOffsetLength))})
	return r, true
}

func slotBefore(slot unsafe.Pointer, boot uint32, sequence uint64) bool {
	b := load32(slot, slotOffsetBoot)
	return b < boot || b == boot && load64(slot, slotOffsetSequence) < sequence
}

// read takes the texts out of a record, whose digest is right: a map of numbers,
// strings and simple values (RFC 8949, 3). It ends at anything else.
func (r *Recent) read(v View) {
	at := uintptr(0)
	_, pairs, ok := headAt(v, &at)
	for ; ok && pairs > 0; pairs-- {
		var key, value uint64
		var major byte
		if _, key, ok = headAt(v, &at); !ok {
			return
		}
		if major, value, ok = headAt(v, &at); !ok || major != majorBytes && major != majorText {
			continue
		}
		if value > uint64(v.length-at) {
			return
		}
		text := View{unsafe.Add(v.start, at), uintptr(value)}
		at += uintptr(value)
		switch key {
		case keyClass:
			r.Class = text
		case keySource:
			r.Source = text
		case keyMessage:
			r.Message = text
		}
	}
}

// headAt reads the head of a data item.
func headAt(v View, at *uintptr) (major byte, value uint64, ok bool) {
	if *at >= v.length {
		return 0, 0, false
	}
	first := v.At(*at)
	*at++
	major, value = first&^31, uint64(first&31)
	if value < 24 {
		return major, value, true
	}
	n := uintptr(1) << (value - 24)
	if value > 27 || n > v.length-*at {
		return 0, 0, false
	}
	value = 0
	for ; n > 0; n-- {
		value = value<<8 | uint64(v.At(*at))
		*at++
	}
	return major, value, true
}
