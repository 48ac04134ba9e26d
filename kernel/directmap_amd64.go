//go:build linux

package kernel

// buildDirectMap replaces the direct map that a host's image was wrapped with
// by one of RAM and nothing else: a stray access to a device's registers
// through it faults. The new tables are filled before they are linked, so a
// hypervisor that shadows page tables sees them once.
//
//go:nosplit
func buildDirectMap() bool {
	upper := allocateZeroed()
	if upper == 0 {
		return false
	}
	k.stats.tables++
	f := &k.frames
	for i := uintptr(0); i < f.count; i++ {
		if !mapDirect(virtual(upper), *element(&f.ranges[0], 2*i), *element(&f.ranges[0], 2*i+1)) {
			return false
		}
	}
	top := virtual(k.root)
	if k.levels == 5 {
		top = table(top+k.directMap>>48&511*8, true)
	}
	store64(top+k.directMap>>39&511*8, upper|entryTable)
	flush()
	return true
}

// mapDirect maps a range of RAM with the largest pages that fit. upper is the
// table of 1 GiB entries. One such table covers 512 GiB; what lies above is
// not mapped and its frames are not used.
//
//go:nosplit
func mapDirect(upper, start, end uintptr) bool {
	for a := start; a < end; {
		if a>>39 != 0 {
			return true
		}
		d := table(upper+a>>30&511*8, true)
		if d == 0 {
			return false
		}
		d += a >> 21 & 511 * 8
		if a&(largePage-1) == 0 && end-a >= largePage {
			store64(d, a|entryData|entryLarge)
			a += largePage
			continue
		}
		t := table(d, true)
		if t == 0 {
			return false
		}
		store64(t+a>>12&511*8, a|entryData)
		a += pageSize
	}
	return true
}
