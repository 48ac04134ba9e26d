package arm64

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/emulator"
	machdep "github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Where the bed has its code and its data.
const (
	bedBase  = 0x40000000
	bedSize  = 32 << 20
	bedCode  = bedBase
	bedTable = bedBase + 0x100000 // translation tables, by hand
	bedData  = bedBase + 0x200000
)

// testBed is a CPU with some memory.
type testBed struct {
	t *testing.T
	c *CPU
	m *emulator.Memory
}

func newBed(t *testing.T, config Config) *testBed {
	t.Helper()
	m := emulator.NewMemory(physmem.NewRanges(physmem.Range{Start: bedBase, End: bedBase + bedSize}))
	return bedOver(t, m, config)
}

// bedOver is another CPU over the same memory.
func bedOver(t *testing.T, m *emulator.Memory, config Config) *testBed {
	t.Helper()
	c := New(0, m, config)
	c.PowerOn(bedCode, 0)
	return &testBed{t, c, m}
}

// put writes to the memory itself.
func (r *testBed) put(address, v uint64) {
	r.t.Helper()
	_, err := r.m.WritePhysical(binary.LittleEndian.AppendUint64(nil, v), physmem.Address(address))
	require.NoError(r.t, err)
}

func (r *testBed) get(address uint64) uint64 {
	r.t.Helper()
	b := make([]byte, 8)
	_, err := r.m.ReadPhysical(b, physmem.Address(address))
	require.NoError(r.t, err)
	return binary.LittleEndian.Uint64(b)
}

// code puts instructions at an address.
func (r *testBed) code(address uint64, words ...uint32) {
	r.t.Helper()
	var b []byte
	for _, w := range words {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	_, err := r.m.WritePhysical(b, physmem.Address(address))
	require.NoError(r.t, err)
}

// run executes instructions from bedCode, one by one.
func (r *testBed) run(words ...uint32) {
	r.t.Helper()
	r.code(bedCode, words...)
	r.c.pc = bedCode
	r.step(len(words))
}

func (r *testBed) step(n int) {
	r.t.Helper()
	for range n {
		exit := r.c.Step()
		require.Nil(r.t, exit, "%v", exit)
	}
}

// system sets system registers as SetState does, and the exception level.
func (r *testBed) system(pstate uint64, values map[string]uint64) {
	r.t.Helper()
	s := r.c.State().(*machine.ARM64State)
	for name, v := range values {
		require.Contains(r.t, s.System, name)
		s.System[name] = v
	}
	s.PSTATE = pstate
	require.NoError(r.t, r.c.SetState(s))
}

// paged is the state of EL1 with the MMU on and a 39-bit lower half of 4 KiB
// pages: the bed's first megabyte is itself, and pages are what is put into the
// table at bedTable+0x2000 for addresses from pagedBase on.
const (
	pagedBase  = 0x80000000
	pagedLeaf  = bedTable + 0x2000
	pageNormal = 0x703
	sctlrPaged = uint64(machdep.SCTLRMMU|machdep.SCTLRDataCache|machdep.SCTLRInstructions) | sctlrOnes1
	tcrPaged   = 25 | 1<<8 | 1<<10 | 3<<12 | 25<<16 | 1<<24 | 1<<26 | 3<<28 | 2<<30 | 5<<32 | 1<<36
	mairPaged  = 0x4400ff
	levelEL1   = 0x3c5
	levelEL0   = 0x3c0
)

func newPagedBed(t *testing.T, config Config) *testBed {
	t.Helper()
	r := newBed(t, config)
	r.page()
	return r
}

// page turns translation on.
func (r *testBed) page() {
	r.t.Helper()
	r.put(bedTable+8, 0x40000000|0x701)      // the bed itself, 1 GiB
	r.put(bedTable+16, bedTable+0x1000|3)    // pagedBase
	r.put(bedTable+0x1000, pagedLeaf|3)      //
	r.put(pagedLeaf, bedData|pageNormal)     // a first page
	r.put(pagedLeaf+8, bedData|pageNormal|8) // the same, not cacheable
	r.system(levelEL1, map[string]uint64{
		"SCTLR_EL1": sctlrPaged, "TCR_EL1": tcrPaged, "MAIR_EL1": mairPaged, "TTBR0_EL1": bedTable, "CPACR_EL1": 3 << 20, "VBAR_EL1": bedBase + 0x800,
	})
}

// status translates by the current regime and gives the fault status.
func (r *testBed) status(va uint64, kind accessKind, user bool) (uint64, uint32) {
	pa, _, status := r.c.regime.lookup(r.c, va, kind, user, r.c.pan)
	return pa, status
}
