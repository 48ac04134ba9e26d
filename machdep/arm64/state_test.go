package arm64_test

import (
	"encoding/binary"
	"testing"

	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/stretchr/testify/require"
)

// sampleState has another value in each field.
func sampleState() arm64.CPUState {
	s := arm64.CPUState{
		Valid: 0x3f,
		SP:    0x200, PC: 0x201, PSTATE: 0x3c5, SPEL0: 0x203, TPIDREL0: 0x204, TPIDRROEL0: 0x205, TPIDREL1: 0x206,
		SCTLR: 0x30d0_0801 | 1<<2 | 1<<12, TCR: 0x5_b510_3510, TTBR0: 0x1234_4000_1001, TTBR1: 0x5_0000_4020_1000, MAIR: 0x00ff, VBAR: 0x209,
		CPACR: 0x30_0000, CONTEXTIDR: 0x20a,
		ESR: 0x9600_0047, FAR: 0x20b, ELR: 0x20c, SPSR: 0x6000_0005,
		MPIDR: 0x8000_0102, MIDR: 0x410f_d083, HCR: 0x8000_0000,
	}
	for i := range s.X {
		s.X[i] = 0x100 + uint64(i)
	}
	return s
}

// TestCPUStateLayout holds the offsets that assembly writes to.
func TestCPUStateLayout(t *testing.T) {
	t.Parallel()
	state := sampleState()
	wire, err := state.AppendBinary([]byte{0xaa})
	require.NoError(t, err)
	require.Equal(t, byte(0xaa), wire[0])
	wire = wire[1:]
	require.Len(t, wire, arm64.StateSize)
	for offset, want := range map[int]uint64{
		0x000: 1 | 0x3f<<32,
		0x008: 0x100, 0x0f8: 0x11e, arm64.StateOffsetSP: 0x200, 0x108: 0x201, 0x110: 0x3c5,
		0x118: 0x203, 0x120: 0x204, 0x128: 0x205, 0x130: 0x206,
		0x138: 0x30d0_1805, 0x140: 0x5_b510_3510, 0x148: 0x1234_4000_1001, 0x150: 0x5_0000_4020_1000, 0x158: 0xff, 0x160: 0x209,
		0x168: 0x30_0000, 0x170: 0x20a,
		0x178: 0x9600_0047, 0x180: 0x20b, 0x188: 0x20c, 0x190: 0x6000_0005,
		0x198: 0x8000_0102, 0x1a0: 0x410f_d083, arm64.StateOffsetHCR: 0x8000_0000,
	} {
		require.Equal(t, want, binary.LittleEndian.Uint64(wire[offset:]), "%#x", offset)
	}

	var back arm64.CPUState
	require.NoError(t, back.UnmarshalBinary(append(wire, 1, 2, 3)), "a later version may be longer")
	require.Equal(t, state, back)
	require.Error(t, back.UnmarshalBinary(wire[:arm64.StateSize-1]))
	require.Error(t, back.UnmarshalBinary(make([]byte, arm64.StateSize)), "no version")
}

func TestCPUStateRegisters(t *testing.T) {
	t.Parallel()
	state := sampleState()
	all := state.Registers()
	names := map[string]uint64{}
	for _, r := range all {
		names[r.Name] = r.Value
	}
	require.Len(t, names, len(all), "each name once")
	require.Equal(t, uint64(0x201), names["PC"])
	require.Equal(t, uint64(0x11e), names["X30"])
	require.Equal(t, uint64(0x20b), names["FAR"])
	state.Valid = arm64.StateIdentity
	require.Len(t, state.Registers(), 2)
}

func TestCPUStatePaging(t *testing.T) {
	t.Parallel()
	state := sampleState()
	lower, err := state.Paging(0x1000)
	require.NoError(t, err)
	require.Equal(t, arm64.Paging{Root: 0x1234_4000_1000, Granule: k4, VirtualBits: 48, PhysicalBits: 48}, lower)
	upper, err := state.Paging(0xffff_8000_0000_0000)
	require.NoError(t, err)
	require.Equal(t, arm64.Paging{Root: 0x4020_1000, Granule: k4, VirtualBits: 48, Upper: true, PhysicalBits: 48}, upper)
	for name, change := range map[string]func(*arm64.CPUState){
		"not captured":    func(s *arm64.CPUState) { s.Valid = arm64.StateGeneral },
		"MMU off":         func(s *arm64.CPUState) { s.SCTLR &^= arm64.SCTLRMMU },
		"EL2":             func(s *arm64.CPUState) { s.PSTATE = arm64.PSTATEEL2h },
		"half off":        func(s *arm64.CPUState) { s.TCR |= arm64.TCRDisable0 },
		"granule":         func(s *arm64.CPUState) { s.TCR |= 3 << arm64.TCRGranule0Shift },
		"size":            func(s *arm64.CPUState) { s.TCR |= 7 << arm64.TCRPhysicalShift },
		"53 virtual bits": func(s *arm64.CPUState) { s.TCR = s.TCR&^0x3f | 11 },
	} {
		state := sampleState()
		change(&state)
		_, err := state.Paging(0)
		require.ErrorIs(t, err, arm64.ErrUnsupported, name)
	}
	state.PSTATE, state.HCR = arm64.PSTATEEL2h, arm64.HCRHost
	_, err = state.Paging(0)
	require.NoError(t, err, "EL2 with VHE")
}

// TestTCR makes registers of all kinds of paging and reads them back.
func TestTCR(t *testing.T) {
	t.Parallel()
	for i, p := range pagings() {
		p.Root = 0x4000_0000
		if p.PhysicalBits == 52 {
			p.Root |= 0xa_0000_0000_0000
		}
		p.TopByteIgnored = i%2 == 0
		var tcr arm64.TCR
		var err error
		state := arm64.CPUState{Valid: arm64.StateControl, SCTLR: arm64.SCTLRMMU}
		va := uint64(0)
		if p.Upper {
			va, state.TTBR1 = ^va, p.TTBR()|5<<arm64.TTBRASIDShift|arm64.TTBRCommon
			tcr, err = arm64.TCRFor(nil, &p)
		} else {
			state.TTBR0 = p.TTBR() | 5<<arm64.TTBRASIDShift | arm64.TTBRCommon
			tcr, err = arm64.TCRFor(&p, nil)
		}
		require.NoError(t, err)
		state.TCR = tcr
		got, err := state.Paging(va)
		require.NoError(t, err, "%+v: %v", p, tcr)
		require.Equal(t, p, got, "%v", tcr)
		_, err = state.Paging(^va)
		require.ErrorIs(t, err, arm64.ErrUnsupported, "the other half is off")
	}
	lower := arm64.Paging{VirtualBits: 48}
	upper := arm64.Paging{VirtualBits: 48, Upper: true, PhysicalBits: 44}
	tcr, err := arm64.TCRFor(&lower, &upper)
	require.NoError(t, err)
	require.Equal(t, "T0SZ=16|IRGN0=1|ORGN0=1|SH0=3|T1SZ=16|IRGN1=1|ORGN1=1|SH1=3|TG1=2|IPS=5", tcr.String())
	_, err = arm64.TCRFor(&upper, nil)
	require.ErrorIs(t, err, arm64.ErrUnsupported)
	_, err = arm64.TCRFor(&arm64.Paging{Granule: 3}, nil)
	require.ErrorIs(t, err, arm64.ErrUnsupported)
	_, err = arm64.TCRFor(&arm64.Paging{LPA2: true}, &upper)
	require.ErrorIs(t, err, arm64.ErrUnsupported)
	_, err = arm64.TCRFor(&arm64.Paging{PhysicalBits: 41}, nil)
	require.ErrorIs(t, err, arm64.ErrUnsupported)
}

func TestRegisterStrings(t *testing.T) {
	t.Parallel()
	state := sampleState()
	require.Equal(t, "M|C|EOS|I|TSCXT|EIS|SPAN|nTLSMD|LSMAOE", state.SCTLR.String())
	require.Equal(t, "EL1h F|I|A|D", state.PSTATE.String())
	require.Equal(t, "EL0t C|Z", arm64.PSTATE(0x6000_0000).String())
	require.Equal(t, "AArch32 nRW", arm64.PSTATE(0x10).String())
	require.Equal(t, "ff 00 00 00 00 00 00 00", arm64.MAIRValue.String())
	require.Equal(t, uint8(arm64.MAIRDeviceNGnRnE), arm64.MAIRValue.Attribute(arm64.MAIRDevice))
	require.Equal(t, "0", arm64.SCTLR(0).String())
	require.Equal(t, "0x400000000000000", arm64.SCTLR(1<<58).String())

	require.Equal(t, "data abort, translation fault, level 3", state.ESR.String())
	require.True(t, state.ESR.IsWrite())
	require.Equal(t, "instruction abort from a lower level, permission fault, level 2", arm64.ESR(0x8200_000e).String())
	require.False(t, arm64.ESR(0x8200_004e).IsWrite())
	require.Equal(t, "SVC, syndrome 0x0", arm64.ESR(0x5600_0000).String())
	require.Equal(t, "exception class 0x3f, syndrome 0x1ffffff", arm64.ESR(0xfdff_ffff).String())
	for status, want := range map[arm64.FaultStatus]string{
		0x00: "address size fault, level 0", 0x09: "access flag fault, level 1", 0x10: "external abort", 0x11: "tag check fault",
		0x15: "external abort on a walk, level 1", 0x21: "alignment fault", 0x29: "address size fault, level -1",
		0x2b: "translation fault, level -1", 0x30: "TLB conflict", 0x3f: "fault status 0x3f",
	} {
		require.Equal(t, want, status.String())
	}

	v := arm64.VectorLowerAArch64 | arm64.VectorIRQ
	require.Equal(t, 0x480, v.Offset())
	require.Equal(t, "IRQ from a lower level", v.String())
	require.Equal(t, 0x780, (arm64.VectorLowerAArch32 | arm64.VectorSError).Offset())
	require.Equal(t, "vector 16", arm64.Vector(16).String())
	require.Equal(t, "already on", arm64.PSCIResult(-4).String())
	require.Equal(t, "PSCI result 7", arm64.PSCIResult(7).String())
}

// FuzzCPUState checks that what decodes encodes to the same.
func FuzzCPUState(f *testing.F) {
	state := sampleState()
	wire, err := state.AppendBinary(nil)
	require.NoError(f, err)
	f.Add(wire)
	f.Add(wire[:10])
	f.Fuzz(func(t *testing.T, data []byte) {
		var state, again arm64.CPUState
		if state.UnmarshalBinary(data) != nil {
			return
		}
		wire, err := state.AppendBinary(nil)
		require.NoError(t, err)
		require.NoError(t, again.UnmarshalBinary(wire))
		require.Equal(t, state, again)
		_, _ = state.Paging(0)
		_, _ = state.Paging(1 << 63)
	})
}
