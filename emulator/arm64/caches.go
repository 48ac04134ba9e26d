package arm64

import (
	"encoding/binary"

	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/physmem"
)

const (
	lineSize  = 64
	lineShift = 6
)

// CachePolicy says what caches do where the architecture leaves it open.
type CachePolicy uint8

// The policies. Both are the worst for somebody.
const (
	// KeepLines never evicts: what is not cleaned stays unseen by those who do
	// not use the caches, and what is not invalidated stays as it was.
	KeepLines CachePolicy = iota

	// EvictLines writes a dirty line back as soon as somebody has written to the
	// memory beneath it: the newer bytes are lost.
	EvictLines
)

// Caches are the caches of a machine, so that maintenance which is missing has
// consequences: data caches, which are coherent with one another and are seen by
// cacheable accesses and table walks; a unified cache below them, which is the
// point of unification; and an instruction cache of each CPU, which is filled
// from there. A cacheable access brings in the whole page, as a CPU may by
// speculation. Accesses that are not cacheable, and [emulator.Memory] itself,
// see the memory beneath. Without a line's maintenance they differ for ever.
type Caches struct {
	memory  *emulator.Memory
	policy  CachePolicy
	data    cacheLevel
	unified cacheLevel
	members []*CPU
}

// NewCaches makes caches, all empty, over a machine's memory.
func NewCaches(memory *emulator.Memory, policy CachePolicy) *Caches {
	return &Caches{memory: memory, policy: policy, data: cacheLevel{}, unified: cacheLevel{}}
}

// cacheLevel is one level, by page.
type cacheLevel map[uint64]*cachedPage

// cachedPage are the lines of a page, of which there are 64.
type cachedPage struct {
	bytes        emulator.Page
	valid, dirty uint64
}

func (l cacheLevel) page(pa uint64) *cachedPage {
	p := l[pa>>pageShift]
	if p == nil {
		p = &cachedPage{}
		l[pa>>pageShift] = p
	}
	return p
}

// line is the part of a page that a line is.
func (p *cachedPage) line(n uint64) []byte { return p.bytes[n<<lineShift:][:lineSize] }

func lineOf(pa uint64) uint64 { return pa & pageMask >> lineShift }

// unifiedPage is the page at a physical address in the unified cache, with all
// lines there; nil where there is no RAM.
func (k *Caches) unifiedPage(pa uint64) *cachedPage {
	beneath := k.memory.PageForRead(physmem.Address(pa))
	if beneath == nil {
		return nil
	}
	p := k.unified.page(pa)
	for n := uint64(0); p.valid != everyBit && n < 64; n++ {
		if p.valid>>n&1 == 0 {
			copy(p.line(n), beneath[n<<lineShift:])
			p.valid |= 1 << n
		}
	}
	return p
}

// dataPage is the same in the data caches.
func (k *Caches) dataPage(pa uint64) *cachedPage {
	p := k.data.page(pa)
	if p.valid == everyBit {
		return p
	}
	below := k.unifiedPage(pa)
	if below == nil {
		return nil
	}
	for n := range uint64(64) {
		if p.valid>>n&1 == 0 {
			copy(p.line(n), below.line(n))
			p.valid |= 1 << n
		}
	}
	return p
}

// store writes to the data caches.
func (k *Caches) store(pa uint64, size uint8, v uint64) {
	p := k.dataPage(pa)
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], v)
	copy(p.bytes[pa&pageMask:], b[:size])
	p.dirty |= 1<<lineOf(pa) | 1<<lineOf(pa+uint64(size)-1)
}

// toUnified cleans a line to the point of unification.
func (k *Caches) toUnified(pa uint64) {
	p, n := k.data[pa>>pageShift], lineOf(pa)
	if p == nil || p.dirty>>n&1 == 0 {
		return
	}
	below := k.unified.page(pa)
	copy(below.line(n), p.line(n))
	below.valid |= 1 << n
	below.dirty |= 1 << n
	p.dirty &^= 1 << n
}

// toMemory cleans a line of the unified cache to the point of coherency.
func (k *Caches) toMemory(pa uint64) {
	p, n := k.unified[pa>>pageShift], lineOf(pa)
	if p == nil || p.dirty>>n&1 == 0 {
		return
	}
	p.dirty &^= 1 << n
	if page := k.memory.PageForWrite(physmem.Address(pa)); page != nil {
		copy(page[n<<lineShift:][:lineSize], p.line(n))
	}
}

// drop forgets a line of a level.
func (k *Caches) drop(l cacheLevel, pa uint64) {
	if p, n := l[pa>>pageShift], lineOf(pa); p != nil && p.valid>>n&1 != 0 {
		p.valid &^= 1 << n
		p.dirty &^= 1 << n
		for _, c := range k.members {
			c.flushData()
		}
	}
}

// maintain is an operation on the line at a physical address.
func (k *Caches) maintain(pa uint64, what lineOperation) {
	if what&(lineClean|lineUnify) != 0 {
		k.toUnified(pa)
	}
	if what&lineClean != 0 {
		k.toMemory(pa)
	}
	if what&lineInvalidate != 0 {
		k.drop(k.data, pa)
		k.drop(k.unified, pa)
	}
}

// overwritten is told of stores to memory beneath the caches.
func (k *Caches) overwritten(pa uint64) {
	if k.policy == EvictLines {
		k.maintain(pa, lineClean)
	}
}

// Dirty is the memory that does not have yet what CPUs with caches have written.
func (k *Caches) Dirty() physmem.Ranges {
	var found []physmem.Range
	for _, level := range []cacheLevel{k.data, k.unified} {
		for page, p := range level {
			for n := range uint64(64) {
				if p.dirty>>n&1 != 0 {
					start := physmem.Address(page<<pageShift | n<<lineShift)
					found = append(found, physmem.Range{Start: start, End: start + lineSize})
				}
			}
		}
	}
	return physmem.NewRanges(found...)
}

// Flush cleans and invalidates everything.
func (k *Caches) Flush() {
	for _, r := range k.Dirty() {
		for a := r.Start; a < r.End; a += lineSize {
			k.maintain(uint64(a), lineClean)
		}
	}
	clear(k.data)
	clear(k.unified)
	for _, c := range k.members {
		c.caches.reset()
		c.flushFast()
	}
}
