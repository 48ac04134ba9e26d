package arm64

import (
	"encoding/binary"

	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// cpuCaches are a CPU's view of the machine's caches, and its instruction cache.
type cpuCaches struct {
	all  *Caches
	cpu  *CPU
	code cacheLevel
}

// join adds a CPU to those that the caches serve.
func (k *Caches) join(c *CPU) *cpuCaches {
	k.members = append(k.members, c)
	return &cpuCaches{all: k, cpu: c, code: cacheLevel{}}
}

// reset empties the instruction cache.
func (k *cpuCaches) reset() {
	clear(k.code)
	k.cpu.blocks.dropAll()
}

// fetch is the page that instructions come from: nil where there is no RAM.
// Lines that are there already stay as they are.
func (k *cpuCaches) fetch(pa uint64) *emulator.Page {
	below := k.all.unifiedPage(pa)
	if below == nil {
		return nil
	}
	p := k.code.page(pa)
	for n := range uint64(64) {
		if p.valid>>n&1 == 0 {
			copy(p.line(n), below.line(n))
			p.valid |= 1 << n
		}
	}
	return &p.bytes
}

// data is the page that cacheable loads read.
func (k *cpuCaches) data(pa uint64) *emulator.Page {
	p := k.all.dataPage(pa)
	if p == nil {
		return nil
	}
	return &p.bytes
}

// storeCached is a cacheable store.
func (c *CPU) storeCached(pa uint64, size uint8, v uint64) bool {
	c.caches.all.store(pa, size, v)
	return true
}

// storeBeneath is a store that goes around the caches.
func (c *CPU) storeBeneath(pa uint64, size uint8, v uint64) {
	page := c.memory.PageForWrite(physmem.Address(pa))
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], v)
	copy(page[pa&pageMask:], b[:size])
	c.caches.all.overwritten(pa)
	c.caches.all.overwritten(pa + uint64(size) - 1)
}

// line maintains the line at a physical address.
func (k *cpuCaches) line(pa uint64, what lineOperation) { k.all.maintain(pa, what) }

// set maintains lines by set and way (DDI 0487 C5.3, DC CISW), as CCSIDR_EL1
// tells of them. Way 0 stands for all ways.
func (k *cpuCaches) set(v uint64, what lineOperation) {
	level := v >> 1 & 7
	if level > 1 {
		return
	}
	ccsidr := k.cpu.sys.id.ccsidr[level][0]
	sets, ways := ccsidr>>13&0x7fff+1, ccsidr>>3&0x3ff+1
	wayShift := 32 - bitLength(ways-1)
	if v>>wayShift&(ways-1) != 0 {
		return
	}
	index := v >> lineShift & (sets - 1)
	lines := k.all.data
	if level == 1 {
		lines = k.all.unified
	}
	for page := range lines {
		for n := range uint64(64) {
			pa := page<<pageShift | n<<lineShift
			if pa>>lineShift&(sets-1) == index {
				k.ofLevel(level, pa, what)
			}
		}
	}
}

func (k *cpuCaches) ofLevel(level, pa uint64, what lineOperation) {
	lines, clean := k.all.data, k.all.toUnified
	if level == 1 {
		lines, clean = k.all.unified, k.all.toMemory
	}
	if what&lineClean != 0 {
		clean(pa)
	}
	if what&lineInvalidate != 0 {
		k.all.drop(lines, pa)
	}
}

// forgetCode empties the instruction cache, or those of all CPUs.
func (k *cpuCaches) forgetCode(shared bool) {
	if !shared {
		k.reset()
		return
	}
	for _, c := range k.all.members {
		c.caches.reset()
	}
}

// forgetCodeAt drops the line at a physical address from all instruction caches.
func (k *cpuCaches) forgetCodeAt(pa uint64) {
	for _, c := range k.all.members {
		if p := c.caches.code[pa>>pageShift]; p != nil && p.valid>>lineOf(pa)&1 != 0 {
			p.valid &^= 1 << lineOf(pa)
			c.blocks.drop(physmem.Address(pa &^ pageMask))
		}
	}
}
