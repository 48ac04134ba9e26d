package trampoline_test

import (
	"encoding/binary"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// Bits of page table entries (Intel SDM 3A 4.5). Accessed and dirty are always
// set, so that the CPU has nothing to write.
const (
	present   = 1 << 0
	writable  = 1 << 1
	global    = 1 << 8
	accessed  = 1<<5 | 1<<6
	noExecute = 1 << 63
)

// tables builds page tables of 4 levels in memory, with a fifth on top.
type tables struct {
	t      tester
	memory physmem.Memory
	next   physmem.Address
	root4  physmem.Address
	root5  physmem.Address
}

func newTables(t tester, memory physmem.Memory, at physmem.Address) *tables {
	b := &tables{t: t, memory: memory, next: at}
	b.root4, b.root5 = b.table(), b.table()
	b.put(b.root5, 0, uint64(b.root4)|present|writable|accessed)
	return b
}

func (b *tables) table() physmem.Address {
	at := b.next
	b.next += 0x1000
	_, err := b.memory.WritePhysical(make([]byte, 0x1000), at)
	require.NoError(b.t, err)
	return at
}

func (b *tables) put(table physmem.Address, index, entry uint64) {
	_, err := b.memory.WritePhysical(binary.LittleEndian.AppendUint64(nil, entry), table+physmem.Address(8*index))
	require.NoError(b.t, err)
}

func (b *tables) get(table physmem.Address, index uint64) uint64 {
	var p [8]byte
	_, err := b.memory.ReadPhysical(p[:], table+physmem.Address(8*index))
	require.NoError(b.t, err)
	return binary.LittleEndian.Uint64(p[:])
}

// page maps one page of 4 KiB.
func (b *tables) page(va uint64, pa physmem.Address, flags uint64) {
	table := b.root4
	for shift := 39; shift > 12; shift -= 9 {
		index := va >> shift & 511
		entry := b.get(table, index)
		if entry == 0 {
			entry = uint64(b.table()) | present | writable | accessed
			b.put(table, index, entry)
		}
		table = physmem.Address(entry &^ 0xfff)
	}
	b.put(table, va>>12&511, uint64(pa)|present|accessed|flags)
}

// pages maps a range of pages one after the other.
func (b *tables) pages(va uint64, r physmem.Range, flags uint64) {
	for pa := r.Start; pa < r.End; pa += 0x1000 {
		b.page(va+uint64(pa-r.Start), pa, flags)
	}
}

// identity maps pages to themselves.
func (b *tables) identity(r physmem.Range, flags uint64) { b.pages(uint64(r.Start), r, flags) }
