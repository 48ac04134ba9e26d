package rescue

import "github.com/seed64aab995/rescuekernel/handoff"

// checkSeals is the first stage of the seals at panic time. It returns a bit for
// each broken one; with hardware it uses the CPU's own instruction.
//
//go:nosplit
func checkSeals(block uintptr, hardware bool) (broken uint64) {
	crc := crc32C(^uint32(0), block, handoff.OffsetHeaderCRC, hardware)
	crc = crc32C(crc, block+handoff.OffsetHeaderCRC+4, handoff.HeaderLength-handoff.OffsetHeaderCRC-4, hardware)
	if ^crc != load32(block+handoff.OffsetHeaderCRC) {
		return headerBroken // no offset in it can be believed
	}
	count := uintptr(load32(block + handoff.OffsetSealCount))
	for i := uintptr(0); i < count && i < handoff.MaxSeals; i++ {
		s := block + handoff.OffsetSeals + i*handoff.SealSlotSize
		start, length := uintptr(load64(s+handoff.OffsetSealOffset)), uintptr(load64(s+handoff.OffsetSealLength))
		if ^crc32C(^uint32(0), block+start, length, hardware) != load32(s+handoff.OffsetSealCRC) {
			broken |= 1 << i
		}
	}
	return broken
}

// crc32C updates a CRC-32C with the bytes [p, p+n), without the inversions
// before and after.
//
//go:nosplit
func crc32C(crc uint32, p, n uintptr, hardware bool) uint32 {
	if hardware {
		return crcHardware(crc, p, n)
	}
	return crcBits(crc, p, n)
}

// crcBits computes with the reflected polynomial, bit by bit: there is no table
// that could be broken. It takes some 20 ms for a reservation.
//
//go:nosplit
func crcBits(crc uint32, p, n uintptr) uint32 {
	for i := uintptr(0); i < n; i++ {
		crc ^= uint32(load8(p + i))
		for range 8 {
			crc = crc>>1 ^ 0x82f63b78&-(crc&1)
		}
	}
	return crc
}
