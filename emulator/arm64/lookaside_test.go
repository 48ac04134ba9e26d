package arm64

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// sys is the word of a SYS instruction with X0.
func sysWord(op1, crn, crm, op2 uint32) uint32 {
	return 0xd5080000 | op1<<16 | crn<<12 | crm<<8 | op2<<5
}

// TestStaleTranslations: an entry that changes is not seen until a TLBI that
// covers it.
func TestStaleTranslations(t *testing.T) {
	t.Parallel()
	const (
		notGlobal = 1 << 11
		asid      = uint64(7) << 48
	)
	va := uint64(pagedBase) >> 12
	for _, test := range []struct {
		name   string
		bits   uint64 // of the entry
		word   uint32
		x0     uint64
		forgot bool
	}{
		{"nothing but NOP", 0, 0xd503201f, 0, false},
		{"VMALLE1", 0, sysWord(0, 8, 7, 0), 0, true},
		{"VMALLE1IS", 0, sysWord(0, 8, 3, 0), 0, true},
		{"VAE1, global", 0, sysWord(0, 8, 7, 1), va | 9<<48, true},
		{"VAE1", notGlobal, sysWord(0, 8, 7, 1), va | asid, true},
		{"VAE1, another page", notGlobal, sysWord(0, 8, 7, 1), va + 1 | asid, false},
		{"VAE1, another ASID", notGlobal, sysWord(0, 8, 7, 1), va | 9<<48, false},
		{"VALE1", notGlobal, sysWord(0, 8, 7, 5), va | asid, true},
		{"VAAE1", notGlobal, sysWord(0, 8, 7, 3), va | 9<<48, true},
		{"VAALE1", notGlobal, sysWord(0, 8, 7, 7), va, true},
		{"ASIDE1", notGlobal, sysWord(0, 8, 7, 2), asid, true},
		{"ASIDE1, another", notGlobal, sysWord(0, 8, 7, 2), 9 << 48, false},
		{"ASIDE1 leaves global ones", 0, sysWord(0, 8, 7, 2), asid, false},
		{"ISB", 0, 0xd5033fdf, 0, false},
		{"DSB", 0, 0xd5033f9f, 0, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newPagedBed(t, Config{})
			r.system(levelEL1, map[string]uint64{"TTBR0_EL1": bedTable | asid})
			r.put(pagedLeaf, bedData|pageNormal|test.bits)
			r.put(bedData, 1)
			r.put(bedData+0x1000, 2)
			load := uint32(0xf9400041) // LDR X1, [X2]
			r.c.r[2] = pagedBase
			r.run(load)
			require.EqualValues(t, 1, r.c.r[1])
			r.put(pagedLeaf, (bedData+0x1000)|pageNormal|test.bits)
			r.c.r[0] = test.x0
			r.run(test.word, load)
			want := uint64(1)
			if test.forgot {
				want = 2
			}
			require.Equal(t, want, r.c.r[1])
		})
	}
}

// TestASIDs: entries of one address space are not seen in another.
func TestASIDs(t *testing.T) {
	t.Parallel()
	r := newPagedBed(t, Config{})
	r.put(pagedLeaf, bedData|pageNormal|1<<11)
	r.put(bedData, 1)
	r.put(bedData+0x1000, 2)
	msr, load := uint32(0xd5182000), uint32(0xf9400041) // MSR TTBR0_EL1, X0
	r.c.r[2] = pagedBase
	for _, step := range []struct{ asid, leaf, want uint64 }{
		{1, bedData, 1}, {2, bedData + 0x1000, 2}, {1, bedData + 0x1000, 1}, {2, bedData, 2},
	} {
		r.put(pagedLeaf, step.leaf|pageNormal|1<<11)
		r.c.r[0] = bedTable | step.asid<<48
		r.run(msr, 0xd5033fdf, load)
		require.Equal(t, step.want, r.c.r[1])
	}
}

// TestContiguous: an entry with the contiguous hint is one of the TLB for all
// that the hint joins (DDI 0487 D8.6.1).
func TestContiguous(t *testing.T) {
	t.Parallel()
	const load = 0xf9400041 // LDR X1, [X2]
	for hint, want := range map[uint64]uint64{0: 7, 1 << 52: 6} {
		r := newPagedBed(t, Config{})
		for i := range uint64(16) {
			r.put(pagedLeaf+8*i, bedData+i<<12|pageNormal|hint)
		}
		r.put(bedData+0x6000, 6)
		r.put(bedData+0x7000, 7)
		r.c.r[2] = pagedBase + 0x3000
		r.run(load)
		r.put(pagedLeaf+8*6, bedData+0x7000|pageNormal) // seen where page 3 does not stand for it
		r.c.r[2] = pagedBase + 0x6000
		r.run(load)
		require.Equal(t, want, r.c.r[1], "hint %#x", hint)
	}
}

// TestRegimesApart: TLBI of EL1 leaves EL2's translations, and the other way
// round.
func TestRegimesApart(t *testing.T) {
	t.Parallel()
	const levelEL2, load = 0x3c9, 0xf9400041
	for name, test := range map[string]struct {
		word uint32
		want uint64
	}{"ALLE1": {sysWord(4, 8, 7, 4), 1}, "VMALLE1": {sysWord(0, 8, 7, 0), 1}, "ALLE2": {sysWord(4, 8, 7, 0), 2}, "VAE2": {sysWord(4, 8, 7, 1), 2}} {
		r := newBed(t, Config{EL2: true})
		r.page()
		r.put(bedTable+8, 0x40000000|0x741)
		r.put(pagedLeaf, bedData|pageNormal|1<<6)
		r.put(bedData, 1)
		r.put(bedData+0x1000, 2)
		r.system(levelEL2, map[string]uint64{
			"SCTLR_EL2": sctlrPaged, "TCR_EL2": 25 | 1<<8 | 1<<10 | 3<<12 | 2<<16 | 1<<31 | 1<<23, "MAIR_EL2": mairPaged, "TTBR0_EL2": bedTable, "HCR_EL2": 1 << 31,
		})
		r.c.r[0], r.c.r[2] = pagedBase>>12, pagedBase
		r.run(load)
		require.EqualValues(t, 1, r.c.r[1], name)
		r.put(pagedLeaf, (bedData+0x1000)|pageNormal|1<<6)
		r.run(test.word, load)
		require.Equal(t, test.want, r.c.r[1], name)
	}
}

// TestBroadcast: TLBI ...IS reaches other CPUs, the others do not.
func TestBroadcast(t *testing.T) {
	t.Parallel()
	for crm, want := range map[uint32]uint64{7: 1, 3: 2} {
		r := newPagedBed(t, Config{})
		other := bedOver(t, r.m, Config{})
		other.page()
		r.c.SetSiblings([]*CPU{r.c, other.c})
		other.c.r[2] = pagedBase
		r.put(bedData, 1)
		r.put(bedData+0x1000, 2)
		other.run(0xf9400041)
		r.put(pagedLeaf, (bedData+0x1000)|pageNormal)
		r.run(sysWord(0, 8, crm, 0), 0xd5033f9f)
		other.run(0xf9400041)
		require.Equal(t, want, other.c.r[1])
	}
}

// TestDelayed: what waits for DSB and ISB.
func TestDelayed(t *testing.T) {
	t.Parallel()
	const dsb, isb, load, tlbi = 0xd5033f9f, 0xd5033fdf, 0xf9400041, 0xd508871f
	for _, test := range []struct {
		name string
		code []uint32
		want uint64
	}{
		{"TLBI without DSB", []uint32{tlbi, load}, 1},
		{"TLBI, DSB", []uint32{tlbi, dsb, load}, 2},
		{"TLBI, ISB", []uint32{tlbi, isb, load}, 1},
		{"TTBR0 without ISB", []uint32{0xd5182000, load}, 1},
		{"TTBR0, ISB", []uint32{0xd5182000, isb, load}, 3},
	} {
		r := newPagedBed(t, Config{Delayed: true})
		copyTable := func(from, to uint64) {
			for i := uint64(0); i < 32; i += 8 {
				r.put(to+i, r.get(from+i))
			}
		}
		copyTable(bedTable, table1)
		r.put(table1+16, table2|3)
		r.put(table2, table3|3)
		r.put(table3, (bedData+0x2000)|pageNormal|1<<11)
		r.put(pagedLeaf, bedData|pageNormal|1<<11)
		for i := range uint64(3) {
			r.put(bedData+i<<12, i+1)
		}
		r.c.r[0], r.c.r[2] = table1|1<<48, pagedBase
		r.run(load)
		r.put(pagedLeaf, (bedData+0x1000)|pageNormal|1<<11)
		r.run(test.code...)
		require.Equal(t, test.want, r.c.r[1], test.name)
	}
}
