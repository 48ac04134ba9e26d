//go:build linux

package kernel

// buildDirectMap replaces the direct map that a host's image was wrapped with
// by one of RAM and nothing else, in pages: what of it is read-only can change
// without blocks being split. (Linux does so for the same reason.)
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
	publish()
	// The kernel runs on what is replaced: one map and the other have the same
	// addresses for all RAM that is in use.
	store64(virtual(k.root)+k.directMap>>39&511*8, upper|entryTable)
	flush()
	return true
}

// mapDirect maps a range of RAM. upper is the table of 1 GiB entries, which
// covers 512 GiB; what lies above is not used.
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
		t := table(d+a>>21&511*8, true)
		if t == 0 {
			return false
		}
		for {
			store64(t+a>>12&511*8, a|entryData)
			a += pageSize
			if a >= end || a&(largePage-1) == 0 {
				break
			}
		}
	}
	return true
}
