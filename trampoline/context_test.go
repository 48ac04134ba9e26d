package trampoline_test

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/emulated"
	"github.com/seed64aab995/rescuekernel/machine/kvm"
	"github.com/seed64aab995/rescuekernel/machine/machinetest"
	"github.com/seed64aab995/rescuekernel/machine/qemu"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/trampoline"
)

// Bits of the control registers (Intel SDM 3A 2.5).
const (
	cr0Entry = 0x80010033 // PG WP NE ET MP PE
	cr0TS    = 1 << 3
	cr0AM    = 1 << 18
	cr0CD    = 1 << 30

	cr4Entry = 0x630 // OSXMMEXCPT OSFXSR PAE PSE
	cr4TSD   = 1 << 2
	cr4DE    = 1 << 3
	cr4PAE   = 1 << 5
	cr4MCE   = 1 << 6
	cr4PGE   = 1 << 7
	cr4UMIP  = 1 << 11
	cr4LA57  = 1 << 12
	cr4FSGS  = 1 << 16
	cr4PCIDE = 1 << 17
	cr4SMEP  = 1 << 20
	cr4SMAP  = 1 << 21
	cr4PKE   = 1 << 22
	cr4CET   = 1 << 23

	eferEntry = 0xd01 // NXE LMA LME SCE
	eferHost  = 0x500 // LMA LME
	eferNXE   = 1 << 11

	flagsAll = 0x47cd7 // AC NT IOPL=3 OF DF SF ZF AF PF CF and the fixed bit; not TF, IF
	dr7Armed = 0x401   // DR0: a breakpoint on execution
	dr7GD    = 1 << 13

	cetShadowStack = 1 << 0 // IA32_S_CET (Intel SDM 1 17.3)
	cetEndbranch   = 1 << 2
)

// hostContext is what a host has at the freeze point.
type hostContext struct {
	name        string
	needs       []feature
	fiveLevels  bool
	cr0         uint64 // more than cr0Entry
	cr4         uint64 // more than PAE
	pcid        uint64
	cet         uint64 // IA32_S_CET
	efer        uint64 // more than eferHost
	flags       uint64
	dr7         uint64
	noGDT       bool // GDTR and IDTR point to nothing
	cs          uint64
	reservation physmem.Address
	nmi         nmiMoment
	ldt         bool   // there is a local descriptor table; emulated only
	interrupt   uint64 // an interrupt comes behind so many instructions; emulated only
}

// nmiMoment is when NMIs come.
type nmiMoment int

const (
	noNMI     nmiMoment = iota
	inHandler           // the host panics in its NMI handler, and one more is pending
)

// contexts is the table. On a machine that does not have a feature a row is
// skipped; the emulated one has them all.
var contexts = []hostContext{
	{name: "plain"},
	{name: "no execute pages on", efer: eferNXE},
	{name: "all flags", flags: flagsAll},
	{name: "foreign tables", noGDT: true, cs: 0x38},
	{name: "task switched, alignment checked", cr0: cr0TS | cr0AM, flags: 1 << 18},
	{name: "caches off", cr0: cr0CD},
	{name: "many bits of CR4", cr4: cr4TSD | cr4DE | cr4MCE | cr4PGE},
	{name: "breakpoint at the freeze point's code", dr7: dr7Armed},
	{name: "general detect", dr7: dr7Armed | dr7GD, cr4: cr4DE},
	{name: "global pages", cr4: cr4PGE},
	{name: "SMEP", needs: []feature{featureSMEP}, cr4: cr4SMEP},
	{name: "SMAP", needs: []feature{featureSMAP}, cr4: cr4SMAP, flags: 0},
	{name: "SMEP, SMAP, global pages, no execute", needs: []feature{featureSMEP, featureSMAP}, cr4: cr4SMEP | cr4SMAP | cr4PGE, efer: eferNXE},
	{name: "UMIP", needs: []feature{featureUMIP}, cr4: cr4UMIP},
	{name: "FSGSBASE", needs: []feature{featureFSGSBASE}, cr4: cr4FSGS},
	{name: "protection keys", needs: []feature{featurePKU}, cr4: cr4PKE},
	{name: "5 levels", needs: []feature{featureLA57}, fiveLevels: true},
	{name: "5 levels, all that goes with it", needs: []feature{featureLA57, featureSMEP, featureSMAP}, fiveLevels: true, cr4: cr4SMEP | cr4SMAP | cr4PGE, efer: eferNXE},
	{name: "PCID", needs: []feature{featurePCID}, cr4: cr4PCIDE | cr4PGE, pcid: 0xabc},
	{name: "PCID, no global pages", needs: []feature{featurePCID}, cr4: cr4PCIDE, pcid: 0xabc},
	{name: "CET", needs: []feature{featureCET}, cr4: cr4CET},
	{name: "CET, indirect branches tracked", needs: []feature{featureIBT}, cr4: cr4CET, cet: cetEndbranch},
	{name: "CET, shadow stack", needs: []feature{featureCET}, cr4: cr4CET, cet: cetShadowStack},
	{name: "all that there is", needs: []feature{featurePCID, featureSMEP, featureSMAP, featurePKU, featureCET, featureIBT},
		cr4: cr4PCIDE | cr4PGE | cr4SMEP | cr4SMAP | cr4PKE | cr4CET, cet: cetEndbranch | cetShadowStack, pcid: 1, efer: eferNXE},
	{name: "above 4 GiB", reservation: 5 << 30},
	{name: "lowest memory", reservation: 0x10000},
	{name: "NMI handler, another NMI pending", nmi: inHandler},
	{name: "NMI handler, foreign tables", nmi: inHandler, noGDT: true, cs: 0x38},
}

// Where things lie. contextBlock is the CTX of testdata/context.s.
const (
	contextBlock  physmem.Address = 0x300000
	hostTables    physmem.Address = 0x310000
	hostGDT       physmem.Address = 0x340000
	hostIDT       physmem.Address = 0x341000
	decoyPage     physmem.Address = 0x342000 // what the entry's address means to the host
	shadowStack   physmem.Address = 0x343000
	hostStack                     = 0xdead0000
	finalJump                     = machinetest.Entry + 0xf1 // the loader's last instruction
	memorySize                    = 6 << 30
	plainPlace    physmem.Address = 16 << 20
	entryVA                       = 0x500000411000
	entryStackTop                 = 0x500000100000
	blockVA                       = 0x400000000000
)

// Offsets in the reservation.
const (
	atPage        = 0x1000
	atStack       = 0x2000
	atEntry       = 0x3000
	atEntryStack  = 0x4000
	atTables      = 0x5000
	reservedBytes = 0x20000
)

// runners are the machines that contexts run on.
var runners = []struct {
	name string
	new  func(machine.Config) (machine.Machine, error)
	nmis bool // it tells of blocked and pending NMIs
}{
	{"emulated", emulated.New, true},
	{"kvm", kvm.New, true},
	{"qemu", qemu.New, false},
}

func TestContexts(t *testing.T) {
	t.Parallel()
	loader := contextLoader(t)
	for _, runner := range runners {
		t.Run(runner.name, func(t *testing.T) {
			has := machineFeatures(t, runner.new)
			for _, c := range contexts {
				t.Run(c.name, func(t *testing.T) {
					for _, f := range c.needs {
						if !has(f) {
							t.Skipf("this machine has no %s", f.name)
						}
					}
					m, ctx := start(t, runner.new, loader)
					h := newHandOff(t, m, c)
					h.nmis = runner.nmis
					h.toFreezePoint(ctx)
					h.toEntry(ctx)
					h.checkMemory()
				})
			}
		})
	}
}

// contextLoader is the code of testdata/context.s.
func contextLoader(t testing.TB) []byte {
	t.Helper()
	loader, err := os.ReadFile("testdata/context.bin")
	require.NoError(t, err)
	return loader
}

// start makes a machine that is at the loader's first instruction.
func start(t testing.TB, create func(machine.Config) (machine.Machine, error), loader []byte) (machine.Machine, context.Context) {
	t.Helper()
	m, err := create(machine.Config{MemorySize: memorySize, Boot: machine.Boot{Image: machinetest.Image(loader)}})
	if errors.Is(err, machine.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	exit, err := m.RunTo(ctx, machinetest.Entry)
	require.NoError(t, err)
	require.Equal(t, machine.Breakpoint, exit.Reason, "%v", exit)
	return m, ctx
}

// tester is what a hand-off reports to: a test, or who wants to see it fail.
type tester interface {
	require.TestingT
	Helper()
}

// handOff is one hand-off in a machine's memory.
type handOff struct {
	t      tester
	m      machine.Machine
	c      hostContext
	base   physmem.Address
	params trampoline.AMD64
	freeze uint64
	before *machine.Snapshot
	nmis   bool // the machine tells of blocked and pending NMIs

	stackSelector uint16 // what SS may also be at the entry
}

func (h *handOff) write(at physmem.Address, p []byte) {
	h.t.Helper()
	_, err := h.m.Memory().WritePhysical(p, at)
	require.NoError(h.t, err)
}

func (h *handOff) words(at physmem.Address, words ...uint64) {
	h.t.Helper()
	for i, w := range words {
		h.write(at+physmem.Address(8*i), binary.LittleEndian.AppendUint64(nil, w))
	}
}

func page(at physmem.Address) physmem.Range { return physmem.Range{Start: at, End: at + 0x1000} }

// newHandOff writes the reservation, the host's tables and the context block.
func newHandOff(t tester, m machine.Machine, c hostContext) *handOff {
	t.Helper()
	h := &handOff{t: t, m: m, c: c, base: c.reservation, stackSelector: trampoline.DataSelector}
	if h.base == 0 {
		h.base = plainPlace
	}
	h.freeze = uint64(h.base) + atPage + trampoline.FreezePoint
	h.reserve()
	h.host()
	return h
}

func (h *handOff) reserve() {
	rescue := newTables(h.t, h.m.Memory(), h.base+atTables)
	rescue.identity(page(h.base+atPage), 0)
	rescue.identity(page(h.base+atStack), writable|noExecute)
	rescue.page(entryVA, h.base+atEntry, 0)
	rescue.page(entryStackTop-0x1000, h.base+atEntryStack, writable|noExecute)
	h.write(h.base+atEntry, []byte{0xeb, 0xfe}) // jmp to itself
	h.params = trampoline.AMD64{
		Page: h.base + atPage, Stack: h.base + atStack + trampoline.StackSize, Root4: rescue.root4, Root5: rescue.root5,
		Entry: entryVA, EntryStack: entryStackTop, Block: h.base, BlockVA: blockVA,
	}
	code, err := trampoline.PatchAMD64(h.params)
	require.NoError(h.t, err)
	h.write(h.params.Page, code)
}

func (h *handOff) host() {
	c := h.c
	host := newTables(h.t, h.m.Memory(), hostTables)
	host.identity(physmem.Range{Start: 0x107000, End: 0x10b000}, writable) // the loader
	host.identity(page(contextBlock), writable)
	host.identity(page(h.base+atPage), 0)
	host.identity(page(h.base+atStack), writable)
	host.identity(physmem.Range{Start: hostGDT, End: decoyPage}, writable)
	host.page(entryVA, decoyPage, global)
	host.identity(page(shadowStack), 0)
	token := shadowStack + 0xff8
	h.words(token, uint64(token))
	if c.cet&cetShadowStack == 0 {
		token = 0
	}
	cs, root := uint64(0x10), host.root4
	if c.cs != 0 {
		cs = c.cs
	}
	if c.fiveLevels {
		root, c.cr4 = host.root5, c.cr4|cr4LA57
	}
	h.words(hostGDT+8, 0x00cf93000000ffff) // data
	h.words(hostGDT+physmem.Address(cs), 0x00af9b000000ffff)
	if !c.noGDT || c.nmi == inHandler { // an NMI gate that leads to the freeze point
		h.words(hostIDT+2*16, h.freeze&0xffff|cs<<16|0x8e00<<32|h.freeze>>16&0xffff<<48, h.freeze>>32)
	}
	const late = cr4PCIDE | cr4CET // what needs long mode
	h.words(contextBlock+0x20, cr0Entry|c.cr0, uint64(root)|c.pcid, (cr4PAE|c.cr4)&^late, cr4PAE|c.cr4, eferHost|c.efer,
		c.dr7, cs, 8, c.flags|2, hostStack, h.freeze, h.freeze+offsetOf(h.t, "MOV CR0, RBX"), entryVA, c.cet, uint64(token))
	limit := uint64(0xff)
	h.words(contextBlock, limit|uint64(hostGDT)<<16, uint64(hostGDT)>>48, 0xfff|uint64(hostIDT)<<16, uint64(hostIDT)>>48)
}

// toFreezePoint enters the context, gives every register another value, and
// takes the snapshot.
func (h *handOff) toFreezePoint(ctx context.Context) {
	h.t.Helper()
	exit, err := h.m.RunTo(ctx, finalJump)
	require.NoError(h.t, err)
	require.Equal(h.t, machine.Breakpoint, exit.Reason, "into the context: %v", exit)
	if h.c.nmi == inHandler {
		require.NoError(h.t, h.m.NMI(0))
		// The handler needs a stack, and the hand-off may not.
		h.setRegisters(func(s *machine.AMD64State) { s.Registers[machine.RSP] = uint64(contextBlock) + 0xf00 })
	}
	exit, err = h.m.RunTo(ctx, h.freeze)
	require.NoError(h.t, err)
	require.Equal(h.t, machine.Breakpoint, exit.Reason, "to the freeze point: %v", exit)
	if h.c.nmi == inHandler {
		require.NoError(h.t, h.m.NMI(0))
	}
	h.setRegisters(func(s *machine.AMD64State) {
		require.Equal(h.t, h.c.cr4|cr4PAE, s.CR4&^cr4LA57)
		for i := range s.Registers {
			s.Registers[i] = 0xdead_0000_0000_0000 + uint64(i)
		}
		if h.c.ldt {
			s.LDTR = machine.Segment{Selector: 0x48, Base: uint64(hostGDT), Limit: 0xff, Access: 0x82}
		}
	})
	if h.c.interrupt != 0 {
		e := h.m.(*emulated.Machine)
		require.NoError(h.t, e.Inject(e.Instructions()+h.c.interrupt, emulated.Fault{Kind: emulated.Interrupt, Vector: 0x20}))
	}
	h.before, err = h.m.Snapshot()
	require.NoError(h.t, err)
}

func (h *handOff) setRegisters(change func(*machine.AMD64State)) {
	h.t.Helper()
	state, err := h.m.State(0)
	require.NoError(h.t, err)
	change(state.(*machine.AMD64State))
	require.NoError(h.t, h.m.SetState(0, state))
}

// toEntry runs the trampoline and checks what has come out of it.
func (h *handOff) toEntry(ctx context.Context) {
	h.t.Helper()
	exit, err := h.m.RunTo(ctx, entryVA)
	require.NoError(h.t, err)
	require.Equal(h.t, machine.Breakpoint, exit.Reason, "to the entry: %v", exit)
	state, err := h.m.State(0)
	require.NoError(h.t, err)
	h.checkState(state.(*machine.AMD64State))
}

func (h *handOff) checkState(s *machine.AMD64State) {
	h.t.Helper()
	var registers [16]uint64
	registers[machine.RSP] = entryStackTop
	registers[machine.RDI] = uint64(h.base)
	registers[machine.RSI] = blockVA
	require.Equal(h.t, registers, s.Registers)
	const resumeFlag = 1 << 16 // a debugger's
	require.EqualValues(h.t, 2, s.RFLAGS&^resumeFlag, "RFLAGS %#x", s.RFLAGS)
	require.EqualValues(h.t, cr0Entry, s.CR0, "CR0 %#x", s.CR0)
	cr4, root := uint64(cr4Entry), h.params.Root4
	if h.c.fiveLevels {
		cr4, root = cr4|cr4LA57, h.params.Root5
	}
	require.Equal(h.t, cr4, s.CR4, "CR4 %#x", s.CR4)
	require.EqualValues(h.t, root, s.CR3, "CR3 %#x", s.CR3)
	require.EqualValues(h.t, eferEntry, s.EFER, "EFER %#x", s.EFER)
	require.EqualValues(h.t, trampoline.CodeSelector, s.CS.Selector)
	require.Contains(h.t, []uint16{h.stackSelector, trampoline.DataSelector}, s.SS.Selector)
	for i, segment := range []machine.Segment{s.DS, s.ES, s.FS, s.GS} {
		require.EqualValues(h.t, trampoline.DataSelector, segment.Selector, "segment %d", i)
		require.Zero(h.t, segment.Base, "segment %d", i)
	}
	require.Zero(h.t, s.LDTR.Selector)
	for _, base := range []uint64{s.GDTR.Base, s.IDTR.Base} {
		require.True(h.t, page(h.params.Page).Contains(physmem.Address(base)), "%#x", base)
	}
	require.EqualValues(h.t, 0x400, s.DR7, "DR7 %#x", s.DR7)
	if !h.nmis {
		return
	}
	require.Equal(h.t, h.c.nmi == inHandler, s.NMIBlocked)
	require.Equal(h.t, h.c.nmi == inHandler, s.NMIPending)
}
