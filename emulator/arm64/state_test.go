package arm64

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// TestStateRoundTrip: a CPU goes on from another's state as that one would.
func TestStateRoundTrip(t *testing.T) {
	t.Parallel()
	r := newPagedBed(t, Config{Model: Max, EL2: true})
	r.system(levelEL1, map[string]uint64{"SCTLR_EL1": sctlrPaged, "SP_EL0": 0x1000, "FPSR": 1, "V7H": 77, "CNTV_CVAL_EL0": 5, "HCR_EL2": 1 << 31})
	r.c.setFlags(flagN | flagV)
	r.c.r[5] = 5
	want := r.c.State().(*machine.ARM64State)
	require.Equal(t, uint64(0x900003c5), want.PSTATE)
	other := bedOver(t, r.m, Config{Model: Max, EL2: true})
	require.NoError(t, other.c.SetState(want))
	require.Equal(t, want, other.c.State())
	require.Equal(t, uint64(77), other.c.v[7][1])
}

func TestStateRefusals(t *testing.T) {
	t.Parallel()
	r := newBed(t, Config{})
	require.ErrorIs(t, r.c.SetState(&machine.AMD64State{}), machine.ErrUnsupported)
	for name, pstate := range map[string]uint64{"AArch32": 0x10, "no EL2 here": 9, "EL3": 0xd} {
		require.ErrorIs(t, r.c.SetState(&machine.ARM64State{PSTATE: pstate}), machine.ErrUnsupported, name)
	}
}

// TestBreakpoints: before the instruction, once, also within what is a block
// otherwise and on the second of two instructions that are fused.
func TestBreakpoints(t *testing.T) {
	t.Parallel()
	r := newBed(t, Config{})
	r.code(bedCode, 0xd2800020, 0xf100043f, 0x54000040, 0xd503201f, 0x17fffffc) // MOV X0, #1; CMP X1, #1; B.EQ +8; NOP; B bedCode
	require.Nil(t, r.c.Run(100, false))
	r.c.SetBreakpoints([]uint64{bedCode + 8})
	for range 3 {
		exit := r.c.Run(r.c.count+100, false)
		require.NotNil(t, exit)
		require.Equal(t, machine.Breakpoint, exit.Reason)
		require.EqualValues(t, bedCode+8, exit.PC)
	}
	r.c.SetBreakpoints(nil)
	require.Nil(t, r.c.Run(r.c.count+100, false))
}

// TestExactRun: exact runs end to the instruction, in the middle of blocks.
func TestExactRun(t *testing.T) {
	t.Parallel()
	r := newBed(t, Config{})
	r.code(bedCode, 0x91000400, 0x91000400, 0x91000400, 0x17fffffd) // ADD X0, X0, #1 three times; B bedCode
	for _, n := range []uint64{1, 2, 5, 77, 200, 1001} {
		require.Nil(t, r.c.Run(n, true))
		require.Equal(t, n, r.c.Instructions())
		require.Equal(t, n-n/4, r.c.r[0])
	}
}

// TestWatch: accesses to watched memory are told with the instruction's address,
// and stores can be dropped.
func TestWatch(t *testing.T) {
	t.Parallel()
	r := newPagedBed(t, Config{})
	r.c.r[1], r.c.r[2] = pagedBase, 7
	r.code(bedCode, 0xd2800060, 0xf9000422, 0xf9400423, 0x14000000) // MOV X0, #3; STR X2, [X1, #8]; LDR X3, [X1, #8]; B .
	r.c.pc = bedCode
	var seen []emulator.Access
	r.m.Watch(&emulator.Watch{
		Ranges: physmem.NewRanges(physmem.Range{Start: bedData, End: bedData + 0x100}), Kinds: emulator.Read | emulator.Write,
		Seen: func(a emulator.Access) bool { seen = append(seen, a); return false },
	})
	require.Nil(t, r.c.Run(r.c.count+10, false))
	require.Equal(t, []emulator.Access{
		{Kind: emulator.Write, PC: bedCode + 4, Virtual: pagedBase + 8, Address: bedData + 8, Size: 8, Value: 7},
		{Kind: emulator.Read, PC: bedCode + 8, Virtual: pagedBase + 8, Address: bedData + 8, Size: 8},
	}, seen)
	require.Zero(t, r.c.r[3], "the store was dropped")
}

// TestOutsideOfTheModel: what is not emulated stops the machine and says so.
func TestOutsideOfTheModel(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		word uint32
		x0   uint64
	}{
		"stage 2 translation":    {0xd51c1100, 1}, // MSR HCR_EL2, X0
		"a system instruction":   {sysWord(3, 7, 9, 1), 0},
		"not emulated: 00 80 20": {0x05208000, 0},
	} {
		r := newBed(t, Config{EL2: true})
		r.code(bedCode, test.word)
		r.c.r[0] = test.x0
		exit := r.c.Step()
		require.NotNil(t, exit, name)
		require.Equal(t, machine.Failed, exit.Reason)
		require.Contains(t, exit.Detail, name)
	}
}

// TestAbsentRegister: registers of what no model has are UNDEFINED.
func TestAbsentRegister(t *testing.T) {
	t.Parallel()
	r := newBed(t, Config{})
	r.run(0xd53b9c00) // MRS X0, PMCR_EL0
	require.EqualValues(t, 0x200, r.c.pc)
	require.EqualValues(t, 1<<25, r.c.sys.esr[1])
}

// FuzzWalk: whatever TCR, TTBR and tables hold, a walk ends, and what it finds is
// an address that the CPU has.
func FuzzWalk(f *testing.F) {
	f.Add(uint64(tcrPaged), uint64(bedTable), uint64(0x703), uint64(pagedBase), true)
	f.Add(uint64(12|tg64K|ips52), uint64(bedTable), uint64(bedTable|3), uint64(0xfffff), true)
	f.Add(uint64(16|tg16K|ips44), uint64(bedTable), uint64(bedTable|0x10000000000703), uint64(1)<<47, true)
	f.Fuzz(func(t *testing.T, tcr, ttbr, entry, va uint64, largest bool) {
		config := Config{}
		if largest {
			config.Model = Max
		}
		r := newBed(t, config)
		for i := range uint64(64) {
			r.put(bedTable+8*i, entry+i<<12)
		}
		r.system(levelEL1, map[string]uint64{"SCTLR_EL1": sctlrPaged, "TCR_EL1": tcr, "TTBR0_EL1": ttbr, "TTBR1_EL1": ttbr, "MAIR_EL1": mairPaged})
		for _, kind := range []accessKind{accessRead, accessWrite, accessExecute} {
			pa, status := r.status(va, kind, false)
			if status == statusNone {
				require.Zero(t, pa>>r.c.sys.id.physicalBits)
			}
			again, same := r.status(va, kind, false)
			require.Equal(t, status, same)
			require.Equal(t, pa, again)
		}
	})
}
