package amd64_test

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/stretchr/testify/require"
)

const fuzzPages = 8

// fuzzMemory is pages of entries made of data. An entry with its ignored bit 9
// set has its address moved into memory, so that walks get somewhere.
func fuzzMemory(data []byte) []byte {
	memory := make([]byte, fuzzPages*amd64.PageSize)
	if len(data) < 8 {
		return memory
	}
	for i := 0; i < len(memory); i += 8 {
		var word [8]byte
		copy(word[:], data[i%(len(data)&^7):])
		entry := binary.LittleEndian.Uint64(word[:])
		if entry>>9&1 != 0 {
			frame := (entry>>12 + uint64(i)/64) % fuzzPages
			entry = entry&^0x000f_ffff_ffff_f000 | frame<<12
		}
		binary.LittleEndian.PutUint64(memory[i:], entry)
	}
	return memory
}

// reference translates as Intel SDM 3A 4.5.4 tells, in the simplest way.
func reference(memory []byte, p amd64.Paging, followCycles bool, va uint64) (uint64, error) {
	high := int64(va) >> (p.VirtualBits() - 1)
	if high != 0 && high != -1 {
		return 0, amd64.ErrNonCanonical
	}
	table := uint64(p.Root)
	seen := map[uint64]bool{}
	for level := p.Levels; ; level-- {
		if table+4096 > uint64(len(memory)) {
			return 0, amd64.ErrOutsideMemory
		}
		if seen[table] && !followCycles {
			return 0, amd64.ErrCycle
		}
		seen[table] = true
		entry := binary.LittleEndian.Uint64(memory[table+va>>(12+9*(level-1))&511*8:])
		large := entry>>7&1 != 0
		switch {
		case entry&1 == 0:
			return 0, amd64.ErrNotMapped
		case entry&0x000f_ffff_ffff_ffff>>p.PhysicalBits != 0,
			level >= 4 && large,
			level == 3 && large && entry&0x3fff_e000 != 0,
			level == 3 && large && p.GigabytePagesOff,
			level == 2 && large && entry&0x001f_e000 != 0,
			p.NoExecuteOff && entry>>63 != 0:
			return 0, amd64.ErrReservedBits
		}
		var physical uint64
		switch {
		case level == 3 && large:
			physical = entry&0x000f_ffff_c000_0000 | va&0x3fff_ffff
		case level == 2 && large:
			physical = entry&0x000f_ffff_ffe0_0000 | va&0x1f_ffff
		case level == 1:
			physical = entry&0x000f_ffff_ffff_f000 | va&0xfff
		default:
			table = entry & 0x000f_ffff_ffff_f000
			continue
		}
		if physical >= uint64(len(memory)) {
			return 0, amd64.ErrOutsideMemory
		}
		return physical, nil
	}
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
	f.Add([]byte{}, uint64(0), uint8(0))
	f.Add(entry(0x207), uint64(0x1234), uint8(0))                                // all present, all in memory
	f.Add(entry(0x207, 0x1207, 0x2207), uint64(0x8000_1234), uint8(1))           // 5 levels
	f.Add(entry(0x207, 0x287, 0), uint64(0xffff_8000_0000_1000), uint8(4))       // large pages
	f.Add(entry(0x8000_0000_0000_0207, 0x1285), uint64(0x20_0000), uint8(8+4))   // NX
	f.Add(entry(0x207, 0xffff_ffff_ffff_fdff, 7), uint64(0x7fff_ffff), uint8(2)) // reserved bits
}

// FuzzTranslate compares translations through arbitrary tables with reference.
func FuzzTranslate(f *testing.F) {
	fuzzSeeds(f)
	f.Fuzz(func(t *testing.T, data []byte, va uint64, flags uint8) {
		memory, w := fuzzWalker(t, data, flags)
		p := w.Paging()
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
		step, err := w.Lookup(va, 1)
		require.NoError(t, err)
		require.Equal(t, steps[len(steps)-1], step)
	})
}

func fuzzWalker(t *testing.T, data []byte, flags uint8) ([]byte, *amd64.Walker) {
	memory := fuzzMemory(data)
	paging := amd64.Paging{Levels: 4 + int(flags&1), PhysicalBits: 46, GigabytePagesOff: flags&2 != 0, NoExecuteOff: flags&8 != 0}
	allowed := physmem.Ranges{{Start: 0, End: fuzzPages * amd64.PageSize}}
	w, err := amd64.NewWalker(physmem.NewBytes(0, memory), allowed, paging)
	require.NoError(t, err)
	w.FollowCycles = flags&4 != 0
	return memory, w
}

// FuzzWalk checks that a walk through arbitrary tables ends, visits pages in
// order, and none that Translate does not give.
func FuzzWalk(f *testing.F) {
	fuzzSeeds(f)
	f.Fuzz(func(t *testing.T, data []byte, start uint64, flags uint8) {
		_, w := fuzzWalker(t, data, flags)
		w.MaxTables = 50
		w.OnError = func(e *amd64.WalkError) {
			if e.Err == nil || errors.Is(e, amd64.ErrNotMapped) {
				require.Failf(t, "wrong report", "%v", e)
			}
		}
		next, count := uint64(0), 0
		err := w.Walk(start, start|0xffff_ffff_ffff, func(m amd64.Mapping) error {
			if count > 0 && m.Virtual < next || m.Virtual+m.Size-1 < start {
				require.Failf(t, "out of order", "%+v", m)
			}
			next = m.Virtual + m.Size
			if count++; count > 300 {
				return nil
			}
			_, got, err := w.Translate(m.Virtual)
			if err != nil && !errors.Is(err, amd64.ErrOutsideMemory) || err == nil && got != m {
				require.Failf(t, "wrong mapping", "%+v, translated %+v, %v", m, got, err)
			}
			return nil
		})
		if err != nil {
			require.ErrorIs(t, err, amd64.ErrTooManyTables)
		}
	})
}
