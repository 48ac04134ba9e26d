package arm64

// rights of an entry, as they come out of all levels.
type rights uint8

const (
	rightUser     rights = 1 << iota // AP[1]: EL0 may
	rightReadOnly                    // AP[2]
	rightNoExec                      // UXN, or XN where there is one level
	rightNoPriv                      // PXN
)

// entry is what a walk finds: a page or block, as the TLB keeps it.
type tlbEntry struct {
	physical   uint64
	size       uint8 // log2
	level      int8
	rights     rights
	attributes uint8 // MAIR's byte
	share      uint8 // SH
	global     bool
	asid       uint16
}

// lookup translates va. The last result is a fault status, or statusNone.
func (r *regime) lookup(c *CPU, va uint64, kind accessKind, user, pan bool) (uint64, attribute, uint32) {
	if !r.on {
		return r.flat(c, va, kind)
	}
	key, half, ok := r.split(va)
	if !ok {
		return 0, 0, faultTranslation.status(0)
	}
	e := c.lookups.find(r, key)
	if e == nil {
		found, status := r.walk(c, key, half)
		if status != statusNone {
			return 0, 0, status
		}
		e = c.lookups.add(r, key, found)
	}
	if !r.allows(e, kind, user, pan) {
		return 0, 0, faultPermission.status(int(e.level))
	}
	mask := uint64(1)<<e.size - 1
	return e.physical&^mask | va&mask, r.attribute(e.attributes, kind), statusNone
}

// flat is translation with the MMU off (DDI 0487 D8.2.12): data is Device,
// instructions are Normal and cacheable where SCTLR.I says so.
func (r *regime) flat(c *CPU, va uint64, kind accessKind) (uint64, attribute, uint32) {
	if va>>c.sys.id.physicalBits != 0 {
		return 0, 0, faultAddressSize.status(0)
	}
	switch {
	case kind != accessExecute:
		return va, attributeDevice, statusNone
	case r.instructions:
		return va, attributeCacheable, statusNone
	}
	return va, attributeNormal, statusNone
}

// split finds the half that va belongs to, and takes the tag off.
func (r *regime) split(va uint64) (uint64, *half, bool) {
	upper := va >> 55 & 1
	h := &r.halves[upper]
	if !h.present || h.inputBits > 52 || h.inputBits < 16 {
		return 0, nil, false
	}
	if h.topByte {
		va = uint64(int64(va<<8) >> 8)
	}
	if want := -upper; int64(va)>>h.inputBits != int64(want) {
		return 0, nil, false
	}
	return va, h, true
}

// allows applies the rights of an entry (DDI 0487 D8.4).
func (r *regime) allows(e *tlbEntry, kind accessKind, user, pan bool) bool {
	writable, userMay := e.rights&rightReadOnly == 0, e.rights&rightUser != 0
	if r.oneLevel {
		if kind == accessExecute {
			return e.rights&rightNoExec == 0 && !(writable && r.writeNoExec)
		}
		return kind != accessWrite && kind != accessInvalidate || writable
	}
	switch kind {
	case accessMaintain:
		return !user || userMay
	case accessExecute:
		if r.writeNoExec && writable && (userMay || !user) {
			return false
		}
		if user { // also what it may not read
			return e.rights&rightNoExec == 0
		}
		return e.rights&rightNoPriv == 0 && !(userMay && writable)
	case accessWrite, accessInvalidate:
		if !writable {
			return false
		}
	}
	if user {
		return userMay
	}
	return !pan || !userMay
}

// attribute is what kind of memory a byte of MAIR makes it.
func (r *regime) attribute(b uint8, kind accessKind) attribute {
	switch {
	case b>>4 == 0:
		return attributeDevice
	case b>>4 == 4 || b&15 == 4:
		return attributeNormal
	case kind == accessExecute && !r.instructions, kind != accessExecute && !r.cacheable:
		return attributeNormal
	}
	return attributeCacheable
}

// walk reads the tables for va (DDI 0487 D8.2).
func (r *regime) walk(c *CPU, va uint64, h *half) (tlbEntry, uint32) {
	if h.disabled || h.granule == 0 || h.inputBits > r.largestInput(c, h) || h.inputBits < 25 {
		return tlbEntry{}, faultTranslation.status(0)
	}
	stride := h.granule - 3
	level := 4 - int((h.inputBits-h.granule+stride-1)/stride)
	table := r.root(c, h, level)
	if table>>r.addressBits(h) != 0 {
		return tlbEntry{}, faultAddressSize.status(max(level, 0))
	}
	attributes := attributeNormal
	if h.walkCached && r.cacheable {
		attributes = attributeCacheable
	}
	e := tlbEntry{asid: r.asid}
	va &= 1<<h.inputBits - 1
	for ; ; level++ {
		shift := h.granule + uint(3-level)*stride
		index := va >> shift
		if level > 4-int((h.inputBits-h.granule+stride-1)/stride) {
			index &= 1<<stride - 1
		}
		d, ok := c.physical64(table+8*index, attributes)
		if !ok {
			return tlbEntry{}, faultWalk.status(level)
		}
		leaf, ok := r.kind(d, level, h)
		if !ok {
			return tlbEntry{}, faultTranslation.status(level)
		}
		address := r.address(d, h)
		if address>>r.addressBits(h) != 0 {
			return tlbEntry{}, faultAddressSize.status(level)
		}
		if leaf {
			if d>>10&1 == 0 {
				return tlbEntry{}, faultAccessFlag.status(level)
			}
			r.leaf(&e, d, address, level, shift, h)
			return e, statusNone
		}
		if h.hierarchy {
			e.rights |= r.tableRights(d)
		}
		table = address &^ (1<<h.granule - 1)
	}
}

// largestInput is the most bits that a virtual address can have.
func (r *regime) largestInput(c *CPU, h *half) uint {
	if h.granule == 16 && c.has&featureLPA != 0 || r.lpa2 {
		return 52
	}
	return 48
}

// addressBits is how large the addresses in this half's tables may be.
func (r *regime) addressBits(h *half) uint {
	if h.granule == 16 || r.lpa2 {
		return r.outputBits
	}
	return min(r.outputBits, 48)
}

// root is the address of the first table.
func (r *regime) root(c *CPU, h *half, level int) uint64 {
	size := h.inputBits - h.granule - uint(3-level)*(h.granule-3) + 3 // log2 of the table
	base := h.ttbr & 0x0000_ffff_ffff_fffe
	if r.addressBits(h) > 48 {
		base = base&^0x3f | h.ttbr>>2&15<<48
		size = max(size, 6)
	}
	return base &^ (1<<size - 1)
}

// kind says whether a descriptor is a leaf, and whether it is valid.
func (r *regime) kind(d uint64, level int, h *half) (leaf, valid bool) {
	switch {
	case d&1 == 0:
		return false, false
	case level == 3:
		return true, d&2 != 0
	case d&2 != 0:
		return false, true
	}
	first := map[uint]int{12: 1, 14: 2, 16: 2}[h.granule]
	if r.lpa2 || h.granule == 16 && r.outputBits > 48 {
		first--
	}
	return true, level >= first
}

// address is the output address of a descriptor.
func (r *regime) address(d uint64, h *half) uint64 {
	a := d & 0x0000_ffff_ffff_f000
	switch {
	case h.granule == 16 && r.outputBits > 48:
		return a&^0xffff | d>>12&15<<48
	case r.lpa2 && h.granule != 16:
		return d&0x0003_ffff_ffff_f000 | d>>8&3<<50
	}
	return a &^ (1<<h.granule - 1)
}

// tableRights are what a table descriptor takes away.
func (r *regime) tableRights(d uint64) (taken rights) {
	if d>>62&1 != 0 {
		taken |= rightReadOnly
	}
	if d>>61&1 != 0 {
		taken |= tableNoUser
	}
	if d>>60&1 != 0 {
		taken |= rightNoExec
	}
	if d>>59&1 != 0 {
		taken |= rightNoPriv
	}
	return taken
}

// tableNoUser is APTable[0]: no access from EL0.
const tableNoUser rights = 1 << 7

// leaf fills in what a block or page descriptor says.
func (r *regime) leaf(e *tlbEntry, d, address uint64, level int, shift uint, h *half) {
	noUser := e.rights&tableNoUser != 0
	e.rights &^= tableNoUser
	if d>>6&1 != 0 && !noUser {
		e.rights |= rightUser
	}
	if d>>7&1 != 0 {
		e.rights |= rightReadOnly
	}
	if d>>54&1 != 0 {
		e.rights |= rightNoExec
	}
	if d>>53&1 != 0 {
		e.rights |= rightNoPriv
	}
	e.global = r.oneLevel || d>>11&1 == 0
	e.attributes = uint8(r.mair >> (8 * (d >> 2 & 7)))
	e.share = uint8(d >> 8 & 3)
	e.level = int8(level)
	e.size = uint8(shift)
	if d>>52&1 != 0 {
		e.size += contiguous(h.granule, level)
	}
	e.physical = address &^ (1<<e.size - 1)
}

// contiguous is log2 of how many entries the contiguous hint joins (DDI 0487
// D8.6.1).
func contiguous(granule uint, level int) uint8 {
	switch {
	case granule == 12:
		return 4
	case granule == 14 && level == 3:
		return 7
	}
	return 5
}
