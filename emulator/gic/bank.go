package gic

import "github.com/seed64aab995/rescuekernel/device/gic"

// readBits reads a word of one of the arrays of bits, by the array's offset.
func (b *bank) readBits(kind uint64) uint32 {
	switch kind {
	case gic.DistributorGroup:
		return b.group
	case gic.DistributorEnable, gic.DistributorDisable:
		return b.enabled
	case gic.DistributorSetPending, gic.DistributorClearPending:
		return b.pending()
	case gic.DistributorSetActive, gic.DistributorClearActive:
		return b.active
	}
	return 0
}

// writeBits writes it. Of SGIs in version 2 (first) the pending state has
// registers of its own, and they cannot be disabled.
func (b *bank) writeBits(kind uint64, v uint32, first bool) {
	sgis := uint32(0)
	if first {
		sgis = 0xffff
	}
	switch kind {
	case gic.DistributorGroup:
		b.group = v
	case gic.DistributorEnable:
		b.enabled |= v
	case gic.DistributorDisable:
		b.enabled &^= v &^ sgis
	case gic.DistributorSetPending:
		b.latched |= v &^ sgis
	case gic.DistributorClearPending:
		b.latched &^= v &^ sgis
	case gic.DistributorSetActive:
		b.active |= v
	case gic.DistributorClearActive:
		b.active &^= v
	}
}

// readConfiguration is a word of ICFGR, for 16 interrupts from n on: bit 1 of
// each pair is edge.
func (b *bank) readConfiguration(n int) (v uint32) {
	for i := range 16 {
		v |= b.edge >> (n + i) & 1 << (2*i + 1)
	}
	return v
}

func (b *bank) writeConfiguration(n int, v uint32) {
	for i := range 16 {
		bit := uint32(1) << (n + i)
		b.edge &^= bit
		if v>>(2*i+1)&1 != 0 {
			b.edge |= bit
		}
	}
}
