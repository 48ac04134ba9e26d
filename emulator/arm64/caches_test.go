package arm64

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Words for the cache tests. X0 is the page by cacheable accesses, X1 by ones
// that are not; X2 is what is stored, X3 what is loaded.
const (
	storeCacheable  = 0xf9000002 // STR X2, [X0]
	storeBeneath    = 0xf9000022 // STR X2, [X1]
	loadCacheable   = 0xf9400003 // LDR X3, [X0]
	loadBeneath     = 0xf9400023 // LDR X3, [X1]
	cleanToMemory   = 0xd50b7a20 // DC CVAC, X0
	cleanToUnified  = 0xd50b7b20 // DC CVAU, X0
	cleanInvalidate = 0xd50b7e20 // DC CIVAC, X0
	invalidateLine  = 0xd5087620 // DC IVAC, X0
	zeroLine        = 0xd50b7420 // DC ZVA, X0
	barrier         = 0xd5033f9f // DSB SY
)

func newCacheBed(t *testing.T, policy CachePolicy) *testBed {
	t.Helper()
	m := emulator.NewMemory(physmem.NewRanges(physmem.Range{Start: bedBase, End: bedBase + bedSize}))
	r := bedOver(t, m, Config{Caches: NewCaches(m, policy)})
	r.page()
	// What is stored by the test is beneath the caches. The bed's code is not
	// cached, so that it can be changed.
	r.put(bedTable+8, 0x40000000|0x709)
	r.put(pagedLeaf, bedData|pageNormal)
	r.put(pagedLeaf+8, bedData|pageNormal|8)
	r.system(levelEL1, nil)
	r.c.r[0], r.c.r[1], r.c.r[2] = pagedBase, pagedBase+0x1000, 2
	r.put(bedData, 1)
	return r
}

// TestDataCache: what is seen where, without and with maintenance.
func TestDataCache(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		policy CachePolicy
		code   []uint32
		loaded uint64 // X3
		memory uint64
	}{
		{"a store is seen by a cacheable load", KeepLines, []uint32{storeCacheable, loadCacheable}, 2, 1},
		{"and not beneath", KeepLines, []uint32{storeCacheable, loadBeneath}, 1, 1},
		{"but when it is cleaned", KeepLines, []uint32{storeCacheable, cleanToMemory, barrier, loadBeneath}, 2, 2},
		{"not to the point of unification only", KeepLines, []uint32{storeCacheable, cleanToUnified, barrier, loadBeneath}, 1, 1},
		{"clean and invalidate", KeepLines, []uint32{storeCacheable, cleanInvalidate, barrier, loadBeneath}, 2, 2},
		{"invalidation loses it", KeepLines, []uint32{storeCacheable, invalidateLine, barrier, loadCacheable}, 1, 1},
		{"a line that was read is stale", KeepLines, []uint32{loadCacheable, storeBeneath, loadCacheable}, 1, 2},
		{"a clean line is not written back", KeepLines, []uint32{loadCacheable, storeBeneath, cleanToMemory, loadCacheable}, 1, 2},
		{"until it is invalidated", KeepLines, []uint32{loadCacheable, storeBeneath, invalidateLine, barrier, loadCacheable}, 2, 2},
		{"zeros by DC ZVA are cached", KeepLines, []uint32{zeroLine, loadBeneath}, 1, 1},
		{"a dirty line is not evicted", KeepLines, []uint32{storeCacheable, 0xd1000442, storeBeneath, loadBeneath}, 1, 1}, // SUB X2, X2, #1
		{"or over newer memory", EvictLines, []uint32{storeCacheable, 0x91001442, storeBeneath, loadBeneath}, 2, 2},       // ADD X2, X2, #5
		{"not when it is clean", EvictLines, []uint32{storeCacheable, cleanInvalidate, barrier, 0x91001442, storeBeneath, loadBeneath}, 7, 7},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newCacheBed(t, test.policy)
			r.run(test.code...)
			require.Equal(t, test.loaded, r.c.r[3])
			require.Equal(t, test.memory, r.get(bedData))
		})
	}
}

// TestCacheView: what is dirty, what a coherent device sees, and the end of it.
func TestCacheView(t *testing.T) {
	t.Parallel()
	r := newCacheBed(t, KeepLines)
	k := r.c.config.Caches
	r.run(storeCacheable)
	require.Equal(t, physmem.NewRanges(physmem.Range{Start: bedData, End: bedData + 64}), k.Dirty())
	b := make([]byte, 100)
	n, err := k.Coherent().ReadPhysical(b, bedData)
	require.NoError(t, err)
	require.Equal(t, 100, n)
	require.EqualValues(t, 2, b[0])
	_, err = k.Coherent().WritePhysical([]byte{9, 9}, bedData+1)
	require.NoError(t, err)
	r.run(loadCacheable)
	require.EqualValues(t, 0x090902, r.c.r[3])
	r.run(storeCacheable)
	k.Flush()
	require.Empty(t, k.Dirty())
	require.EqualValues(t, 2, r.get(bedData))
}

// TestCleanBySet: a loop over all sets and ways cleans everything.
func TestCleanBySet(t *testing.T) {
	t.Parallel()
	r := newCacheBed(t, KeepLines)
	r.run(storeCacheable)
	for level, geometry := range [2]struct{ sets, ways, shift uint64 }{{256, 2, 31}, {2048, 16, 28}} {
		for set := range geometry.sets {
			for way := range geometry.ways {
				r.c.lineBySet(way<<geometry.shift|set<<6|uint64(level)<<1, lineClean|lineInvalidate)
			}
		}
	}
	require.Empty(t, r.c.config.Caches.Dirty())
	require.EqualValues(t, 2, r.get(bedData))
	r.put(bedData, 3)
	r.run(loadCacheable)
	require.EqualValues(t, 3, r.c.r[3])
}

// TestInstructionCache: code that was changed is executed when it was cleaned
// and the instruction cache forgot it, not before.
func TestInstructionCache(t *testing.T) {
	t.Parallel()
	const (
		moveOne, moveTwo = 0xd2800023, 0xd2800043 // MOV X3, #1 and #2
		ret              = 0xd65f03c0
		call             = 0xd63f0000 // BLR X0
		change           = 0xb9000002 // STR W2, [X0]
		forget           = 0xd50b7520 // IC IVAU, X0
		forgetAll        = 0xd508751f // IC IALLU
		isb              = 0xd5033fdf
	)
	for _, test := range []struct {
		name string
		code []uint32 // between two calls
		want uint64
	}{
		{"nothing", []uint32{change}, 1},
		{"the data cache only", []uint32{change, cleanToUnified, barrier, isb}, 1},
		{"the instruction cache only", []uint32{change, forget, barrier, isb}, 1},
		{"both", []uint32{change, cleanToUnified, barrier, forget, barrier, isb}, 2},
		{"all", []uint32{change, cleanToMemory, barrier, forgetAll, barrier, isb}, 2},
		{"in the wrong order", []uint32{change, forget, barrier, cleanToUnified, barrier, isb}, 2}, // nothing was fetched between
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newCacheBed(t, KeepLines)
			r.code(bedData, moveOne, ret)
			r.c.r[2] = moveTwo
			r.run(call)
			r.step(2)
			require.EqualValues(t, 1, r.c.r[3])
			require.EqualValues(t, bedCode+4, r.c.pc)
			r.run(test.code...)
			r.run(call)
			r.step(2)
			require.Equal(t, test.want, r.c.r[3])
		})
	}
}

// TestCodeOfBlocks: code that is changed while it is kept as a block, also by
// another CPU, is executed anew when the instruction caches that have it forget
// it.
func TestCodeOfBlocks(t *testing.T) {
	t.Parallel()
	const (
		moveOne, moveTwo = 0xd2800023, 0xd2800043 // MOV X3, #1 and #2
		spin             = 0x14000000
	)
	for name, test := range map[string]struct {
		forget uint32 // of the CPU that changes it
		want   uint64
	}{
		"NOP": {0xd503201f, 1}, "IC IVAU": {0xd50b7520, 2}, "IC IALLU, of another CPU": {0xd508751f, 1}, "IC IALLUIS": {0xd508711f, 2},
	} {
		r := newCacheBed(t, KeepLines)
		other := bedOver(t, r.m, Config{Caches: r.c.config.Caches})
		other.page()
		r.code(bedData, moveOne, spin)
		runBlocks := func() uint64 {
			other.c.pc, other.c.r[3] = pagedBase, 0
			require.Nil(t, other.c.Run(other.c.count+10, false))
			return other.c.r[3]
		}
		require.EqualValues(t, 1, runBlocks(), name)
		r.c.r[2] = spin<<32 | moveTwo
		r.run(storeCacheable, cleanToUnified, barrier, test.forget, barrier)
		require.Equal(t, test.want, runBlocks(), name)
	}
}

// TestCodeWithoutCaches: where caches are not modelled, code that is changed is
// executed at once, also behind the store in one block.
func TestCodeWithoutCaches(t *testing.T) {
	t.Parallel()
	r := newBed(t, Config{})
	// STR W2, [X0]; MOV X3, #1, which becomes MOV X3, #2; B .
	r.code(bedCode, 0xb9000002, 0xd2800023, 0x14000000)
	r.c.r[0], r.c.r[2] = bedCode+4, 0xd2800043
	require.Nil(t, r.c.Run(20, false))
	require.EqualValues(t, 2, r.c.r[3])
}
