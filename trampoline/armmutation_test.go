package trampoline_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/emulated"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Where a worst host has things, beside those of every context.
const (
	armStaging physmem.Address = 0x4320_0000 // the trampoline, before the host puts it into its page
	armDecoy   physmem.Address = 0x4330_0000 // what the host has mapped where the image goes
	armLeave                   = 0x400       // of the image's page: where the host waits
	armNOP                     = 0xd503201f
	armSpin                    = 0x14000000
)

// armInterface reads registers of a GIC's CPU interface that EL2 can keep from EL1:
// MRS of ICC_SRE_EL1, ICC_PMR_EL1 and ICC_IGRPEN1_EL1.
var armInterface = []uint32{0xd538cca0, 0xd5384600, 0xd538cce0}

// worstARM64 are contexts in which every instruction has something to do.
var worstARM64 = []armHost{
	{name: "EL1", cpu: "max", mdscr: 1<<15 | 1<<13, upper: true},
	{name: "EL1, 64 KiB granule", paging: arm64.Paging{Granule: arm64.Granule64K}},
	{name: "EL1t", cpu: "max", pstate: pstateFlags, threadStack: true},
	{name: "EL2", cpu: "max", level: atEL2},
	{name: "EL2, GIC 3", level: atEL2, gic: 3},
	{name: "VHE", cpu: "max", level: atVHE, upper: true, gic: 3},
}

// worstHost makes a host that leaves nothing tidy: it has written the trampoline
// through its data cache, executed what lay where the image comes to lie, and used
// another mapping of the image's address. Registers that the trampoline must set
// have wrong values.
type worstHost struct {
	*armHandOff
	code []byte // of the trampoline
}

func newWorstHost(t *testing.T, runner armRunner, host armHost) *worstHost {
	t.Helper()
	host.decoy = armDecoy
	h := &worstHost{armHandOff: newHandOffARM64(t, runner, host)}
	h.code = make([]byte, 0x1000)
	_, err := h.machine.Memory().ReadPhysical(h.code, h.params.Page)
	require.NoError(t, err)
	h.write(h.params.Page, make([]byte, len(h.code)))
	h.write(armStaging, h.code)
	h.write(armDecoy, bytes.Repeat([]byte{0x00, 0x00, 0x20, 0xd4}, arm64.Granule64K/4)) // BRK
	h.write(armPlace+atEntry, h.preparation())
	h.write(armContext+8*8, binary.LittleEndian.AppendUint64(nil, uint64(armPlace)+atEntry)) // the loader goes there
	h.spoilSystem()
	h.runTo(uint64(armPlace) + atEntry + armLeave)
	image := make([]byte, 0, 16) // it is there at last
	for _, word := range append([]uint32{armSpin}, armInterface...) {
		image = binary.LittleEndian.AppendUint32(image, word)
	}
	h.write(armPlace+atEntry, image)
	return h
}

// preparation is the host's code, at the image's page.
func (h *worstHost) preparation() []byte {
	code := make([]byte, 0, 0x1000)
	emit := func(words ...uint32) {
		for _, w := range words {
			code = binary.LittleEndian.AppendUint32(code, w)
		}
	}
	constant := func(register uint32, v uint64) { // MOVZ, MOVK
		for i := range uint32(4) {
			op := uint32(0xf2800000)
			if i == 0 {
				op = 0xd2800000
			}
			emit(op | i<<21 | uint32(v>>(16*i)&0xffff)<<5 | register)
		}
	}
	constant(0, uint64(armStaging))
	constant(1, uint64(h.params.Page))
	constant(2, 0x1000/16)
	emit(0xa8c11003, // LDP X3, X4, [X0], #16
		0xa8811023, // STP X3, X4, [X1], #16
		0xf1000442, // SUBS X2, X2, #1
		0x54ffffa1) // B.NE back to LDP
	constant(1, uint64(h.params.Page))
	constant(2, 0x1000/64)
	emit(0xd50b7b21, // DC CVAU, X1: a host makes code seen by its CPUs, and no further
		0x91010021, // ADD X1, X1, #64
		0xf1000442, // SUBS X2, X2, #1
		0x54ffffa1, // B.NE back to DC
		0xd5033f9f, // DSB SY
		0xd5033fdf) // ISB
	if !h.host.mmuOff {
		constant(0, entryVA)
		emit(0xf9400001) // LDR X1, [X0]
	}
	for register := range uint32(31) {
		emit(0x92800000 | (register+1)<<5 | register) // MOVN
	}
	constant(8, h.freeze)
	emit(0x14000000 | uint32(armLeave-len(code))/4)
	code = append(code, make([]byte, armLeave-len(code))...)
	emit(0xd61f0100) // BR X8
	return append(code, make([]byte, 0x1000-len(code))...)
}

// spoilSystem gives system registers values that the trampoline must change.
func (h *worstHost) spoilSystem() {
	h.t.Helper()
	state, err := h.machine.State(0)
	require.NoError(h.t, err)
	s := state.(*machine.ARM64State)
	wrong := map[string]uint64{"VBAR_EL1": 0x4100_0800, "ELR_EL1": 0x1234, "SPSR_EL1": 0x3c0, "SP_EL1": 0x4310_0000, "SP_EL0": 0x4310_1000}
	if h.host.level != atEL1 {
		for name, v := range map[string]uint64{
			"SCTLR_EL1": uint64(arm64.SCTLRReserved1 | arm64.SCTLRMMU), "TTBR0_EL1": 0x4000_0000, "TCR_EL1": 0, "MDSCR_EL1": 1 << 15,
			"CNTHCTL_EL2": 0, "CNTVOFF_EL2": 0x1234_5678, "MDCR_EL2": 0xf00, "HSTR_EL2": 0xffff, "CPTR_EL2": 0x33ff | 1<<10,
			"VPIDR_EL2": 0x410fd034, "VMPIDR_EL2": 0x8000_0005, "SPSR_EL2": 0, "ELR_EL2": 0x1234,
		} {
			wrong[name] = v
		}
	}
	for name, v := range wrong {
		s.System[name] = v
	}
	require.NoError(h.t, h.machine.SetState(0, s))
}

// mutate replaces an instruction of the trampoline by a NOP.
func (h *worstHost) mutate(offset int) {
	h.write(h.params.Page+physmem.Address(offset), binary.LittleEndian.AppendUint32(nil, armNOP))
}

// handOver goes from the host to the image's second round, and checks everything.
func (h *worstHost) handOver(offset int) {
	if offset >= 0 {
		h.mutate(offset)
	}
	before, err := h.machine.Snapshot()
	require.NoError(h.t, err)
	m := h.machine.(*emulated.Machine)
	if h.host.level == atEL1 { // an interrupt as soon as the freeze point is behind
		require.NoError(h.t, m.Inject(m.Instructions()+3, emulated.Fault{Kind: emulated.NMI}))
	}
	h.runTo(entryVA)
	h.checkState()
	h.checkHypervisor()
	exit, err := h.machine.Step(h.context, 0)
	require.NoError(h.t, err)
	require.EqualValues(h.t, entryVA, exit.PC, "the image's first instruction is another: %v", exit)
	h.checkInterface()
	h.checkMemory(before)
}

// checkInterface requires that EL1 has the system registers of a GIC's CPU
// interface, which EL2 had not turned on.
func (h *worstHost) checkInterface() {
	if h.host.gic != 3 {
		return
	}
	state, err := h.machine.State(0)
	require.NoError(h.t, err)
	state.(*machine.ARM64State).PCReg = entryVA + 4
	require.NoError(h.t, h.machine.SetState(0, state))
	for i := range armInterface {
		after := uint64(entryVA + 4*(i+2))
		exit, err := h.machine.Step(h.context, 0)
		require.NoError(h.t, err)
		require.EqualValues(h.t, after, exit.PC, "EL1 has not the GIC's registers: %v", exit)
	}
}

// checkHypervisor requires that EL2 leaves EL1 alone.
func (h *worstHost) checkHypervisor() {
	if h.host.level == atEL1 {
		return
	}
	state, err := h.machine.State(0)
	require.NoError(h.t, err)
	s := state.(*machine.ARM64State).System
	require.Zero(h.t, s["SCTLR_EL2"]&1, "EL2's MMU")
	require.Zero(h.t, s["HCR_EL2"]&hcrVHE&^hcrEL1, "VHE")
	require.NotZero(h.t, s["HCR_EL2"]&hcrEL1)
	require.EqualValues(h.t, 3, s["CNTHCTL_EL2"]&3, "CNTHCTL_EL2")
	for _, name := range []string{"CNTVOFF_EL2", "MDCR_EL2", "HSTR_EL2"} {
		require.Zero(h.t, s[name], name)
	}
	require.Zero(h.t, s["CPTR_EL2"]&(1<<10|1<<31), "CPTR_EL2")
	require.Equal(h.t, s["MIDR_EL1"], s["VPIDR_EL2"], "VPIDR_EL2")
	require.Equal(h.t, s["MPIDR_EL1"], s["VMPIDR_EL2"], "VMPIDR_EL2")
}

// redundantARM64 are the instructions that no context needs, with the reason.
var redundantARM64 = map[string]string{
	"000 BTI JC":                    "the emulated CPU has no guarded pages; TestGuardedPagesBite",
	"028 UBFX X0, X0, #16, #4":      "CTR_EL0's lowest bits are the size of lines of the instruction cache, here the same",
	"030 LSL X1, X1, X0":            "the loop goes on by four bytes",
	"05c MOV X0, #0x830":            "only the MMU's bit counts at EL2, and no other value here has it",
	"060 MOVK X0, #0x30c5, LSL #16": "the same",
	"068 ISB SY":                    "the next one is before anything that depends on it",
	"070 MOVK X0, #0x300, LSL #32":  "the emulated CPU has no pointer authentication",
	"078 ISB SY":                    "the exception return is one, too",
	"07c TLBI ALLE2":                "EL2 translates no more",
	"094 MOV X0, #0x33ff":           "what is in X0 traps nothing either",
	"0c0 ISB SY":                    "the emulated GIC's registers do not wait for one",
	"0c4 MRS X0, ICC_SRE_EL2":       "the emulated machine has no EL3 that keeps the registers off",
	"0c8 TBZ W0, #0, .+0x8":         "the same",
	"0d4 MOVK X0, #0x30d0, LSL #16": "only the MMU's bit counts until level1",
	"0ec DSB SY":                    "the next one is before anything that depends on it",
	"104 MOV X0, #0x800":            "only the MMU's bit counts until the last SCTLR_EL1, and no other value here has it",
	"108 MOVK X0, #0x30d0, LSL #16": "the same",
	"10c MSR SCTLR_EL1, X0":         "this page is mapped by host and image, and the emulated TLB never loses what maps it between the two",
	"110 ISB SY":                    "the next one is before anything that depends on it",
	"120 ISB SY":                    "the next one is before anything that depends on it",
	"14c ISB SY":                    "a CPU may let SCTLR_EL1 hold before TTBR0_EL1; the emulated one does not",
	"154 ISB SY":                    "the exception return is one, too",
}

// TestMutationsARM64 leaves out one instruction after the other on the emulated
// machine: each is missed in some context, or is known not to be.
func TestMutationsARM64(t *testing.T) {
	t.Parallel()
	list := disassembleARM64(t)
	known := map[string]bool{}
	for i, text := range list {
		t.Run(fmt.Sprintf("%03x %s", 4*i, text), func(t *testing.T) {
			by := ""
			for _, host := range worstARM64 {
				if by = mutantARM64(t, armEmulated, host, 4*i); by != "" {
					t.Logf("missed at %s: %s", host.name, firstLines(by))
					break
				}
			}
			key := fmt.Sprintf("%03x %s", 4*i, text)
			if reason, ok := redundantARM64[key]; ok {
				require.Empty(t, by, "it is needed, after all: %s", reason)
				known[key] = true
				return
			}
			require.NotEmpty(t, by, "no context misses it")
		})
	}
	require.Len(t, known, len(redundantARM64), "an instruction that is said to be redundant is not there")
	for _, host := range worstARM64 { // the checks themselves hold
		for _, runner := range []armRunner{armEmulated, armEvicting} {
			require.Empty(t, mutantARM64(t, runner, host, -1), "%s, %s", host.name, runner.name)
		}
	}
}

// mutantARM64 runs a hand-off without an instruction, and gives what is wrong
// with it. A mutant that runs wild is stopped.
func mutantARM64(t *testing.T, runner armRunner, host armHost, offset int) string {
	t.Helper()
	const wild = 10_000
	h := newWorstHost(t, runner, host)
	m := h.machine.(*emulated.Machine)
	defer m.Close()
	m.At(m.Instructions()+wild, func(*emulator.Memory) *machine.Exit {
		return &machine.Exit{Reason: machine.Failed, Detail: "runs wild"}
	})
	return fails(func(t tester) {
		h.t = t
		h.handOver(offset)
	})
}
