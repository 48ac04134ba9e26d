package trampoline_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/emulated"
	"github.com/seed64aab995/rescuekernel/machine/qemu"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/trampoline"
)

// Where things lie. armContext is the CTX of testdata/contextarm.s.
const (
	armContext    physmem.Address = 0x4030_0000
	armHostTables physmem.Address = 0x4100_0000
	armPlace      physmem.Address = 0x4200_0000
	armLoader     physmem.Address = 0x4008_0000 // where QEMU loads what is no Image
	armMemory                     = 64 << 20
)

// Levels that a host runs at, as the loader knows them.
const (
	atEL1 = 0
	atEL2 = 1
	atVHE = 2
)

// Bits of PSTATE beside machdep/arm64's.
const (
	pstateBTypeCall = 2 << 10
	pstateFlags     = 0xf << 28
	hcrEL1          = uint64(arm64.HCREL1AArch64)
	hcrVHE          = uint64(arm64.HCREL1AArch64 | arm64.HCRHost | arm64.HCRTrapGeneral)
)

// armHost is what a host has at the freeze point.
type armHost struct {
	name    string
	cpu     string // empty: cortex-a57
	level   int
	mmuOff  bool
	paging  arm64.Paging // of its lower half
	upper   bool         // it also translates the upper half
	guarded bool         // its pages check branch targets
	pstate  arm64.PSTATE // beside the level
	mdscr   uint64

	threadStack bool            // EL1t: it is on SP_EL0
	decoy       physmem.Address // what it has mapped where the image goes; 0 is nothing
	gic         int             // version of the interrupt controller; 0: 2
}

var armHosts = []armHost{
	{name: "EL1"},
	{name: "EL1, MMU off", mmuOff: true},
	{name: "EL1, nothing masked, all flags", pstate: pstateFlags},
	{name: "EL1, everything masked", pstate: arm64.PSTATEAllMasked},
	{name: "EL1, kernel in the upper half", upper: true},
	{name: "EL1, breakpoints on", mdscr: 1<<15 | 1<<13},
	{name: "EL1, 64 KiB granule", paging: arm64.Paging{Granule: arm64.Granule64K}},
	{name: "EL1, 16 KiB granule", cpu: "max", paging: arm64.Paging{Granule: arm64.Granule16K}},
	{name: "EL1, 39 bits", paging: arm64.Paging{VirtualBits: 39}},
	{name: "EL1, PAN, UAO", cpu: "max", pstate: arm64.PSTATEPAN | arm64.PSTATEUAO},
	{name: "EL1, guarded pages", cpu: "max", guarded: true, pstate: pstateBTypeCall},
	{name: "EL2", level: atEL2},
	{name: "EL2, MMU off", level: atEL2, mmuOff: true},
	{name: "EL2, 64 KiB granule, nothing masked", level: atEL2, paging: arm64.Paging{Granule: arm64.Granule64K}, pstate: pstateFlags},
	{name: "EL2, GIC 3", level: atEL2, gic: 3},
	{name: "EL2 with VHE", cpu: "max", level: atVHE},
	{name: "EL2 with VHE, both halves, PAN", cpu: "max", level: atVHE, upper: true, pstate: arm64.PSTATEPAN},
	{name: "EL2 with VHE, guarded pages", cpu: "max", level: atVHE, guarded: true, pstate: pstateBTypeCall},
}

// bump gives pages from an address on, as tables.
type bump struct{ next physmem.Address }

// AllocateTable implements arm64.Allocator.
func (b *bump) AllocateTable(size uint64) (physmem.Address, error) {
	table := b.next.AlignUp(size)
	b.next = table + physmem.Address(size)
	return table, nil
}

func TestContextsARM64(t *testing.T) {
	t.Parallel()
	for _, runner := range []armRunner{armQEMU, armEmulated, armEvicting} {
		for _, host := range armHosts {
			t.Run(runner.name+"/"+host.name, func(t *testing.T) {
				t.Parallel()
				if host.guarded && runner.name != armQEMU.name {
					t.Skip("the emulated CPU has no BTI")
				}
				h := newHandOffARM64(t, runner, host)
				h.runTo(h.freeze)
				h.spoilRegisters()
				before, err := h.machine.Snapshot()
				require.NoError(t, err)
				h.runTo(entryVA)
				h.checkState()
				h.checkMemory(before)
			})
		}
	}
}

// armRunner makes machines that stand at the first instruction of the loader.
type armRunner struct {
	name  string
	start func(h *armHandOff, loader []byte) (machine.Machine, error)
}

var armQEMU = armRunner{"qemu", func(h *armHandOff, loader []byte) (machine.Machine, error) {
	o := qemu.Options{Architecture: machine.ARM64, CPU: h.host.cpu}
	if h.host.level != atEL1 {
		o.Board = "virt,virtualization=on"
	}
	if h.host.gic != 0 {
		o.Board += fmt.Sprintf(",gic-version=%d", h.host.gic)
	}
	m, err := o.New(machine.Config{MemorySize: armMemory, Boot: machine.Boot{Image: loader}})
	if err == nil {
		h.machine = m
		h.runTo(uint64(armLoader))
	}
	return m, err
}}

// armEmulated is the emulated machine, with caches that keep what they have, and
// with maintenance and system registers that take as long as they may; armEvicting
// has caches whose dirty lines overwrite what is newer.
var (
	armEmulated = armRunner{"emulated", func(h *armHandOff, loader []byte) (machine.Machine, error) {
		return h.startEmulated(emulated.KeptLines, loader)
	}}
	armEvicting = armRunner{"emulated, evicting", func(h *armHandOff, loader []byte) (machine.Machine, error) {
		return h.startEmulated(emulated.EvictedLines, loader)
	}}
)

func (h *armHandOff) startEmulated(caches emulated.Caches, loader []byte) (machine.Machine, error) {
	h.t.Helper()
	o := emulated.Options{
		Architecture: machine.ARM64, CPU: h.host.cpu, EL2: h.host.level != atEL1, GIC: h.host.gic, Caches: caches, Delayed: true,
	}
	m, err := o.New(machine.Config{MemorySize: armMemory})
	if err != nil {
		return nil, err
	}
	h.machine = m
	h.write(armLoader, loader)
	state, err := m.State(0)
	require.NoError(h.t, err)
	s := state.(*machine.ARM64State)
	s.PCReg = uint64(armLoader)
	return m, m.SetState(0, s)
}

// armHandOff is one hand-off.
type armHandOff struct {
	t       tester
	host    armHost
	machine machine.Machine
	context context.Context
	freeze  uint64
	params  trampoline.ARM64
}

func newHandOffARM64(t *testing.T, r armRunner, host armHost) *armHandOff {
	t.Helper()
	loader, err := os.ReadFile("testdata/contextarm.bin")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	h := &armHandOff{t: t, host: host, context: ctx, freeze: uint64(armPlace) + atPage}
	m, err := r.start(h, loader)
	if errors.Is(err, machine.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	h.machine = m
	h.reserve()
	h.enterHost()
	return h
}

// runTo runs to an address.
func (h *armHandOff) runTo(address uint64) {
	h.t.Helper()
	exit, err := h.machine.RunTo(h.context, address)
	require.NoError(h.t, err)
	require.Equal(h.t, machine.Breakpoint, exit.Reason, "to %#x: %v", address, exit)
}

// checkMemory requires that nothing was written since a snapshot.
func (h *armHandOff) checkMemory(before *machine.Snapshot) {
	h.t.Helper()
	after, err := h.machine.Snapshot()
	require.NoError(h.t, err)
	changes, err := before.Changes(after, nil, 8)
	require.NoError(h.t, err)
	require.Empty(h.t, changes, "memory was written")
}

func (h *armHandOff) write(at physmem.Address, p []byte) {
	h.t.Helper()
	_, err := h.machine.Memory().WritePhysical(p, at)
	require.NoError(h.t, err)
}

// reserve writes the trampoline, the image's tables, and an image that loops.
func (h *armHandOff) reserve() {
	h.t.Helper()
	b, err := arm64.NewBuilder(h.machine.Memory(), &bump{armPlace + atTables}, arm64.Paging{})
	require.NoError(h.t, err)
	require.NoError(h.t, b.MapIdentity(page(armPlace+atPage), arm64.Execute, 0))
	require.NoError(h.t, b.Map(page(armPlace+atEntry), entryVA, arm64.Execute|arm64.User, 0))
	require.NoError(h.t, b.Map(page(armPlace+atEntryStack), entryStackTop-0x1000, arm64.Write|arm64.User, 0))
	h.write(armPlace+atEntry, binary.LittleEndian.AppendUint32(nil, 0x14000000)) // B to itself
	h.params = trampoline.ARM64{
		Page: armPlace + atPage, Root: b.Paging().Root, Entry: entryVA, EntryStack: entryStackTop, Block: armPlace, BlockVA: blockVA,
	}
	code, err := trampoline.PatchARM64(h.params)
	require.NoError(h.t, err)
	h.write(h.params.Page, code)
}

// enterHost writes the host's tables and the context block.
func (h *armHandOff) enterHost() {
	h.t.Helper()
	c := h.host
	b, err := arm64.NewBuilder(h.machine.Memory(), &bump{armHostTables}, c.paging)
	require.NoError(h.t, err)
	b.AllowWriteExecute = true
	// The host's own map has no entry where the image's is.
	all := physmem.Range{Start: 0x4000_0000, End: 0x4000_0000 + armMemory}
	rights := arm64.Execute | arm64.Write
	if c.level == atEL2 {
		rights |= arm64.User // AP[1] is one there, and the bit UXN stands for XN (DDI 0487 D8.4.1)
	}
	require.NoError(h.t, b.MapIdentity(all, rights, 0))
	if c.decoy != 0 {
		size := max(uint64(c.paging.Granule), arm64.Granule4K)
		decoy := physmem.Range{Start: c.decoy, End: c.decoy + physmem.Address(size)}
		require.NoError(h.t, b.Map(decoy, entryVA&^(size-1), rights, size))
	}
	lower := b.Paging()
	var upper *arm64.Paging
	ttbr1 := uint64(0)
	if c.upper {
		kernel, err := arm64.NewBuilder(h.machine.Memory(), &bump{armHostTables + 0x40_0000}, arm64.Paging{Upper: true})
		require.NoError(h.t, err)
		require.NoError(h.t, kernel.Map(all, 0xffff_8000_0000_0000, arm64.Write, 0))
		paging := kernel.Paging()
		upper, ttbr1 = &paging, paging.TTBR()
	}
	if c.guarded {
		h.guard(lower)
	}
	tcr, err := arm64.TCRFor(&lower, upper)
	require.NoError(h.t, err)
	hcr, sctlr, pstate := hcrEL1, uint64(arm64.SCTLRReserved1|arm64.SCTLRKeepPAN|arm64.SCTLRDataCache|arm64.SCTLRInstructions), arm64.PSTATEEL1h
	value := uint64(tcr)
	switch c.level {
	case atEL2:
		// T0SZ, cacheability and granule are where EL1 has them (DDI 0487 D24.2,
		// TCR_EL2); 40 bits of physical address.
		value = uint64(tcr)&0xff3f | 2<<16 | 1<<31 | 1<<23
		sctlr, pstate = 0x30c50830|uint64(arm64.SCTLRDataCache|arm64.SCTLRInstructions), arm64.PSTATEEL2h
	case atVHE:
		hcr, pstate = hcrVHE, arm64.PSTATEEL2h
	}
	if c.threadStack {
		pstate &^= 1
	}
	if c.guarded {
		sctlr |= 1 << 36 // BT1, BT
	}
	if !c.mmuOff {
		sctlr |= uint64(arm64.SCTLRMMU)
	}
	for i, word := range []uint64{
		uint64(c.level), hcr, uint64(arm64.MAIRValue), value, lower.TTBR(), ttbr1, sctlr, uint64(pstate | c.pstate),
		h.freeze, 0x4310_0000, c.mdscr, 0x4300_0000,
	} {
		h.write(armContext+physmem.Address(8*i), binary.LittleEndian.AppendUint64(nil, word))
	}
}

// guard makes the pages around the trampoline's guarded ones.
func (h *armHandOff) guard(paging arm64.Paging) {
	w, err := arm64.NewWalker(h.machine.Memory(), nil, paging)
	require.NoError(h.t, err)
	step, err := w.Lookup(h.freeze, arm64.LevelPage)
	require.NoError(h.t, err)
	h.write(step.Table+physmem.Address(8*step.Index), binary.LittleEndian.AppendUint64(nil, uint64(step.Entry|arm64.EntryGuarded)))
}

// spoilRegisters gives every general register another value.
func (h *armHandOff) spoilRegisters() {
	h.t.Helper()
	state, err := h.machine.State(0)
	require.NoError(h.t, err)
	s := state.(*machine.ARM64State)
	want := 1
	if h.host.level != atEL1 {
		want = 2
	}
	require.Equal(h.t, want, arm64.PSTATE(s.PSTATE).Level(), "the host is at EL%d", want)
	for i := range s.X {
		s.X[i] = 0xdead_0000_0000_0000 + uint64(i)
	}
	require.NoError(h.t, h.machine.SetState(0, s))
}

func (h *armHandOff) checkState() {
	h.t.Helper()
	state, err := h.machine.State(0)
	require.NoError(h.t, err)
	s := state.(*machine.ARM64State)
	var x [31]uint64
	x[0], x[1] = uint64(armPlace), blockVA
	require.Equal(h.t, x, s.X)
	require.EqualValues(h.t, entryStackTop, s.CurSP)
	require.Equal(h.t, arm64.PSTATEEL1h|arm64.PSTATEAllMasked, arm64.PSTATE(s.PSTATE), "%v", arm64.PSTATE(s.PSTATE))
	tcr := s.System["TCR_EL1"]
	if sctlr, known := s.System["SCTLR_EL1"]; known {
		s.System["SCTLR_EL1"] = sctlr &^ (3 << 7) // ITD, SED: always one where there is no AArch32
	}
	for name, want := range map[string]uint64{
		"SCTLR_EL1": uint64(trampoline.EntrySCTLR), "TTBR0_EL1": uint64(h.params.Root), "TTBR1_EL1": 0, "MAIR_EL1": uint64(arm64.MAIRValue),
		"VBAR_EL1": uint64(h.params.Page) + 0x800, "MDSCR_EL1": 0,
	} {
		if got, known := s.System[name]; known {
			require.Equal(h.t, want, got, name)
		} else {
			require.Contains(h.t, []string{"MAIR_EL1", "MDSCR_EL1"}, name, "not told")
		}
	}
	require.NotZero(h.t, tcr&uint64(arm64.TCRDisable1))
	// 44 bits of physical address; 48 of the 52 that the others have.
	require.Equal(h.t, map[string]uint64{"": 4, "max": 5}[h.host.cpu], tcr>>arm64.TCRPhysicalShift&7)
}

// Without its first instruction the trampoline cannot be entered by a branch from
// a host with guarded pages: the context is what it says.
func TestGuardedPagesBite(t *testing.T) {
	t.Parallel()
	h := newHandOffARM64(t, armQEMU, armHost{cpu: "max", guarded: true, pstate: pstateBTypeCall})
	h.write(h.params.Page, binary.LittleEndian.AppendUint32(nil, 0xd503201f)) // NOP
	short, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	exit, err := h.machine.RunTo(short, entryVA)
	require.NoError(t, err)
	require.Equal(t, machine.TimedOut, exit.Reason, "%v", exit)
}

// TestContextLoaderARM64 assembles testdata/contextarm.s anew.
func TestContextLoaderARM64(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	object, binary := filepath.Join(dir, "context.o"), filepath.Join(dir, "context.bin")
	for _, command := range [][]string{
		{"aarch64-linux-gnu-as", "-o", object, "testdata/contextarm.s"},
		{"aarch64-linux-gnu-objcopy", "-O", "binary", "-j", ".text", object, binary},
	} {
		if _, err := exec.LookPath(command[0]); err != nil {
			t.Skipf("%s is not in PATH", command[0])
		}
		out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	made, err := os.ReadFile(binary)
	require.NoError(t, err)
	committed, err := os.ReadFile("testdata/contextarm.bin")
	require.NoError(t, err)
	require.Equal(t, committed, made)
}
