package arm64_test

import (
	"runtime"
	"testing"

	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/stretchr/testify/require"
)

// cortexA72 is what a Cortex-A72 r0p3 says (Arm 100095, 4.2).
func cortexA72() arm64.IDRegisters {
	return arm64.IDRegisters{
		MIDR: 0x410f_d083, MPIDR: 0x8000_0003,
		PFR0: 0x2222, MMFR0: 0x1124, ISAR0: 0x1_1120, DFR0: 0x1030_5106,
		CTR: 0x8444_c004, DCZID: 4, CNTFRQ: 62_500_000,
	}
}

func TestFeatures(t *testing.T) {
	t.Parallel()
	f := arm64.FeaturesOf(cortexA72())
	require.Equal(t, arm64.Features{
		Implementer: 0x41, Part: 0xd08, Affinity: 3, EL2: true, FloatingPoint: true,
		PhysicalBits: 44, Granules: []int{k4, k64}, ASIDBits: 16, MixedEndian: true,
		CRC32: true, SHA2: true, AES: true, DebugVersion: 6,
		DataCacheLine: 64, InstructionCacheLine: 64, ZeroBlock: 64, CounterHertz: 62_500_000,
	}, f)
	require.NoError(t, f.Check(arm64.Paging{}))
	require.NoError(t, f.Check(arm64.Paging{Granule: k64}))

	// One with everything (fields of DDI 0487 set by hand).
	id := cortexA72()
	id.PFR0 |= 1<<24 | 1<<32
	id.PFR1 = 1 | 3<<8
	id.MMFR0 = 6 | 2<<4 | 2<<20 | 1<<28
	id.MMFR1 = 2 | 1<<8 | 1<<20
	id.MMFR2 = 1<<16 | 1<<28 | 2<<52
	id.ISAR0 |= 2<<20 | 1<<60
	id.ISAR1 = 1 << 8
	id.DCZID = 0x14
	f = arm64.FeaturesOf(id)
	require.Equal(t, arm64.Features{
		Implementer: 0x41, Part: 0xd08, Affinity: 3, EL2: true, FloatingPoint: true, SVE: true, GICRegisters: true,
		PhysicalBits: 52, Granules: []int{k4, k16, k64}, LPA2Granules: []int{k4, k16}, LVA: true, ASIDBits: 16,
		AccessFlag: true, DirtyState: true, VHE: true, PAN: true, BTI: true, MTE: true, PointerAuth: true, SmallTables: true, BBMLevel: 2,
		CRC32: true, SHA2: true, AES: true, Atomics: true, Random: true, DebugVersion: 6,
		DataCacheLine: 64, InstructionCacheLine: 64, CounterHertz: 62_500_000,
	}, f)
	require.NoError(t, f.Check(arm64.Paging{Granule: k16, LPA2: true}))
	require.Equal(t, 48, f.Paging(arm64.Paging{Granule: k4}).PhysicalBits)
	require.Equal(t, 52, f.Paging(arm64.Paging{Granule: k64}).PhysicalBits)
	require.Equal(t, 44, arm64.FeaturesOf(cortexA72()).Paging(arm64.Paging{PhysicalBits: 48}).PhysicalBits)
}

func TestFeaturesCheck(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*arm64.IDRegisters)
		paging arm64.Paging
		want   error
	}{
		{"floating point", func(id *arm64.IDRegisters) { id.PFR0 |= 0xff << 16 }, arm64.Paging{}, arm64.ErrNoFloatingPoint},
		{"4 KiB", func(id *arm64.IDRegisters) { id.MMFR0 |= 0xf << 28 }, arm64.Paging{}, arm64.ErrNoGranule},
		{"16 KiB of the host", func(*arm64.IDRegisters) {}, arm64.Paging{Granule: k16}, arm64.ErrNoGranule},
		{"LPA2", func(*arm64.IDRegisters) {}, arm64.Paging{LPA2: true}, arm64.ErrNoLPA2},
		{"addresses", func(id *arm64.IDRegisters) { id.MMFR0 |= 0xf }, arm64.Paging{}, arm64.ErrPhysicalBits},
		{"counter", func(id *arm64.IDRegisters) { id.CNTFRQ = 0 }, arm64.Paging{}, arm64.ErrNoCounter},
	} {
		id := cortexA72()
		tt.change(&id)
		require.ErrorIs(t, arm64.FeaturesOf(id).Check(tt.paging), tt.want, tt.name)
	}
}

// TestSnapshot asks the processor that runs the test.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	id, ok := arm64.Snapshot()
	require.Equal(t, runtime.GOARCH == "arm64" && runtime.GOOS == "linux", ok)
	if !ok {
		return
	}
	f := arm64.FeaturesOf(id)
	require.True(t, f.FloatingPoint)
	require.NotZero(t, f.DataCacheLine)
	require.NotZero(t, f.CounterHertz)
	t.Logf("%+v", f)
}
