package minidump

import (
	"iter"
	"math/bits"
)

// BitmapSnapshot is a page bitmap that no longer changes, with an index that
// gives the rank of any bit (the number of set bits before it, which is the
// number of its page in a dump) in constant time, and the reverse in
// logarithmic time. It is safe for use by several goroutines.
//
// The index takes 8 bytes for 65536 bits and 2 bytes for 512: 8.25 MiB for the
// 256 MiB of bits of an 8 TiB machine.
type BitmapSnapshot struct {
	words []uint64
	bits  uint64
	rankIndex
}

// rankIndex holds set-bit counts before each superblock, and before each block
// counted from its superblock's start.
type rankIndex struct {
	super []uint64 // per superBits
	block []uint16 // per blockBits; at most superBits-blockBits, which fits
	total uint64
}

const (
	blockBits  = 512
	superBits  = 65536
	blockWords = blockBits / 64
	perSuper   = superBits / blockBits
)

// NewBitmapSnapshot indexes words, of which the first n bits count. It keeps
// words, clears the bits after n, and the caller must not change them later.
// There must be at least n bits.
func NewBitmapSnapshot(words []uint64, n uint64) *BitmapSnapshot {
	n = min(n, uint64(len(words))*64)
	words = words[:(n+63)/64]
	if n%64 != 0 {
		words[len(words)-1] &= 1<<(n%64) - 1
	}
	x := newRankIndex(len(words))
	x.add(words)
	return &BitmapSnapshot{words: words, bits: n, rankIndex: *x}
}

// newRankIndex makes the index of so many words, which add then fills.
func newRankIndex(words int) *rankIndex {
	blocks := (words + blockWords - 1) / blockWords
	return &rankIndex{
		super: make([]uint64, 0, (blocks+perSuper-1)/perSuper),
		block: make([]uint16, 0, blocks),
	}
}

// add counts the next words: whole blocks, but for the last time.
func (x *rankIndex) add(words []uint64) {
	for len(words) > 0 {
		if len(x.block)%perSuper == 0 {
			x.super = append(x.super, x.total)
		}
		x.block = append(x.block, uint16(x.total-x.super[len(x.super)-1]))
		block := words[:min(len(words), blockWords)]
		x.total += onesCount(block)
		words = words[len(block):]
	}
}

// onesCount is the number of set bits in words.
func onesCount(words []uint64) (n uint64) {
	for _, w := range words {
		n += uint64(bits.OnesCount64(w))
	}
	return n
}

// Len is the number of bits.
func (s *BitmapSnapshot) Len() uint64 { return s.bits }

// Count is the number of set bits.
func (s *BitmapSnapshot) Count() uint64 { return s.total }

// Words are the bits: bit b is bit b%64 of word b/64. They must not be
// changed.
func (s *BitmapSnapshot) Words() []uint64 { return s.words }

// Test reports whether bit is set; bits beyond the end are not.
func (s *BitmapSnapshot) Test(bit uint64) bool {
	return bit < s.bits && s.words[bit/64]&(1<<(bit%64)) != 0
}

// Rank is the number of set bits before bit.
func (s *BitmapSnapshot) Rank(bit uint64) uint64 {
	if bit >= s.bits {
		return s.total
	}
	word := int(bit / 64)
	rank := s.super[bit/superBits] + uint64(s.block[bit/blockBits])
	for _, w := range s.words[word&^(blockWords-1) : word] {
		rank += uint64(bits.OnesCount64(w))
	}
	return rank + uint64(bits.OnesCount64(s.words[word]&(1<<(bit%64)-1)))
}

// Select returns the set bit with rank set bits before it; false where there
// are not so many.
func (s *BitmapSnapshot) Select(rank uint64) (bit uint64, ok bool) {
	if rank >= s.total {
		return 0, false
	}
	super := search(len(s.super), func(i int) bool { return s.super[i] <= rank })
	rank -= s.super[super]
	first := super * perSuper
	blocks := s.block[first:min(len(s.block), first+perSuper)]
	block := search(len(blocks), func(i int) bool { return uint64(blocks[i]) <= rank })
	rank -= uint64(blocks[block])
	for word := (first + block) * blockWords; ; word++ {
		w := s.words[word]
		n := uint64(bits.OnesCount64(w))
		if rank >= n {
			rank -= n
			continue
		}
		for ; rank > 0; rank-- {
			w &= w - 1
		}
		return uint64(word)*64 + uint64(bits.TrailingZeros64(w)), true
	}
}

// search returns the last of n indices for which below holds; it holds for the
// first, and for none after one for which it does not.
func search(n int, below func(int) bool) int {
	low, high := 0, n
	for high-low > 1 {
		middle := int(uint(low+high) / 2)
		if below(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

// Next returns the first set bit at or after bit; false where there is none.
func (s *BitmapSnapshot) Next(bit uint64) (next uint64, ok bool) {
	return s.next(bit, 0)
}

// NextClear returns the first clear bit at or after bit, or Len.
func (s *BitmapSnapshot) NextClear(bit uint64) uint64 {
	next, ok := s.next(bit, ^uint64(0))
	if !ok {
		return s.bits
	}
	return next
}

// next finds the first bit that differs from those of background.
func (s *BitmapSnapshot) next(bit, background uint64) (uint64, bool) {
	if bit >= s.bits {
		return 0, false
	}
	i := int(bit / 64)
	w := (s.words[i] ^ background) &^ (1<<(bit%64) - 1)
	for w == 0 {
		i++
		if i == len(s.words) {
			return 0, false
		}
		w = s.words[i] ^ background
	}
	next := uint64(i)*64 + uint64(bits.TrailingZeros64(w))
	return next, next < s.bits
}

// All iterates over the set bits in order.
func (s *BitmapSnapshot) All() iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for i, w := range s.words {
			for ; w != 0; w &= w - 1 {
				if !yield(uint64(i)*64 + uint64(bits.TrailingZeros64(w))) {
					return
				}
			}
		}
	}
}

// Runs iterates over the runs of set bits, as first bit and the bit after the
// last.
func (s *BitmapSnapshot) Runs() iter.Seq2[uint64, uint64] {
	return func(yield func(uint64, uint64) bool) {
		var start, end uint64 // the run that may go on
		for i, w := range s.words {
			for w != 0 {
				var first, n uint64
				first, n, w = firstRun(w)
				at := uint64(i)*64 + first
				if at == end && first == 0 && i > 0 { // goes on from the last word
					end += n
					continue
				}
				if end > start && !yield(start, end) {
					return
				}
				start, end = at, at+n
			}
		}
		if end > start {
			yield(start, end)
		}
	}
}
