package amd64_test

import (
	"runtime"
	"testing"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/stretchr/testify/require"
)

// skylake is in short what a server of 2017 says under KVM.
func skylake() amd64.CPUID {
	return amd64.CPUID{
		{Function: 0, EAX: 0x16, EBX: 0x756e_6547, ECX: 0x6c65_746e, EDX: 0x4965_6e69},
		{Function: 1, EAX: 0x50654, EBX: 0x0300_0800, ECX: 0xfffa_3203, EDX: 0x1f8b_fbff},
		{Function: 7, EBX: 0xd19f_6ffb, ECX: 0x8},
		{Function: 0xd, EAX: 0x2e7, EBX: 0xa88, ECX: 0xa88},
		{Function: 0x15, EAX: 2, EBX: 200, ECX: 25_000_000},
		{Function: 0x16, EAX: 2600},
		{Function: 0x4000_0000, EAX: 0x4000_0001, EBX: 0x4b4d_564b, ECX: 0x564b_4d56, EDX: 0x4d},
		{Function: 0x8000_0000, EAX: 0x8000_0008},
		{Function: 0x8000_0001, ECX: 0x121, EDX: 0x2c10_0800},
		{Function: 0x8000_0007, EDX: 0x100},
		{Function: 0x8000_0008, EAX: 0x302e},
	}
}

func TestFeatures(t *testing.T) {
	t.Parallel()
	f := amd64.FeaturesOf(skylake())
	require.Equal(t, amd64.Features{
		Vendor: "GenuineIntel", Hypervisor: "KVMKVMKVM",
		LongMode: true, NoExecute: true, GigabytePages: true, PhysicalBits: 46, VirtualBits: 48,
		GlobalPages: true, PAT: true, Contexts: true, SMEP: true, SMAP: true, ProtectionKeys: true,
		FXSAVE: true, SSE2: true, SSE42: true, XSAVE: true, XCR0: 0x2e7, XSAVESize: 0xa88, AVX2: true,
		APIC: true, X2APIC: true, APICID: 3, TSCDeadline: true, InvariantTSC: true, TSCKilohertz: 2_500_000,
		RDRAND: true, FSGSBase: true, MachineCheck: true,
	}, f)
	require.NoError(t, f.Check(amd64.Paging{}))
	require.Equal(t, amd64.Paging{Levels: 4, PhysicalBits: 46}, f.Paging(amd64.Paging{Levels: 4}))

	// Leaf 15H that leaves the crystal out, as on Skylake clients.
	snapshot := skylake()
	snapshot[4].ECX = 0
	require.Equal(t, uint64(2_600_000), amd64.FeaturesOf(snapshot).TSCKilohertz)
	require.Equal(t, amd64.Features{PhysicalBits: 36, VirtualBits: 48}, amd64.FeaturesOf(nil))
}

func TestFeaturesCheck(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*amd64.Features)
		paging amd64.Paging
		want   error
	}{
		{"long mode", func(f *amd64.Features) { f.LongMode = false }, amd64.Paging{}, amd64.ErrNoLongMode},
		{"NX", func(f *amd64.Features) { f.NoExecute = false }, amd64.Paging{}, amd64.ErrNoNoExecute},
		{"SSE2", func(f *amd64.Features) { f.SSE2 = false }, amd64.Paging{}, amd64.ErrNoSSE2},
		{"FXSAVE", func(f *amd64.Features) { f.FXSAVE = false }, amd64.Paging{}, amd64.ErrNoFXSAVE},
		{"addresses", func(f *amd64.Features) { f.PhysicalBits = 60 }, amd64.Paging{}, amd64.ErrPhysicalBits},
		{"levels", func(*amd64.Features) {}, amd64.Paging{Levels: 5}, amd64.ErrNoFiveLevels},
	} {
		f := amd64.FeaturesOf(skylake())
		tt.change(&f)
		require.ErrorIs(t, f.Check(tt.paging), tt.want, tt.name)
	}
	err := amd64.Features{PhysicalBits: 36}.Check(amd64.Paging{})
	for _, want := range []error{amd64.ErrNoLongMode, amd64.ErrNoNoExecute, amd64.ErrNoSSE2, amd64.ErrNoFXSAVE} {
		require.ErrorIs(t, err, want, "all reasons are told at once")
	}
}

// TestSnapshot asks the processor that runs the test.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	snapshot, ok := amd64.Snapshot()
	require.Equal(t, runtime.GOARCH == "amd64", ok)
	if !ok {
		return
	}
	f := amd64.FeaturesOf(snapshot)
	require.NoError(t, f.Check(amd64.Paging{}), "what runs this test runs a rescue program")
	require.Len(t, f.Vendor, 12)
	t.Logf("%+v", f)
}
