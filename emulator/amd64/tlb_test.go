package amd64

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// space is a CPU with page tables that a test changes behind its back.
type space struct {
	t      *testing.T
	cpu    *CPU
	memory *emulator.Memory
}

// Where things are in a space. Pages hold their own address.
const (
	spaceRoot   = 0x1000
	spaceThird  = 0x2000
	spaceSecond = 0x3000
	spaceFirst  = 0x4000
	spaceOther  = 0x5000 // another first-level table
	pageOne     = 0x10000
	pageTwo     = 0x11000
	spaceVA     = 0x40_0000_0000 + 5<<12
	usual       = entryPresent | entryWrite
)

func newSpace(t *testing.T) *space {
	t.Helper()
	s := &space{t: t, memory: emulator.NewMemory(physmem.NewRanges(physmem.Range{End: 0x100000}))}
	s.cpu = New(0, s.memory, machine.NewBus(), false)
	require.NoError(t, s.cpu.SetState(machine.LongModeState(0x8000, spaceRoot)))
	s.put(spaceRoot, 0, spaceThird|usual|entryUser)
	s.put(spaceThird, 0x100, spaceSecond|usual|entryUser)
	s.put(spaceSecond, 0, spaceFirst|usual|entryUser)
	for table, leaf := range map[uint64]uint64{spaceFirst: pageOne, spaceOther: pageTwo} {
		s.put(table, 5, leaf|usual)
		s.put(table, 6, 0x12000|usual)
	}
	for _, page := range []uint64{pageOne, pageTwo, 0x12000} {
		s.put(page, 0, page)
	}
	s.cpu.cr4 |= cr4PGE | cr4PCIDE
	s.cpu.contextChanged()
	return s
}

func (s *space) put(table, index, v uint64) {
	s.t.Helper()
	_, err := s.memory.WritePhysical(binary.LittleEndian.AppendUint64(nil, v), physmem.Address(table+8*index))
	require.NoError(s.t, err)
}

func (s *space) entry(table, index uint64) uint64 {
	v, ok := s.cpu.physical64(table + 8*index)
	require.True(s.t, ok)
	return v
}

// sees requires that a load finds a page's mark; 0 is a fault.
func (s *space) sees(want uint64, what string) {
	s.t.Helper()
	got, ok := s.cpu.load64(spaceVA)
	if !ok {
		got = 0
		s.cpu.event = eventNone
	}
	require.Equal(s.t, want, got, what)
}

// TestStaleTranslations: what is in the TLB stays until the architecture lets it
// go, whatever the tables say.
func TestStaleTranslations(t *testing.T) {
	t.Parallel()
	const context = 7
	for _, test := range []struct {
		name          string
		do            func(s *space)
		local, global uint64 // what is seen then
	}{
		{"nothing", func(*space) {}, pageOne, pageOne},
		{"the tables are read again", func(s *space) { s.cpu.flushFast() }, pageOne, pageOne},
		{"INVLPG", func(s *space) { s.cpu.invalidate(spaceVA, s.cpu.context(), true) }, pageTwo, pageTwo},
		{"INVLPG of another page", func(s *space) { s.cpu.invalidate(spaceVA+0x1000, s.cpu.context(), true) }, pageOne, pageOne},
		{"MOV CR3", func(s *space) { s.cpu.writeCR3(spaceRoot | context) }, pageTwo, pageOne},
		{"MOV CR3 that keeps", func(s *space) { s.cpu.writeCR3(spaceRoot | context | 1<<63) }, pageOne, pageOne},
		{"another context and back", func(s *space) {
			s.cpu.writeCR3(spaceRoot | 8)
			s.cpu.writeCR3(spaceRoot | context | 1<<63)
		}, pageOne, pageOne},
		{"another context", func(s *space) { s.cpu.writeCR3(spaceRoot | 8) }, pageTwo, pageOne},
		{"CR4.PGE off", func(s *space) { s.cpu.writeCR4(s.cpu.cr4 &^ cr4PGE) }, pageTwo, pageTwo},
		{"CR4.SMEP on", func(s *space) { s.cpu.writeCR4(s.cpu.cr4 | cr4SMEP) }, pageTwo, pageTwo},
		{"CR4.SMAP on", func(s *space) { s.cpu.writeCR4(s.cpu.cr4 | cr4SMAP) }, pageOne, pageOne},
		{"CR0.WP on", func(s *space) { s.cpu.writeCR0(s.cpu.cr0 ^ cr0WP) }, pageOne, pageOne},
		{"INVPCID of the address", func(s *space) { s.invpcid(0, context, spaceVA) }, pageTwo, pageOne},
		{"INVPCID of the address elsewhere", func(s *space) { s.invpcid(0, 8, spaceVA) }, pageOne, pageOne},
		{"INVPCID of the context", func(s *space) { s.invpcid(1, context, 0) }, pageTwo, pageOne},
		{"INVPCID of all", func(s *space) { s.invpcid(2, 0, 0) }, pageTwo, pageTwo},
		{"INVPCID of all but global ones", func(s *space) { s.invpcid(3, 0, 0) }, pageTwo, pageOne},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, flags := range []uint64{0, entryGlobal} {
				s := newSpace(t)
				require.True(t, s.cpu.writeCR3(spaceRoot|context))
				s.put(spaceFirst, 5, pageOne|usual|flags)
				s.sees(pageOne, "at first")
				s.put(spaceFirst, 5, pageTwo|usual|flags)
				test.do(s)
				require.Equal(t, eventNone, s.cpu.event)
				want := test.local
				if flags != 0 {
					want = test.global
				}
				s.sees(want, test.name)
			}
		})
	}
}

func (s *space) invpcid(kind, context, va uint64) {
	s.t.Helper()
	s.put(0x12000, 2, context)
	s.put(0x12000, 3, va)
	s.cpu.r[machine.RAX] = kind
	s.cpu.r[machine.RBX] = spaceVA + 0x1010
	operationInvalidateContext(s.cpu, &inst{reg: machine.RAX, base: machine.RBX, index: regZero, seg: regZero, mem: true})
}

// TestStaleTables: paging-structure caches have tables that are no longer there,
// until any INVLPG.
func TestStaleTables(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	_, ok := s.cpu.load64(spaceVA + 0x1000) // its neighbour: the tables are cached, the page is not
	require.True(t, ok)
	s.put(spaceSecond, 0, spaceOther|usual)
	s.sees(pageOne, "the old table is used")
	s.cpu.invalidate(spaceVA, 0, true)
	s.sees(pageTwo, "INVLPG forgets tables")
	s.put(spaceSecond, 0, spaceFirst|usual)
	s.cpu.invalidate(0x12345000, 0, true)
	s.cpu.cache.forget(func(*translation) bool { return true })
	s.sees(pageOne, "INVLPG of any address does")
}

// TestFaultsForget: rights that were added are found out by a fault, and there
// is but one of it.
func TestFaultsForget(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.put(spaceFirst, 5, pageOne|entryPresent)
	s.cpu.cr0 |= cr0WP
	s.sees(pageOne, "read only")
	s.put(spaceFirst, 5, pageOne|usual)
	s.cpu.cache.find(spaceVA, 0).dirty = true
	require.False(t, s.cpu.store64(spaceVA+8, 1), "the translation has the old rights")
	require.Equal(t, uint64(3), s.cpu.fault.code)
	s.cpu.event = eventNone
	require.True(t, s.cpu.store64(spaceVA+8, 1), "and is gone with the fault")
	s.put(spaceFirst, 5, 0)
	s.cpu.invalidate(spaceVA, 0, true)
	s.sees(0, "not there")
	s.put(spaceFirst, 5, pageTwo|usual)
	s.sees(pageTwo, "what is not there is not kept")
}

// TestDirtyFlag: it is set by the first write, through a translation that a read
// made; and not again when somebody clears it and does not tell.
func TestDirtyFlag(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.sees(pageOne, "read")
	require.Equal(t, uint64(entryAccessed), s.entry(spaceFirst, 5)&(entryAccessed|entryDirty))
	require.True(t, s.cpu.store64(spaceVA+8, 1))
	require.Equal(t, uint64(entryAccessed|entryDirty), s.entry(spaceFirst, 5)&(entryAccessed|entryDirty))
	s.put(spaceFirst, 5, pageOne|usual)
	require.True(t, s.cpu.store64(spaceVA+8, 2))
	require.Zero(t, s.entry(spaceFirst, 5)&entryDirty)
	s.cpu.invalidate(spaceVA, 0, true)
	require.True(t, s.cpu.store64(spaceVA+8, 3))
	require.NotZero(t, s.entry(spaceFirst, 5)&entryDirty)
}

// TestLargePages: INVLPG of any address in a large page forgets all of it.
func TestLargePages(t *testing.T) {
	t.Parallel()
	const va = 0x40_0000_0000
	for name, put := range map[string]func(s *space, v uint64){
		"2 MiB": func(s *space, v uint64) { s.put(spaceSecond, 0, v&^(1<<21-1)|usual|entryLarge) },
		"1 GiB": func(s *space, v uint64) { s.put(spaceThird, 0x100, v|usual|entryLarge) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSpace(t)
			put(s, 0)
			v, ok := s.cpu.load64(va + pageTwo)
			require.True(t, ok)
			require.Equal(t, uint64(pageTwo), v)
			put(s, 1<<30)
			v, ok = s.cpu.load64(va + pageOne)
			require.True(t, ok)
			require.Equal(t, uint64(pageOne), v, "the whole page was kept")
			s.cpu.invalidate(va+0x1ff000, 0, true)
			pa, ok := s.cpu.translate(va+pageOne, accessRead)
			require.True(t, ok)
			require.Equal(t, uint64(1<<30+pageOne), pa)
		})
	}
}

// TestProtectionKeys: a key that PKRU turns off holds back loads and stores of
// user pages, not of the supervisor's.
func TestProtectionKeys(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.cpu.cr4 |= cr4PKE
	s.put(spaceFirst, 5, pageOne|usual|entryUser|5<<59)
	for _, test := range []struct {
		pkru        uint32
		load, store bool
	}{{0, true, true}, {1 << 10, false, false}, {2 << 10, true, false}, {3 << 12, true, true}} {
		s.cpu.pkru, s.cpu.cr0 = test.pkru, s.cpu.cr0|cr0WP
		s.cpu.contextSwitched()
		_, ok := s.cpu.load64(spaceVA)
		require.Equal(t, test.load, ok, "PKRU %#x", test.pkru)
		require.Equal(t, test.store, s.cpu.store64(spaceVA+8, 1), "PKRU %#x", test.pkru)
		if !test.store {
			require.Equal(t, uint64(1|2|faultKey), s.cpu.fault.code)
		}
		s.cpu.event = eventNone
	}
	s.put(spaceFirst, 5, pageOne|usual|5<<59)
	s.cpu.invalidate(spaceVA, 0, true)
	s.cpu.pkru = 3 << 10
	s.sees(pageOne, "a page of the supervisor has no key")
}
