package amd64_test

import (
	"encoding/binary"
	"testing"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/stretchr/testify/require"
)

// sampleState has another value in each field.
func sampleState() amd64.CPUState {
	return amd64.CPUState{
		Valid: 0x3f,
		RAX:   0x100, RCX: 0x101, RDX: 0x102, RBX: 0x103, RSP: 0x104, RBP: 0x105, RSI: 0x106, RDI: 0x107,
		R8: 0x108, R9: 0x109, R10: 0x10a, R11: 0x10b, R12: 0x10c, R13: 0x10d, R14: 0x10e, R15: 0x10f,
		RIP: 0x110, RFLAGS: 0x202,
		CS: 0x10, SS: 0x18, DS: 1, ES: 2, FS: 3, GS: 4, TR: 0x40, LDTR: 5,
		FSBase: 0x120, GSBase: 0x121, KernelGSBase: 0x122,
		CR0: 0x8005_0033, CR2: 0x123, CR3: 0x1234_5008, CR4: 0x0035_06f0, CR8: 6, EFER: 0xd01, XCR0: 7,
		GDT: amd64.DescriptorTable{Base: 0x130, Limit: 0x7f}, IDT: amd64.DescriptorTable{Base: 0x131, Limit: 0xfff},
		Debug: [6]uint64{0x140, 0x141, 0x142, 0x143, 0xffff_0ff0, 0x400},
	}
}

// TestCPUStateLayout holds the offsets that assembly writes to.
func TestCPUStateLayout(t *testing.T) {
	t.Parallel()
	state := sampleState()
	wire, err := state.AppendBinary([]byte{0xaa})
	require.NoError(t, err)
	require.Equal(t, byte(0xaa), wire[0])
	wire = wire[1:]
	require.Len(t, wire, amd64.StateSize)
	for offset, want := range map[int]uint64{
		0x000: 1 | 0x3f<<32,
		0x008: 0x100, 0x020: 0x103, 0x028: 0x104, 0x048: 0x108, 0x080: 0x10f,
		0x088: 0x110, 0x090: 0x202,
		0x098: 0x0002_0001_0018_0010, 0x0a0: 0x0005_0040_0004_0003,
		0x0a8: 0x120, 0x0b0: 0x121, 0x0b8: 0x122,
		0x0c0: 0x8005_0033, 0x0c8: 0x123, 0x0d0: 0x1234_5008, 0x0d8: 0x0035_06f0, 0x0e0: 6, 0x0e8: 0xd01, 0x0f0: 7,
		0x0f8: 0x130, 0x100: 0x131, 0x108: 0x0fff_007f,
		0x110: 0x140, 0x130: 0xffff_0ff0, 0x138: 0x400,
	} {
		require.Equal(t, want, binary.LittleEndian.Uint64(wire[offset:]), "%#x", offset)
	}

	var back amd64.CPUState
	require.NoError(t, back.UnmarshalBinary(append(wire, 1, 2, 3)), "a later version may be longer")
	require.Equal(t, state, back)
	require.Error(t, back.UnmarshalBinary(wire[:amd64.StateSize-1]))
	require.Error(t, back.UnmarshalBinary(make([]byte, amd64.StateSize)), "no version")
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
	require.Equal(t, uint64(0x110), names["RIP"])
	require.Equal(t, uint64(0x122), names["KERNEL_GS_BASE"])
	require.Equal(t, uint64(0xfff), names["IDT_LIMIT"])
	require.Equal(t, uint64(0x400), names["DR7"])
	state.Valid = amd64.StateControl
	require.Len(t, state.Registers(), 6)
}

func TestCPUStatePaging(t *testing.T) {
	t.Parallel()
	state := sampleState()
	paging, err := state.Paging(0)
	require.NoError(t, err)
	require.Equal(t, amd64.Paging{Root: 0x1234_5000, Levels: 4}, paging)
	state.CR4 |= amd64.CR4FiveLevels
	state.EFER &^= amd64.EFERNoExecute
	paging, err = state.Paging(0)
	require.NoError(t, err)
	require.Equal(t, amd64.Paging{Root: 0x1234_5000, Levels: 5, NoExecuteOff: true}, paging)
	for name, change := range map[string]func(*amd64.CPUState){
		"not captured": func(s *amd64.CPUState) { s.Valid = amd64.StateGeneral },
		"paging off":   func(s *amd64.CPUState) { s.CR0 &^= amd64.CR0Paging },
		"32 bits":      func(s *amd64.CPUState) { s.EFER &^= amd64.EFERLongModeActive },
	} {
		state := sampleState()
		change(&state)
		_, err := state.Paging(0)
		require.ErrorIs(t, err, amd64.ErrUnsupported, name)
	}
}

func TestRegisterStrings(t *testing.T) {
	t.Parallel()
	state := sampleState()
	require.Equal(t, "PE|MP|ET|NE|WP|AM|PG", state.CR0.String())
	require.Equal(t, "PSE|PAE|MCE|PGE|OSFXSR|OSXMMEXCPT|FSGSBASE|OSXSAVE|SMEP|SMAP", state.CR4.String())
	require.Equal(t, "SCE|LME|LMA|NXE", state.EFER.String())
	require.Equal(t, "IF", state.RFLAGS.String())
	require.Equal(t, "ZF|IOPL=3|0x80000000", amd64.RFLAGS(0x8000_3042).String())
	require.Equal(t, "x87|SSE|AVX", state.XCR0.String())
	require.Equal(t, "0", amd64.CR4(0).String())
	require.Equal(t, "P|W|I", amd64.PageFaultCode(0x13).String())
	require.Equal(t, "#PF page fault", amd64.VectorPageFault.String())
	require.Equal(t, "exception 9", amd64.Vector(9).String())
	require.Equal(t, "interrupt 32", amd64.Vector(32).String())
	for v := range 256 {
		with := map[int]bool{8: true, 10: true, 11: true, 12: true, 13: true, 14: true, 17: true, 21: true, 29: true, 30: true}
		require.Equal(t, with[v], amd64.Vector(v).HasErrorCode(), "%d", v)
	}
}

// FuzzCPUState checks that what decodes encodes to the same.
func FuzzCPUState(f *testing.F) {
	state := sampleState()
	wire, err := state.AppendBinary(nil)
	require.NoError(f, err)
	f.Add(wire)
	f.Add(wire[:10])
	f.Fuzz(func(t *testing.T, data []byte) {
		var state, again amd64.CPUState
		if state.UnmarshalBinary(data) != nil {
			return
		}
		wire, err := state.AppendBinary(nil)
		require.NoError(t, err)
		require.NoError(t, again.UnmarshalBinary(wire))
		require.Equal(t, state, again)
	})
}
