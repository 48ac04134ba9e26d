package arm64_test

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/stretchr/testify/require"
)

const fuzzSize = 8 * arm64.Granule64K

// fuzzMemory is entries made of data. An entry with bit 55, which hardware
// ignores, has its address moved into memory, so that walks get somewhere.
func fuzzMemory(data []byte) []byte {
	memory := make([]byte, fuzzSize)
	if len(data) < 8 {
		return memory
	}
	for i := 0; i < len(memory); i += 8 {
		var word [8]byte
		copy(word[:], data[i%(len(data)&^7):])
		entry := binary.LittleEndian.Uint64(word[:])
		if entry>>55&1 != 0 {
			frame := (entry>>16 + uint64(i)/64) % 8
			entry = entry&^0x0003_ffff_ffff_f300 | frame<<16 | entry&0x300
		}
		binary.LittleEndian.PutUint64(memory[i:], entry)
	}
	return memory
}

// reference translates as DDI 0487 D8 tells, in the simplest way: bit counts
// instead of masks. The root is at 0.
func reference(memory []byte, p arm64.Paging, followCycles bool, va uint64) (uint64, error) {
	above := int64(va) >> p.VirtualBits
	if p.Upper && above != -1 || !p.Upper && above != 0 {
		return 0, arm64.ErrNonCanonical
	}
	page := map[int]int{k4: 12, k16: 14, k64: 16}[p.Granule]
	leaves := blocks(p)
	table, seen := uint64(0), map[uint64]bool{}
	for level := startLevel(page, p.VirtualBits); ; level++ {
		shift := page + (3-level)*(page-3)
		if level == startLevel(page, p.VirtualBits) {
			va = bitsOf(va, 0, p.VirtualBits-1)
		}
		size := min(uint64(1)<<page, uint64(8)<<max(0, p.VirtualBits-shift))
		if table+size > uint64(len(memory)) {
			return 0, arm64.ErrOutsideMemory
		}
		if seen[table] && !followCycles {
			return 0, arm64.ErrCycle
		}
		seen[table] = true
		entry := binary.LittleEndian.Uint64(memory[table+bitsOf(va, shift, min(63, shift+page-4))>>shift*8:])
		if entry&1 == 0 {
			return 0, arm64.ErrNotMapped
		}
		leaf := level == 3 || entry&2 == 0
		if level == 3 && entry&2 == 0 || leaf && leaves[len(leaves)-1] > level {
			return 0, arm64.ErrReservedBits
		}
		low := page
		if leaf {
			low = shift
		}
		address, unused := referenceAddress(entry, p, level, low, leaf)
		if unused != 0 || address>>p.PhysicalBits != 0 {
			return 0, arm64.ErrReservedBits
		}
		if !leaf {
			table = address
			continue
		}
		physical := address | bitsOf(va, 0, low-1)
		if physical >= uint64(len(memory)) {
			return 0, arm64.ErrOutsideMemory
		}
		return physical, nil
	}
}

// bitsOf are bits [high:low] of v, in place.
func bitsOf(v uint64, low, high int) uint64 { return v >> low << low << (63 - high) >> (63 - high) }

// referenceAddress is the address in an entry that maps or points to 2^low
// bytes, and the bits that must be clear.
func referenceAddress(entry uint64, p arm64.Paging, level, low int, leaf bool) (address, unused uint64) {
	address = bitsOf(entry, low, 47)
	unused = bitsOf(entry, 12, low-1)
	if low == 12 {
		unused = 0
	}
	if leaf && level < 3 {
		unused &^= 1 << 16
	}
	switch {
	case p.LPA2:
		address |= bitsOf(entry, 48, 49) | bitsOf(entry, 8, 9)<<42
	case p.PhysicalBits > 48:
		unused = unused&^0xf000 | bitsOf(entry, 48, 49)
		address |= bitsOf(entry, 12, 15) << 36
	default:
		unused |= bitsOf(entry, 48, 49)
	}
	return address, unused
}

func fuzzSeeds(f *testing.F) {
	f.Helper()
	entry := func(words ...uint64) []byte {
		var b []byte
		for _, w := range words {
			b = binary.LittleEndian.AppendUint64(b, w)
		}
		return b
	}
	const ignored = 1 << 55
	f.Add([]byte{}, uint64(0), uint8(0), uint8(0))
	f.Add(entry(ignored|3), uint64(0x1234), uint8(0), uint8(0))                              // all valid, all in memory
	f.Add(entry(ignored|3, ignored|0x1_0003), uint64(0x8000_1234), uint8(20), uint8(4))      //
	f.Add(entry(ignored|3, ignored|1, 0), uint64(0xffff_8000_0000_1000), uint8(3), uint8(4)) // blocks
	f.Add(entry(ignored|0x303, ignored|0x701), uint64(0x20_0000), uint8(15), uint8(6))       // high addresses
	f.Add(entry(ignored|3, 0xffff_ffff_ffff_ffff), uint64(0x7fff_ffff), uint8(30), uint8(2))
}

func fuzzWalker(t *testing.T, data []byte, kind, flags uint8) ([]byte, *arm64.Walker) {
	memory := fuzzMemory(data)
	list := pagings()
	allowed := physmem.Ranges{{Start: 0, End: fuzzSize}}
	w, err := arm64.NewWalker(physmem.NewBytes(0, memory), allowed, list[int(kind)%len(list)])
	require.NoError(t, err)
	w.FollowCycles = flags&4 != 0
	return memory, w
}

// FuzzTranslate compares translations through arbitrary tables with reference.
func FuzzTranslate(f *testing.F) {
	fuzzSeeds(f)
	f.Fuzz(func(t *testing.T, data []byte, va uint64, kind, flags uint8) {
		memory, w := fuzzWalker(t, data, kind, flags)
		p := w.Paging()
		if flags&1 == 0 { // mostly an address of the right half
			va &= 1<<p.VirtualBits - 1
			if p.Upper {
				va |= ^uint64(0) << p.VirtualBits
			}
		}
		want, wantErr := reference(memory, p, w.FollowCycles, va)
		physical, m, err := w.Translate(va)
		if wantErr != nil {
			require.ErrorIs(t, err, wantErr)
			return
		}
		require.NoError(t, err)
		require.Equal(t, want, uint64(physical))
		require.LessOrEqual(t, m.Virtual, va)
		require.Less(t, va-m.Virtual, m.Size)
		steps, _, err := w.Trace(va, nil)
		require.NoError(t, err)
		require.Equal(t, m.Entry, steps[len(steps)-1].Entry)
		step, err := w.Lookup(va, 3)
		require.NoError(t, err)
		require.Equal(t, steps[len(steps)-1], step)
	})
}

// FuzzWalk checks that a walk through arbitrary tables ends, visits pages in
// order, and none that Translate does not give.
func FuzzWalk(f *testing.F) {
	fuzzSeeds(f)
	f.Fuzz(func(t *testing.T, data []byte, start uint64, kind, flags uint8) {
		_, w := fuzzWalker(t, data, kind, flags)
		w.MaxTables = 10
		w.OnError = func(e *arm64.WalkError) {
			if e.Err == nil || errors.Is(e, arm64.ErrNotMapped) {
				require.Failf(t, "wrong report", "%v", e)
			}
		}
		next, count := uint64(0), 0
		err := w.Walk(start, start|0xffff_ffff_ffff, func(m arm64.Mapping) error {
			if count > 0 && m.Virtual < next || m.Virtual+m.Size-1 < start {
				require.Failf(t, "out of order", "%+v", m)
			}
			next = m.Virtual + m.Size
			if count++; count > 300 {
				return nil
			}
			_, got, err := w.Translate(m.Virtual)
			if err != nil && !errors.Is(err, arm64.ErrOutsideMemory) || err == nil && got != m {
				require.Failf(t, "wrong mapping", "%+v, translated %+v, %v", m, got, err)
			}
			return nil
		})
		if err != nil {
			require.ErrorIs(t, err, arm64.ErrTooManyTables)
		}
	})
}
