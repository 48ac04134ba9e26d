package seekable

import "math/bits"

// XXH64 of zeros, for the content checksum of frames that the writer makes
// itself (RFC 8878 3.1.1; the algorithm is that of xxHash's specification,
// with seed 0). klauspost/compress keeps its own to itself.
const (
	prime1 uint64 = 0x9E3779B185EBCA87
	prime2 uint64 = 0xC2B2AE3D27D4EB4F
	prime3 uint64 = 0x165667B19E3779F9
	prime4 uint64 = 0x85EBCA77C2B2AE63
	prime5 uint64 = 0x27D4EB2F165667C5
)

// zeroHash is the state of XXH64 after a number of zero bytes.
type zeroHash struct {
	lanes [4]uint64
	size  uint64
}

func newZeroHash() zeroHash {
	p1 := prime1 // a variable: constants that wrap do not compile
	return zeroHash{lanes: [4]uint64{p1 + prime2, prime2, 0, -p1}}
}

// add hashes n more zero bytes, a multiple of 32.
func (h *zeroHash) add(n int) {
	a, b, c, d := h.lanes[0], h.lanes[1], h.lanes[2], h.lanes[3]
	for range n / 32 { // one round on an input of zero a lane
		a = bits.RotateLeft64(a, 31) * prime1
		b = bits.RotateLeft64(b, 31) * prime1
		c = bits.RotateLeft64(c, 31) * prime1
		d = bits.RotateLeft64(d, 31) * prime1
	}
	h.lanes = [4]uint64{a, b, c, d}
	h.size += uint64(n)
}

// sum is the low 32 bits of the digest.
func (h *zeroHash) sum() uint32 {
	a, b, c, d := h.lanes[0], h.lanes[1], h.lanes[2], h.lanes[3]
	x := bits.RotateLeft64(a, 1) + bits.RotateLeft64(b, 7) + bits.RotateLeft64(c, 12) + bits.RotateLeft64(d, 18)
	for _, lane := range h.lanes {
		x ^= bits.RotateLeft64(lane*prime2, 31) * prime1
		x = x*prime1 + prime4
	}
	x += h.size
	x ^= x >> 33
	x *= prime2
	x ^= x >> 29
	x *= prime3
	x ^= x >> 32
	return uint32(x)
}
