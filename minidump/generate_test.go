package minidump

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/stretchr/testify/require"
)

// This file generates machines: physical memory with odd maps, page tables
// and a page bitmap, together with the truth about them. Nothing in it uses
// the code under test: tables are written entry by entry after the manuals,
// the bitmap after the formula of FreeBSD's vm_dumpset.h.

// mapping is one leaf of the generated page tables.
type generatedMapping struct {
	virtual  uint64
	physical physmem.Address
	size     uint64
}

// machineConfig says which machine to generate.
type machineConfig struct {
	name         string
	architecture Architecture
	pageSize     int // 0 = 4096
	levels       int // amd64: 4 or 5
	virtualBits  int // arm64: bits of a virtual address, 48 if zero
	ram          []physmem.Range
	available    []physmem.Range // dump_avail; ram if nil
	kernelSize   uint64          // of the window, in bytes
	huge         []uint64        // sizes of large mappings to make
	strayBits    bool            // set bits beyond the last page
	density      int             // one page in this many is dumped, apart from runs
	noDirectMap  bool
	seed         uint64
}

// machine is a generated machine and the truth about it.
type machine struct {
	config       machineConfig
	memory       *patternMemory
	available    []physmem.Range
	bitmap       []byte
	dumped       []physmem.Address // pages whose bits are set, in bit order
	root         physmem.Address
	kernelBase   uint64
	kernelEnd    uint64
	directBase   uint64
	directEnd    uint64
	directOffset physmem.Address
	mappings     []generatedMapping
	tables       []physmem.Address // leaf tables of 4 KiB (16 KiB) pages
	ring         []byte
	position     uint64
	random       *rand.Rand
	nextFrame    physmem.Address // frames for page tables come from here
	frameEnd     physmem.Address
}

const (
	generatedRing = 3000 // bytes of message buffer: room for struct msgbuf in its page
	amd64Kernel   = 0xfffffe0000000000
	amd64Direct   = 0xfffff80000000000
	la57Kernel    = 0xffe0000000000000
	la57Direct    = 0xff00000000000000
	arm64Kernel   = 0xffff000000000000
	arm64Direct   = 0xffffa00000000000
	// arm64Kernel47 is where the upper half begins with 47 bits of address.
	arm64Kernel47 = 0xffff800000000000
)

// machineConfigs are the machines that the round trips run over.
func machineConfigs() []machineConfig {
	const mib, gib = 1 << 20, 1 << 30
	return []machineConfig{
		{name: "amd64 plain", architecture: AMD64, levels: 4, density: 40, kernelSize: 2 * gib,
			ram: []physmem.Range{{Start: 0, End: 0x9f000}, {Start: 0x100000, End: 24 * mib}}, huge: []uint64{2 * mib}},
		{name: "amd64 unaligned ends", architecture: AMD64, levels: 4, density: 30, kernelSize: gib, strayBits: true,
			ram:       []physmem.Range{{Start: 0x1400, End: 0x9fc00}, {Start: 0x100200, End: 0x7fdf400}, {Start: 0x8000000, End: 0x8123000}},
			available: []physmem.Range{{Start: 0x1400, End: 0x9fc00}, {Start: 0x104010, End: 0x7fdf400}, {Start: 0x8000000, End: 0x8123000}}},
		{name: "amd64 five levels", architecture: AMD64, levels: 5, density: 100, kernelSize: 3 * gib,
			ram: []physmem.Range{{Start: 0x1000, End: 0x9f000}, {Start: 0x100000, End: 0x4000000}, {Start: 0x140000000, End: 0x1c0000000}}, huge: []uint64{gib, 2 * mib, 2 * mib}},
		{name: "amd64 dump_avail beyond memory", architecture: AMD64, levels: 4, density: 60, kernelSize: gib,
			ram:       []physmem.Range{{Start: 0x100000, End: 0x1000000}, {Start: 0x1800000, End: 0x2000000}},
			available: []physmem.Range{{Start: 0x80000, End: 0x1200000}, {Start: 0x1700000, End: 0x2100000}}},
		{name: "arm64 blocks", architecture: ARM64, density: 60, kernelSize: 32 * mib,
			ram: []physmem.Range{{Start: 0x40000000, End: 0x44000000}, {Start: 0x44020000, End: 0x44aa1000}}, huge: []uint64{2 * mib}},
		{name: "arm64 gigabyte block", architecture: ARM64, density: 1000, kernelSize: 3 * gib,
			ram: []physmem.Range{{Start: 0x40000000, End: 0x88000000}}, huge: []uint64{gib, 2 * mib}},
		{name: "arm64 no direct map", architecture: ARM64, density: 25, kernelSize: 64 * mib, noDirectMap: true, strayBits: true,
			ram: []physmem.Range{{Start: 0x40000800, End: 0x42000000}, {Start: 0x42100000, End: 0x42345000}}},
		{name: "arm64 16 KiB", architecture: ARM64, pageSize: 16384, density: 20, kernelSize: 128 * mib,
			ram: []physmem.Range{{Start: 0x40003000, End: 0x43ffa000}, {Start: 0x50001000, End: 0x54000000}}, huge: []uint64{32 * mib}},
		{name: "arm64 16 KiB 47 bits", architecture: ARM64, pageSize: 16384, virtualBits: 47, density: 20, kernelSize: 64 * mib,
			ram: []physmem.Range{{Start: 0x40000000, End: 0x41000000}}},
	}
}

// generate builds the machine of c.
func generate(t testing.TB, c machineConfig) *machine {
	t.Helper()
	c.pageSize = max(c.pageSize, 4096)
	if c.seed == 0 {
		c.seed = uint64(len(c.name)) * 7919
	}
	m := &machine{
		config:    c,
		memory:    &patternMemory{ram: c.ram, seed: c.seed, written: map[physmem.Address][]byte{}},
		available: c.available,
		random:    rand.New(rand.NewPCG(c.seed, 1)),
	}
	if m.available == nil {
		m.available = c.ram
	}
	m.layOut()
	m.frames()
	m.root = m.newTable()
	m.mapKernel(t)
	m.ring = make([]byte, generatedRing)
	m.position = 4321
	for i := range m.position {
		m.ring[i%generatedRing] = "abcdefghijklmnopqrstuvwxyz 0123\n"[i%32]
	}
	m.setBits(t)
	return m
}

// layOut chooses the virtual addresses.
func (m *machine) layOut() {
	switch {
	case m.config.architecture == ARM64 && m.config.virtualBits == 47:
		m.kernelBase, m.directBase, m.directEnd = arm64Kernel47, arm64Direct, arm64Direct+1<<44
	case m.config.architecture == ARM64:
		m.kernelBase, m.directBase, m.directEnd = arm64Kernel, arm64Direct, 0xffffff0000000000
	case m.config.levels == 5:
		m.kernelBase, m.directBase, m.directEnd = la57Kernel, la57Direct, la57Kernel
	default:
		m.kernelBase, m.directBase, m.directEnd = amd64Kernel, amd64Direct, 0xfffffc0000000000
	}
	if m.config.architecture == ARM64 {
		m.directOffset = m.config.ram[0].Start.AlignDown(1 << 30)
	}
	if m.config.noDirectMap {
		m.directBase, m.directEnd, m.directOffset = 0, 0, 0
	}
	m.kernelEnd = m.kernelBase + m.config.kernelSize
}

// frames sets aside the end of the second range of RAM (or of the only one)
// for page tables.
func (m *machine) frames() {
	r := m.config.ram[min(1, len(m.config.ram)-1)].AlignInward(uint64(m.config.pageSize))
	m.frameEnd = r.End
	m.nextFrame = r.End - physmem.Address(40*m.config.pageSize)
}

func (m *machine) newTable() physmem.Address {
	frame := m.nextFrame
	m.nextFrame += physmem.Address(m.config.pageSize)
	if m.nextFrame > m.frameEnd {
		panic("the generated machine is out of frames")
	}
	m.memory.write(make([]byte, m.config.pageSize), frame)
	return frame
}

// shifts are the shifts of the levels' indexes, from the root's down, and how
// many bits each index has.
func (m *machine) shifts() (shifts, bits []int) {
	switch {
	case m.config.architecture == AMD64 && m.config.levels == 5:
		return []int{48, 39, 30, 21, 12}, []int{9, 9, 9, 9, 9}
	case m.config.pageSize == 16384 && m.config.virtualBits == 47:
		return []int{36, 25, 14}, []int{11, 11, 11}
	case m.config.pageSize == 16384:
		return []int{47, 36, 25, 14}, []int{1, 11, 11, 11}
	default:
		return []int{39, 30, 21, 12}, []int{9, 9, 9, 9}
	}
}

// table and leaf are entries after Intel SDM 3A 4.5.4 and DDI 0487 D8.3.
func (m *machine) table(next physmem.Address) uint64 {
	if m.config.architecture == ARM64 {
		return uint64(next) | 3
	}
	return uint64(next) | 0x63 // P, RW, A, D
}

func (m *machine) leaf(pa physmem.Address, last bool) uint64 {
	switch {
	case m.config.architecture == ARM64 && last:
		return uint64(pa) | 0x60000000000703 // XN, AF, SH, page
	case m.config.architecture == ARM64:
		return uint64(pa) | 0x60000000000701
	case last:
		return uint64(pa) | 0x8000000000000163
	default:
		return uint64(pa) | 0x80000000000001e3 // PS
	}
}

// mapLeaf maps size bytes at virtual to physical with one leaf.
func (m *machine) mapLeaf(virtual uint64, physical physmem.Address, size uint64) {
	shifts, bits := m.shifts()
	table := m.root
	for i, shift := range shifts {
		at := table + physmem.Address(8*(virtual>>shift&(1<<bits[i]-1)))
		if size == 1<<shift {
			m.putEntry(at, m.leaf(physical, i == len(shifts)-1))
			if i == len(shifts)-1 && (len(m.tables) == 0 || m.tables[len(m.tables)-1] != table) {
				m.tables = append(m.tables, table)
			}
			m.mappings = append(m.mappings, generatedMapping{virtual, physical, size})
			return
		}
		next := m.entry(at)
		if next == 0 {
			frame := m.newTable()
			m.putEntry(at, m.table(frame))
			table = frame
			continue
		}
		table = physmem.Address(next & 0x0000fffffffff000)
	}
	panic("no level has leaves of this size")
}

func (m *machine) entry(at physmem.Address) uint64 {
	var b [8]byte
	page := make([]byte, patternPage)
	m.memory.page(page, at.AlignDown(patternPage))
	copy(b[:], page[at-at.AlignDown(patternPage):])
	return binary.LittleEndian.Uint64(b[:])
}

func (m *machine) putEntry(at physmem.Address, e uint64) {
	m.memory.write(binary.LittleEndian.AppendUint64(nil, e), at)
}

// mapKernel maps the large leaves, each at the next place that its size
// allows, then runs of small pages.
func (m *machine) mapKernel(t testing.TB) {
	t.Helper()
	page := uint64(m.config.pageSize)
	va := m.kernelBase
	for _, size := range m.config.huge {
		va = (va + size - 1) &^ (size - 1)
		pa := m.config.ram[len(m.config.ram)-1].AlignOutward(size).Start
		if r := m.config.ram[len(m.config.ram)-1].AlignInward(size); !r.IsEmpty() {
			pa = r.Start
		}
		require.LessOrEqual(t, va+size, m.kernelEnd)
		m.mapLeaf(va, pa, size)
		va += size
	}
	for range 6 {
		va += page * m.random.Uint64N(80)
		for range m.random.Uint64N(40) + 1 {
			if va+page > m.kernelEnd {
				return
			}
			m.mapLeaf(va, m.randomPage(), page)
			va += page
		}
		if step := uint64(1) << 21; m.random.Uint64N(2) == 0 && va+4*step < m.kernelEnd {
			va += step * (1 + m.random.Uint64N(2))
		}
	}
}

// randomPage is the address of some page of RAM that is no page table.
func (m *machine) randomPage() physmem.Address {
	r := m.config.ram[m.random.IntN(len(m.config.ram))].AlignInward(uint64(m.config.pageSize))
	n := r.Size() / uint64(m.config.pageSize)
	return r.Start + physmem.Address(m.random.Uint64N(n)*uint64(m.config.pageSize))
}

// pages is the number of bits that a range of dump_avail has.
func (m *machine) pages(r physmem.Range) uint64 {
	return r.AlignOutward(uint64(m.config.pageSize)).Size() / uint64(m.config.pageSize)
}

// bit is the number of the bit of a page, or false.
func (m *machine) bit(page physmem.Address) (uint64, bool) {
	var bit uint64
	for _, r := range m.available {
		outer := r.AlignOutward(uint64(m.config.pageSize))
		if outer.Contains(page) {
			return bit + uint64(page-outer.Start)/uint64(m.config.pageSize), true
		}
		bit += m.pages(r)
	}
	return 0, false
}

// setBits marks the pages to dump: what the kernel maps with small pages, the
// ends of each range, a few runs, and scattered pages.
func (m *machine) setBits(t testing.TB) {
	t.Helper()
	var total uint64
	for _, r := range m.available {
		total += m.pages(r)
	}
	m.bitmap = make([]byte, (total+63)/64*8)
	set := func(bit uint64) { m.bitmap[bit/8] |= 1 << (bit % 8) }
	for _, l := range m.mappings {
		if bit, ok := m.bit(l.physical); ok {
			set(bit)
		}
	}
	var first uint64
	for _, r := range m.available {
		n := m.pages(r)
		set(first)
		set(first + n - 1)
		for range 3 {
			start := m.random.Uint64N(n)
			for i := start; i < min(n, start+m.random.Uint64N(100)); i++ {
				set(first + i)
			}
		}
		for range n / uint64(m.config.density) {
			set(first + m.random.Uint64N(n))
		}
		first += n
	}
	for bit := range total {
		if m.bitmap[bit/8]>>(bit%8)&1 == 1 {
			m.dumped = append(m.dumped, m.address(bit))
		}
	}
	if m.config.strayBits {
		m.bitmap = append(m.bitmap, 0xff, 0x01)
		for bit := total; bit < (total+63)/64*64; bit++ {
			set(bit)
		}
	}
}

// address is the address of the page of a bit.
func (m *machine) address(bit uint64) physmem.Address {
	for _, r := range m.available {
		if n := m.pages(r); bit >= n {
			bit -= n
			continue
		}
		return r.Start.AlignDown(uint64(m.config.pageSize)) + physmem.Address(bit*uint64(m.config.pageSize))
	}
	panic("bit beyond the end")
}

// dumpAvailable is dump_avail as the host holds it: pairs and a zero pair.
func (m *machine) dumpAvailable() []byte {
	var b []byte
	for _, r := range append(m.available[:len(m.available):len(m.available)], physmem.Range{}) {
		b = binary.LittleEndian.AppendUint64(b, uint64(r.Start))
		b = binary.LittleEndian.AppendUint64(b, uint64(r.End))
	}
	return b
}

// truePage is what a dump must hold for a page: memory, with zeros where
// there is none. The ends of all generated RAM are multiples of 512.
func (m *machine) truePage(page physmem.Address) []byte {
	p := make([]byte, m.config.pageSize)
	for i := 0; i < len(p); i += 512 {
		if at := page + physmem.Address(i); m.memory.limit(at) > at {
			_, _ = m.memory.ReadPhysical(p[i:i+512], at)
		}
	}
	return p
}
