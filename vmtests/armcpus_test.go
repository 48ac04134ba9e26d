package vmtests

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/emulated"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// savedState is what a CPU's slot has.
func savedState(t testing.TB, r handoff.Registers) *arm64.CPUState {
	t.Helper()
	state := &arm64.CPUState{}
	require.NoError(t, state.UnmarshalBinary(r.State))
	return state
}

// requireParked requires that a CPU's saved registers are the true ones: a CPU
// that was stopped stands still with nearly all of them. X0 to X3 and X18 had to
// do the saving.
func (h *handOff) requireParked(cpu int, saved *arm64.CPUState) {
	h.t.Helper()
	got, err := h.machine.State(cpu)
	require.NoError(h.t, err)
	s := got.(*machine.ARM64State)
	for i := 4; i < 31; i++ {
		if i != 18 {
			require.Equal(h.t, s.X[i], saved.X[i], "CPU %d, X%d", cpu, i)
		}
	}
	for name, value := range map[string]uint64{
		"ELR_EL1": saved.PC, "SPSR_EL1": uint64(saved.PSTATE), "TTBR0_EL1": saved.TTBR0, "SCTLR_EL1": uint64(saved.SCTLR), "VBAR_EL1": saved.VBAR, "MPIDR_EL1": saved.MPIDR,
	} {
		if true, ok := s.System[name]; ok {
			require.Equal(h.t, true, value, "CPU %d, %s", cpu, name)
		}
	}
	require.NotZero(h.t, s.PSTATE&0x80, "CPU %d takes interrupts", cpu)
}

// mask masks interrupts of a CPU, as its own code could at EL1.
func (h *handOff) mask(cpu int) {
	h.t.Helper()
	got, err := h.machine.State(cpu)
	require.NoError(h.t, err)
	s := got.(*machine.ARM64State)
	require.Zero(h.t, s.PSTATE&0xf, "CPU %d is not at EL0", cpu)
	require.Zero(h.t, s.PSTATE&uint64(arm64.PSTATEIRQ), "CPU %d takes no interrupts", cpu)
	s.PSTATE |= uint64(arm64.PSTATEIRQ)
	require.NoError(h.t, h.machine.SetState(cpu, s))
}

// requireOthersStopped requires that three other CPUs, which compute when the
// panic comes, one perhaps with interrupts masked, are stopped, and that the
// registers of each are true.
func (h *handOff) requireOthersStopped(masked bool) []handoff.Registers {
	h.t.Helper()
	exit, err := h.machine.RunTo(h.context(), symbol(h.t, hostProgram.imageFor(h.t, machine.ARM64), "/kernel.beginPanic"))
	require.NoError(h.t, err)
	require.Equal(h.t, machine.Breakpoint, exit.Reason, "%v\n%s", exit, h.console)
	if masked {
		h.mask(3)
	}
	panicked, err := h.machine.Snapshot()
	require.NoError(h.t, err)
	h.freezeHere()
	h.requireOwnBlockOnly(panicked, masked)
	area := h.panicArea(h.opened().Block)
	require.Zero(h.t, area.NotStopped)
	require.Len(h.t, area.Registers, 4, "%s", h.console)
	for i, r := range area.Registers {
		require.EqualValues(h.t, i, r.CPU)
		require.Equal(h.t, i, r.Slot)
		if i > 0 {
			h.requireParked(i, savedState(h.t, r))
		}
	}
	return area.Registers
}

// requireOwnBlockOnly requires that a CPU which took the interrupt was stopped
// without a write to its page tables, and that of a masked one they say that the
// window was taken away.
func (h *handOff) requireOwnBlockOnly(panicked *machine.Snapshot, masked bool) {
	h.t.Helper()
	for _, r := range h.panicArea(h.opened().Block).Registers[1:] {
		root := physmem.Address(savedState(h.t, r).TTBR0)
		changed, err := panicked.Changes(h.before, panicked.RAM.Minus(physmem.NewRanges(physmem.Range{Start: root, End: root + handoff.PageSize})), 8)
		require.NoError(h.t, err)
		require.Equal(h.t, masked && r.CPU == 3, len(changed) != 0, "CPU %d's root changed at %v", r.CPU, changed)
	}
}

// patient hosts wait longer for their CPUs than they would: the computer that these
// tests run on may be busy. A CPU that masks interrupts takes half of it.
const patient = "patience=6s"

// armedARM64 is a host that is armed, at its panic.
func armedARM64(t *testing.T, r runner, config machine.Config, command string) *handOff {
	t.Helper()
	freeze, block := learn(t, r, config, command, witnessProgram)
	h := start(t, r, config, "panic=call "+command, witnessProgram)
	h.freeze, h.block = freeze, block
	return h
}

func TestARM64OtherCPUs(t *testing.T) {
	for _, gic := range []int{2, 3} {
		for _, masked := range []bool{false, true} {
			if !*full && masked != (gic == 3) {
				continue
			}
			t.Run(fmt.Sprintf("GICv%d, masked %v", gic, masked), func(t *testing.T) {
				r := armRunner("cortex-a57", fmt.Sprintf(",gic-version=%d", gic))
				h := armedARM64(t, r, machine.Config{CPUs: 4}, "cpus=4 "+patient)
				registers := h.requireOthersStopped(masked)
				for i, r := range registers[1:] {
					first := symbol(t, hostProgram.imageFor(t, machine.ARM64), fmt.Sprintf("main.other%d", 1+i))
					computing := savedState(t, r)
					require.Equal(t, arm64.PSTATEEL0t, computing.PSTATE&arm64.PSTATELevelMask)
					require.InDelta(t, first, computing.PC, 512)
				}
				said := h.requireTrue(h.finish(), handoff.ReasonCall, "")
				t.Log(said.facts["registers"])
			})
		}
	}
}

// On the emulated machine firmware leaves the GIC's system registers off: all CPUs
// have them nevertheless, and are stopped by an interrupt, without a write. Caches
// keep what nobody has cleaned, which a CPU that starts does not see.
func TestEmulatedARM64OtherCPUs(t *testing.T) {
	for _, gic := range []int{2, 3} {
		t.Run(fmt.Sprintf("GICv%d", gic), func(t *testing.T) {
			t.Parallel()
			h := armedARM64(t, emulatedARM(emulated.Options{EL2: true, GIC: gic, Caches: emulated.KeptLines}), machine.Config{CPUs: 4}, "cpus=4 "+patient)
			h.requireOthersStopped(false)
			h.requireTrue(h.finish(), handoff.ReasonCall, "")
		})
	}
}

// A CPU whose vectors are broken cannot be stopped: the hand-off does not wait
// for it longer than the deadline, and says so.
func TestARM64CPUThatDoesNotStop(t *testing.T) {
	h := armedARM64(t, plainARM64, machine.Config{CPUs: 3}, "cpus=3 patience=2s")
	exit, err := h.machine.RunTo(h.context(), symbol(t, hostProgram.imageFor(t, machine.ARM64), "/kernel.beginPanic"))
	require.NoError(t, err)
	require.Equal(t, machine.Breakpoint, exit.Reason, "%v\n%s", exit, h.console)
	state, err := h.machine.State(2)
	require.NoError(t, err)
	vectors := physmem.Address(state.(*machine.ARM64State).System["VBAR_EL1"])
	require.NotZero(t, vectors, "%v", state)
	spin := make([]byte, arm64.VectorTableSize)
	for i := 0; i < len(spin); i += 4 {
		binary.LittleEndian.PutUint32(spin[i:], 0x14000000) // B to itself
	}
	_, err = h.machine.Memory().WritePhysical(spin, vectors)
	require.NoError(t, err)
	h.freezeHere()
	area := h.panicArea(h.opened().Block)
	require.EqualValues(t, 1, area.NotStopped)
	require.Len(t, area.Registers, 2)
	h.requireTrue(h.finish(), handoff.ReasonCall, "")
}
