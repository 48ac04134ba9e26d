package record

import "unsafe"

// areaAt checks that there is an area of this version at an address, and that
// what the panic path is about to rely on lies in it. A checksum over the header
// is not asked for: a flipped bit must not cost the record.
//
//go:nosplit
func areaAt(address, size uintptr) (unsafe.Pointer, bool) {
	p := pointer(address)
	if address == 0 || address&7 != 0 || size < offsetTable+FirstSource*sourceSize ||
		load64(p, offsetMagic) != areaMagic || load32(p, offsetVersion) != areaVersion {
		return nil, false
	}
	host := sourceAt(p, SourceHost)
	start, slot := uintptr(load64(host.block, sourceOffsetStart)), host.slotSize()
	if host.slots() != panicSlots || slot < MinSlotSize || slot > MaxSlotSize ||
		start < offsetTable || start > size || size-start < panicSlots*slot {
		return nil, false
	}
	return p, true
}

// PanicFields gives the Fields that lie in the area at an address, cleared, with
// CPU NoCPU; nil if there is no area. From the panic on nothing outside of the
// reservation may be written, and a nosplit stack has no room for it.
//
//go:nosplit
func PanicFields(area, size uintptr) *Fields {
	p, ok := areaAt(area, size)
	if !ok {
		return nil
	}
	for i := uintptr(0); i < unsafe.Sizeof(Fields{}); i += 8 {
		store64(p, offsetFields+i, 0)
	}
	f := (*Fields)(unsafe.Add(p, offsetFields))
	f.CPU = NoCPU
	return f
}

// CurrentFields gives the Fields that BeginPanic or CompletePanic was called with
// in this boot, if PanicFields gave them, for who passes a panic on while it lasts;
// nil if there is none.
//
//go:nosplit
func CurrentFields(area, size uintptr) *Fields {
	p, ok := areaAt(area, size)
	if !ok || load64(p, offsetCurrent) == 0 {
		return nil
	}
	return (*Fields)(unsafe.Add(p, offsetFields))
}

// BeginPanic writes the minimal record of a panic into the area of size bytes at
// an address, and counts a panic in a row unless this boot has had one. What it
// returns is the record's sequence number, which CompletePanic takes, or 0 where
// nothing could be written. Once it has returned the record is valid by itself,
// marked FlagMinimal. The first panic that nobody has acknowledged is kept; later
// ones share the second place, and what they overwrite is counted as lost.
//
// It takes no lock: only the one CPU that panics may call it.
//
//go:nosplit
func BeginPanic(area, size uintptr, f *Fields) uint64 {
	p, ok := areaAt(area, size)
	if !ok || f == nil {
		return 0
	}
	if load64(p, offsetCurrent) == 0 {
		putPanics(p, panics(p)+1)
	}
	host := sourceAt(p, SourceHost)
	pair := uintptr(0)
	if slotUsed(host.slot(0)) || slotUsed(host.slot(1)) {
		pair = 2
		if slotUsed(host.slot(2)) || slotUsed(host.slot(3)) {
			freeSlot(host.slot(3))
			freeSlot(host.slot(2))
			host.lose(next(p))
		}
	}
	sequence := next(p)
	store64(p, offsetCurrent, sequence)
	f.Flags |= FlagMinimal
	writePanic(host, pair, f, sequence, 1)
	f.Flags &^= FlagMinimal
	return sequence
}

// CompletePanic writes the record of a panic again, whole. The minimal one stays
// until the new one is valid, and beside it: it is what is left if this is torn.
// It reports whether there was a minimal record of that sequence number.
//
//go:nosplit
func CompletePanic(area, size uintptr, sequence uint64, f *Fields) bool {
	p, ok := areaAt(area, size)
	if !ok || f == nil || sequence == 0 {
		return false
	}
	host := sourceAt(p, SourceHost)
	for pair := uintptr(0); pair < panicSlots; pair += 2 {
		minimal := host.slot(pair)
		if slotUsed(minimal) && load64(minimal, slotOffsetSequence) == sequence &&
			load32(minimal, slotOffsetBoot) == load32(p, offsetBoot) {
			writePanic(host, pair+1, f, sequence, 2)
			return true
		}
	}
	return false
}

//go:nosplit
func writePanic(host source, slot uintptr, f *Fields, sequence uint64, revision uint32) {
	if f.Class.length == 0 {
		f.Class.Set(ViewString(ClassPanic))
	}
	if f.Source.length == 0 {
		f.Source.Set(host.nameView())
	}
	if f.Generation == 0 {
		f.Generation = load32(host.area, offsetBoot)
	}
	t := stamp{
		restart: unsafe.Add(host.area, offsetRestart), sequence: sequence, time: f.Time,
		boot: load32(host.area, offsetBoot), revision: revision,
	}
	host.write(slot, f, &t)
}

// Panics is how many boots in a row ended in a panic, this one included: what
// breaks a loop of panics. BeginPanic counts, Area.Healthy sets it back.
//
//go:nosplit
func Panics(area, size uintptr) uint32 {
	p, ok := areaAt(area, size)
	if !ok {
		return 0
	}
	return panics(p)
}

// panics is 0 where the counter and its complement do not agree.
//
//go:nosplit
func panics(area unsafe.Pointer) uint32 {
	n := load32(area, offsetPanics)
	if load32(area, offsetPanics+4) != ^n {
		return 0
	}
	return n
}

//go:nosplit
func putPanics(area unsafe.Pointer, n uint32) {
	store32(area, offsetPanics, n)
	store32(area, offsetPanics+4, ^n)
}

// LatestPanic is the newest valid record of a panic of this boot in the area at
// an address, as CBOR: complete if it was completed. Its length is 0 if there is
// none. This is what a rescue program puts into its dump notes; it lies in the
// area.
//
//go:nosplit
func LatestPanic(area, size uintptr) (address, length uintptr) {
	p, ok := areaAt(area, size)
	if !ok {
		return 0, 0
	}
	host := sourceAt(p, SourceHost)
	var best unsafe.Pointer
	for i := uintptr(0); i < panicSlots; i++ {
		slot := host.slot(i)
		if !validSlot(slot, host.slotSize()) || load32(slot, slotOffsetBoot) != load32(p, offsetBoot) {
			continue
		}
		if best == nil || !older(slot, best) {
			best = slot
		}
	}
	if best == nil {
		return 0, 0
	}
	return uintptr(best) + slotHeader, uintptr(load32(best, slotOffsetLength))
}

// validSlot checks a slot's digest.
//
//go:nosplit
func validSlot(slot unsafe.Pointer, size uintptr) bool {
	length := uintptr(load32(slot, slotOffsetLength))
	return slotUsed(slot) && length <= size-slotHeader &&
		crc32C(slot, slotOffsetLength, slotHeader-slotOffsetLength+length) == load32(slot, slotOffsetCRC)
}
