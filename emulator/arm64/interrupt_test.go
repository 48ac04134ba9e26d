package arm64

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/machine"
)

const (
	imo, fmo, amo = 1 << 4, 1 << 3, 1 << 5 // HCR_EL2
	tge, e2h      = 1 << 27, 1 << 34
	allMasked     = 0x3c0
)

// interruptCases say which level takes a pending interrupt.
var interruptCases = []struct {
	name   string
	el2    bool
	hcr    uint64
	pstate uint64
	line   string
	level  int // 0: not taken
	offset uint64
}{
	{"EL1, open", false, 0, 5, "irq", 1, 0x280},
	{"EL1, masked", false, 0, 5 | allMasked, "irq", 0, 0},
	{"EL1 on SP_EL0", false, 0, 4, "irq", 1, 0x080},
	{"EL0, open", false, 0, 0, "irq", 1, 0x480},
	{"EL0, masked", false, 0, maskI, "irq", 0, 0},
	{"FIQ", false, 0, 5, "fiq", 1, 0x300},
	{"FIQ where IRQ is masked", false, 0, 5 | maskI, "fiq", 1, 0x300},
	{"SError", false, 0, 5, "serror", 1, 0x380},
	{"EL1 with an EL2 that does not care", true, 0, 5, "irq", 1, 0x280},
	{"EL1, for EL2", true, imo, 5 | allMasked, "irq", 2, 0x480},
	{"EL0, for EL2 by TGE", true, tge, allMasked, "irq", 2, 0x480},
	{"EL1, FIQ for EL2, IRQ pending", true, fmo, 5, "irq", 1, 0x280},
	{"EL2, not for it", true, 0, 9, "irq", 0, 0},
	{"EL2, for it", true, imo, 9, "irq", 2, 0x280},
	{"EL2, for it and masked", true, imo, 9 | maskI, "irq", 0, 0},
	{"EL2, a host", true, tge | e2h, 9, "irq", 2, 0x280},
	{"EL0 of a host", true, tge | e2h, 0, "fiq", 2, 0x500},
	{"SError for EL2", true, amo, 5 | allMasked, "serror", 2, 0x580},
	{"virtual IRQ", true, imo | 1<<7, 5, "", 1, 0x280},
	{"virtual IRQ, masked", true, imo | 1<<7, 5 | maskI, "", 0, 0},
	{"virtual IRQ at EL2", true, imo | 1<<7, 9, "", 0, 0},
}

// TestInterruptRouting: which level takes a pending IRQ, FIQ or SError, by where
// the CPU is, what is masked and what HCR_EL2 says (DDI 0487 D1.3.6).
func TestInterruptRouting(t *testing.T) {
	t.Parallel()
	for _, test := range interruptCases {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newBed(t, Config{Model: Max, EL2: test.el2})
			r.code(bedCode, 0x14000000)
			values := map[string]uint64{"VBAR_EL1": bedBase + 0x1000}
			if test.el2 {
				values["VBAR_EL2"], values["HCR_EL2"] = bedBase+0x2000, test.hcr|1<<31
			}
			r.system(test.pstate, values)
			switch test.line {
			case "irq":
				r.c.SetIRQ(true)
			case "fiq":
				r.c.SetFIQ(true)
			case "serror":
				r.c.NMI()
			}
			require.Nil(t, r.c.Run(r.c.count+1, true))
			if test.level == 0 {
				require.EqualValues(t, bedCode, r.c.pc)
				return
			}
			require.EqualValues(t, uint64(bedBase)+uint64(test.level)*0x1000+test.offset, r.c.pc, "%#x", r.c.pc)
			require.EqualValues(t, bedCode, r.c.sys.elr[test.level])
			require.Equal(t, test.pstate, r.c.sys.spsr[test.level])
			require.Equal(t, test.level, r.c.Level())
			require.EqualValues(t, allMasked, r.c.daif)
		})
	}
}

// TestUnmasking: an interrupt that was masked is taken behind the instruction
// that unmasks it, in the middle of a block.
func TestUnmasking(t *testing.T) {
	t.Parallel()
	r := newBed(t, Config{})
	r.code(bedCode, 0xd2800020, 0xd50342ff, 0xd2800040, 0x14000000) // MOV X0, #1; MSR DAIFClr, #2; MOV X0, #2; B .
	r.system(levelEL1, map[string]uint64{"VBAR_EL1": bedBase + 0x1000})
	r.code(bedBase+0x1280, 0x14000000)
	r.c.SetIRQ(true)
	require.Nil(t, r.c.Run(100, false))
	require.EqualValues(t, 1, r.c.r[0])
	require.EqualValues(t, bedCode+8, r.c.sys.elr[1])
}

// TestWait: WFI ends by a pending interrupt, masked or not, WFE by an event.
func TestWait(t *testing.T) {
	t.Parallel()
	r := newBed(t, Config{})
	other := bedOver(t, r.m, Config{})
	r.c.SetSiblings([]*CPU{r.c, other.c})
	other.c.SetSiblings([]*CPU{r.c, other.c})
	r.code(bedCode, 0xd503207f, 0xd503205f, 0xd503205f, 0x14000000) // WFI; WFE; WFE; B .
	require.Nil(t, r.c.Run(100, false))
	require.Equal(t, machine.Waiting, r.c.Activity())
	require.False(t, r.c.Wakeable())
	r.c.SetIRQ(true)
	require.True(t, r.c.Wakeable())
	require.Nil(t, r.c.Run(r.c.count+1, true))
	require.Equal(t, machine.Running, r.c.Activity())
	r.c.SetIRQ(false)
	require.Nil(t, r.c.Run(r.c.count+5, false))
	require.Equal(t, machine.Waiting, r.c.Activity())
	require.EqualValues(t, bedCode+12, r.c.pc)        // the first WFE saw the IRQ
	other.code(bedCode+0x100, 0xd503209f, 0x14000000) // SEV
	other.c.pc = bedCode + 0x100
	other.step(1)
	require.True(t, r.c.Wakeable())
	require.Nil(t, r.c.Run(r.c.count+1, true))
	require.Equal(t, machine.Running, r.c.Activity())
}

// TestTimer: the comparators in virtual time, their outputs and deadlines.
func TestTimer(t *testing.T) {
	t.Parallel()
	outputs := map[Timer]bool{}
	r := newBed(t, Config{Model: Max, EL2: true, TimerOutput: func(c *CPU, timer Timer, asserted bool) {
		outputs[timer] = asserted
		c.SetIRQ(asserted)
	}})
	r.system(levelEL1, map[string]uint64{"CNTHCTL_EL2": 3, "CNTVOFF_EL2": 100})
	r.c.SetTime(1600)
	r.run(0xd53be020, 0xd53be041) // MRS X0, CNTPCT_EL0; MRS X1, CNTVCT_EL0
	require.EqualValues(t, 100, r.c.r[0])
	require.EqualValues(t, 0, r.c.r[1])
	_, on := r.c.Deadline()
	require.False(t, on)
	r.c.r[0], r.c.r[1] = 50, 1
	r.run(0xd51be300, 0xd51be321) // MSR CNTV_TVAL_EL0, X0; MSR CNTV_CTL_EL0, X1
	at, on := r.c.Deadline()
	require.True(t, on)
	require.EqualValues(t, 150*TicksPerCount, at)
	r.code(bedCode, 0x14000000)
	r.c.pc = bedCode
	m := emulator.NewMachine(r.c)
	for range 10 {
		require.Nil(t, m.Round())
	}
	require.Equal(t, map[Timer]bool{TimerVirtual: true}, outputs)
	r.run(0xd53be322) // MRS X2, CNTV_CTL_EL0
	require.EqualValues(t, 5, r.c.r[2])
	r.c.r[1] = 3
	r.run(0xd51be321) // masked
	require.Equal(t, map[Timer]bool{TimerVirtual: false}, outputs)
	at = r.c.now()/TicksPerCount + 10
	r.c.r[0], r.c.r[1] = at, 1
	r.run(0xd51be240, 0xd51be221) // MSR CNTP_CVAL_EL0, X0; MSR CNTP_CTL_EL0, X1
	r.c.SetTime(at*TicksPerCount - 1)
	require.False(t, outputs[TimerPhysical])
	r.c.SetTime(at * TicksPerCount) // the condition is met when they are equal
	require.True(t, outputs[TimerPhysical])
	r.c.r[0], r.c.r[1] = 1<<62, 1
	r.run(0xd51be240, 0xd51be221) // MSR CNTP_CVAL_EL0, X0; MSR CNTP_CTL_EL0, X1: in the far future
	require.False(t, outputs[TimerPhysical])
}

// TestFirmware: SMC and HVC by what answers them.
func TestFirmware(t *testing.T) {
	t.Parallel()
	var calls []Conduit
	answer := func(c *CPU, conduit Conduit) (bool, *machine.Exit) {
		calls = append(calls, conduit)
		if c.X(0) == 8 {
			return true, &machine.Exit{Reason: machine.PoweredOff}
		}
		handled := c.X(0) == 7
		c.SetX(0, 42)
		return handled, nil
	}
	const hvc, smc = 0xd4000002, 0xd4000003
	r := newBed(t, Config{Firmware: answer})
	r.c.r[0] = 7
	r.run(hvc)
	require.EqualValues(t, 42, r.c.r[0])
	require.EqualValues(t, bedCode+4, r.c.pc)
	r.run(smc) // not handled
	require.EqualValues(t, 0x200, r.c.pc)
	require.EqualValues(t, 1<<25, r.c.sys.esr[1])
	require.Equal(t, []Conduit{ConduitHVC, ConduitSMC}, calls)
	r.c.r[0] = 8
	r.code(bedCode, hvc)
	r.c.pc = bedCode
	exit := r.c.Step()
	require.Equal(t, machine.PoweredOff, exit.Reason)
	require.EqualValues(t, bedCode+4, exit.PC)
	r = newBed(t, Config{EL2: true, Firmware: answer})
	r.run(hvc) // at EL2 it is EL2's own
	require.EqualValues(t, 0x16, r.c.sys.esr[2]>>26)
	r.c.PowerOff()
	require.Equal(t, machine.Off, r.c.Activity())
}

// TestExclusives: a store fails when another CPU ran in between.
func TestExclusives(t *testing.T) {
	t.Parallel()
	const ldxr, stxr = 0xc85f7c41, 0xc8037c41 // LDXR X1, [X2]; STXR W3, X1, [X2]
	r := newBed(t, Config{})
	other := bedOver(t, r.m, Config{})
	all := []*CPU{r.c, other.c}
	r.c.SetSiblings(all)
	other.c.SetSiblings(all)
	r.c.r[2], r.c.r[3] = bedData, 9
	r.run(ldxr, stxr)
	require.Zero(t, r.c.r[3])
	r.run(ldxr)
	other.run(0xd503201f)
	r.run(stxr)
	require.EqualValues(t, 1, r.c.r[3])
	r.run(ldxr, stxr)
	require.Zero(t, r.c.r[3])
}

// TestWaitForStore: WFE behind a load-exclusive does not miss a store of another
// CPU.
func TestWaitForStore(t *testing.T) {
	t.Parallel()
	r := newBed(t, Config{})
	other := bedOver(t, r.m, Config{})
	all := []*CPU{r.c, other.c}
	r.c.SetSiblings(all)
	other.c.SetSiblings(all)
	// again: LDXR X1, [X2]; CBNZ X1, out; WFE; B again; out: B out
	r.code(bedCode, 0xc85f7c41, 0xb5000061, 0xd503205f, 0x17fffffd, 0x14000000)
	other.code(bedCode+0x100, 0xd2800061, 0xf9000041, 0x14000000) // MOV X1, #3; STR X1, [X2]; B .
	other.c.pc = bedCode + 0x100
	r.c.r[2], other.c.r[2] = bedData, bedData
	m := emulator.NewMachine(r.c, other.c)
	for range 10 {
		require.Nil(t, m.Round())
	}
	require.EqualValues(t, bedCode+0x10, r.c.pc)
	require.EqualValues(t, 3, r.c.r[1])
}
