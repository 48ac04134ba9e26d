package arm64

import (
	"testing"

	"github.com/stretchr/testify/require"

	machdep "github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/machine"
)

// TestIllegalReturn: ERET to what there is not sets PSTATE.IL and stays (DDI 0487
// D1.4.4).
func TestIllegalReturn(t *testing.T) {
	t.Parallel()
	const eret = 0xd69f03e0
	for name, test := range map[string]struct {
		spsr, hcr uint64
		el2       bool
		legal     bool
	}{
		"EL0":                       {spsr: 0x3c0, legal: true},
		"EL0 on a stack of its own": {spsr: 0x3c1},
		"EL1t":                      {spsr: 0x3c4, legal: true},
		"EL1h":                      {spsr: 0x3c5, legal: true},
		"EL2, from EL1":             {spsr: 0x3c9},
		"EL3":                       {spsr: 0x3cd},
		"a level that is odd":       {spsr: 0x3c6},
		"AArch32":                   {spsr: 0x3d0},
		"EL1 of EL2":                {spsr: 0x3c5, hcr: 1 << 31, el2: true, legal: true},
		"EL1 that is AArch32":       {spsr: 0x3c5, el2: true},
		"EL1 with TGE":              {spsr: 0x3c5, hcr: 1<<31 | tge, el2: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newBed(t, Config{EL2: test.el2})
			level, values := uint64(levelEL1), map[string]uint64{"SPSR_EL1": test.spsr, "ELR_EL1": bedCode + 0x100}
			if test.el2 {
				level, values = 0x3c9, map[string]uint64{"SPSR_EL2": test.spsr, "ELR_EL2": bedCode + 0x100, "HCR_EL2": test.hcr}
			}
			r.system(level, values)
			r.run(eret)
			require.EqualValues(t, bedCode+0x100, r.c.pc)
			if test.legal {
				require.Equal(t, test.spsr, r.c.pstate())
			} else {
				require.Equal(t, level|uint64(machdep.PSTATEIllegal), r.c.pstate())
			}
		})
	}
}

// TestPANOnEntry: an exception to EL1 sets PAN unless SCTLR_EL1.SPAN keeps it
// (DDI 0487 D8.4.3).
func TestPANOnEntry(t *testing.T) {
	t.Parallel()
	const svc = 0xd4000001
	for sctlr, want := range map[uint64]bool{sctlrOnes1 &^ uint64(machdep.SCTLRKeepPAN): true, sctlrOnes1 | uint64(machdep.SCTLRKeepPAN): false} {
		r := newBed(t, Config{Model: Max})
		r.system(levelEL0, map[string]uint64{"SCTLR_EL1": sctlr})
		r.run(svc)
		require.Equal(t, 1, r.c.Level())
		require.Equal(t, want, r.c.pan, "SCTLR_EL1 %#x", sctlr)
		require.Zero(t, r.c.sys.spsr[1]&uint64(machdep.PSTATEPAN))
	}
}

// TestCrossingStore: a store over the end of a page whose successor is not there
// writes nothing, and faults at the successor.
func TestCrossingStore(t *testing.T) {
	t.Parallel()
	for name, word := range map[string]uint32{"STR": 0xf9000002, "STP": 0xa9000802, "STR Q": 0x3d800002, "STR H": 0x79000002} {
		r := newPagedBed(t, Config{})
		r.put(pagedLeaf+8, 0)
		r.put(bedData+0xff8, 0x1122334455667788)
		r.c.r[0], r.c.r[2] = pagedBase+0xfff, ^uint64(0)
		r.run(word)
		require.EqualValues(t, 0x1122334455667788, r.get(bedData+0xff8), name)
		require.EqualValues(t, pagedBase+0x1000, r.c.sys.far[1], name)
		require.EqualValues(t, 0x07, r.c.sys.esr[1]&0x3f, name)
		require.NotZero(t, r.c.sys.esr[1]&(1<<6), "WnR, %s", name)
	}
}

// emptyBus is a bus without a device.
type emptyBus struct{}

func (emptyBus) Read(uint64, []byte) (bool, *machine.Exit)  { return false, nil }
func (emptyBus) Write(uint64, []byte) (bool, *machine.Exit) { return false, nil }

// TestExternalAbort: where there is neither RAM nor a device a data abort tells
// of the address, and whether it was written.
func TestExternalAbort(t *testing.T) {
	t.Parallel()
	for _, bus := range []Bus{nil, emptyBus{}} {
		for word, write := range map[uint32]uint64{0xf9400001: 0, 0xf9000001: 1} { // LDR X1, [X0]; STR X1, [X0]
			r := newBed(t, Config{Bus: bus})
			r.c.r[0] = 0x1000
			r.run(word)
			require.EqualValues(t, 0x1000, r.c.sys.far[1])
			require.Equal(t, uint64(machdep.ClassDataCurrent)<<26|1<<25|write<<6|0x10, r.c.sys.esr[1], "%08x", word)
		}
	}
}
