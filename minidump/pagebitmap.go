package minidump

import (
	"fmt"
	"iter"
	"math/bits"
	"sync/atomic"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// PageBitmap is a host's live page bitmap: one bit a page, set while the page
// should be in a dump (FreeBSD's vm_page_dump).
//
// The words are the caller's, so that they can lie anywhere in memory. Every
// method may be called at any time from any number of goroutines or from a
// page allocator: words are changed by single atomic instructions, no lock is
// taken and, after NewPageBitmap, nothing is allocated but by Snapshot.
type PageBitmap struct {
	available *DumpAvail
	words     []uint64
}

// NewPageBitmap makes a bitmap over available that lives in words. It takes
// them as they are, so that a bitmap can be taken over.
func NewPageBitmap(available *DumpAvail, words []uint64) (*PageBitmap, error) {
	need := (available.Pages() + 63) / 64
	if uint64(len(words)) < need {
		return nil, fmt.Errorf("page bitmap: %d words for %d pages, which need %d", len(words), available.Pages(), need)
	}
	return &PageBitmap{available: available, words: words}, nil
}

// DumpAvail returns the ranges that the bits run over.
func (b *PageBitmap) DumpAvail() *DumpAvail { return b.available }

// Set puts the page that holds address into the dump. It reports false, and
// does nothing, where the address is not in dump_avail.
func (b *PageBitmap) Set(address physmem.Address) bool {
	bit, ok := b.available.Index(address)
	if ok {
		atomic.OrUint64(&b.words[bit/64], 1<<(bit%64))
	}
	return ok
}

// Clear takes the page that holds address out of the dump. It reports false
// where the address is not in dump_avail.
func (b *PageBitmap) Clear(address physmem.Address) bool {
	bit, ok := b.available.Index(address)
	if ok {
		atomic.AndUint64(&b.words[bit/64], ^uint64(1<<(bit%64)))
	}
	return ok
}

// Test reports whether the page that holds address is in the dump.
func (b *PageBitmap) Test(address physmem.Address) bool {
	bit, ok := b.available.Index(address)
	return ok && atomic.LoadUint64(&b.words[bit/64])&(1<<(bit%64)) != 0
}

// SetRange sets the pages of dump_avail that r touches, a word at a time, and
// returns how many pages that are.
func (b *PageBitmap) SetRange(r physmem.Range) (pages uint64) {
	return b.eachWord(r, func(word *uint64, mask uint64) { atomic.OrUint64(word, mask) })
}

// ClearRange clears the pages of dump_avail that r touches and returns how
// many pages that are.
func (b *PageBitmap) ClearRange(r physmem.Range) (pages uint64) {
	return b.eachWord(r, func(word *uint64, mask uint64) { atomic.AndUint64(word, ^mask) })
}

// eachWord calls change for each word that has bits of pages that r touches.
func (b *PageBitmap) eachWord(r physmem.Range, change func(word *uint64, mask uint64)) (pages uint64) {
	if r.IsEmpty() {
		return 0
	}
	shift := b.available.shift
	first, last := uint64(r.Start)>>shift, uint64(r.End-1)>>shift
	for i := range b.available.ranges {
		a := &b.available.ranges[i]
		from, to := max(first, a.firstPage), min(last+1, a.firstPage+a.pages)
		if from >= to {
			continue
		}
		pages += to - from
		for bit, end := a.bit(from), a.bit(to-1)+1; bit < end; {
			next := min(end, bit|63+1)
			change(&b.words[bit/64], ^uint64(0)<<(bit%64)&(^uint64(0)>>(63-(next-1)%64)))
			bit = next
		}
	}
	return pages
}

// Count is the number of pages in the dump. While others set and clear bits,
// it is a number that was true of each word at some moment.
func (b *PageBitmap) Count() (pages uint64) {
	for i := range b.words[:(b.available.Pages()+63)/64] {
		pages += uint64(bits.OnesCount64(b.word(i)))
	}
	return pages
}

// word loads word i without the bits beyond the last page.
func (b *PageBitmap) word(i int) uint64 {
	w := atomic.LoadUint64(&b.words[i])
	if left := b.available.Pages() - uint64(i)*64; left < 64 {
		w &= 1<<left - 1
	}
	return w
}

// All iterates over the addresses of the pages in the dump, in the order of
// their bits.
func (b *PageBitmap) All() iter.Seq[physmem.Address] {
	return func(yield func(physmem.Address) bool) {
		for i := range b.words[:(b.available.Pages()+63)/64] {
			for w := b.word(i); w != 0; w &= w - 1 {
				address, _ := b.available.Address(uint64(i)*64 + uint64(bits.TrailingZeros64(w)))
				if !yield(address) {
					return
				}
			}
		}
	}
}

// Snapshot copies the bits as they are now and indexes the copy. Bits beyond
// the last page are dropped.
func (b *PageBitmap) Snapshot() *BitmapSnapshot {
	words := make([]uint64, (b.available.Pages()+63)/64)
	for i := range words {
		words[i] = b.word(i)
	}
	return NewBitmapSnapshot(words, b.available.Pages())
}
