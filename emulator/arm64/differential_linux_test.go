package arm64

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/arch/arm64/arm64asm"

	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/emulator/arm64/internal/native"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

var (
	full = flag.Bool("full", false, "run at least a million instructions in the differential test")
	seed = flag.Uint64("seed", 20261122, "seed of the differential test")
)

// qemuModel is what QEMU executes cases as: all that Max has and more. It lacks
// pointer authentication, which makes hints of NOPs.
const qemuModel = "max,pauth=off"

// rig is another CPU and the emulated one, with memory at the same places.
type rig struct {
	t       testing.TB
	process *native.Process
	cpu     *CPU
	memory  *emulator.Memory
	random  *rand.Rand
	blocks  bool // run whole blocks, not one instruction at a time

	cases   []native.Case
	results []native.Result
	names   []string
}

// Where the emulated CPU's tables and exception vectors are.
const (
	rigTables  = 0x1000
	rigVectors = 0x8000
	rigExit    = 0xdead // of BRK, in words of a slot that are ways out
)

// start starts the other CPU.
func start(t testing.TB, qemu string) *native.Process {
	t.Helper()
	p, err := native.Start(context.Background(), t.TempDir(), qemu)
	if errors.Is(err, native.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

func newRig(t testing.TB, seed uint64, model Model, qemu string) *rig {
	t.Helper()
	p := start(t, qemu)
	r := &rig{t: t, process: p, random: rand.New(rand.NewPCG(seed, 1))}
	r.memory = emulator.NewMemory(physmem.NewRanges(physmem.Range{End: 0x10000}, physmem.Range{Start: native.Code, End: native.End}))
	r.cpu = New(0, r.memory, Config{Model: model})
	r.tables()
	require.NoError(t, r.cpu.SetState(&machine.ARM64State{PCReg: native.Code, System: map[string]uint64{
		"SCTLR_EL1": 0x30d0198d | 1<<26 | 1<<14 | 1<<15, "TCR_EL1": 25 | 1<<23 | 5<<32, "TTBR0_EL1": rigTables, "MAIR_EL1": 0xff,
		"CPACR_EL1": 3 << 20, "VBAR_EL1": rigVectors,
	}}))
	return r
}

// put64 writes a table entry.
func (r *rig) put64(at physmem.Address, v uint64) {
	_, err := r.memory.WritePhysical(binary.LittleEndian.AppendUint64(nil, v), at)
	require.NoError(r.t, err)
}

// tables map code and data where they are, for EL0 (DDI 0487 D8.3).
func (r *rig) tables() {
	const table, page, leaf = 3, 3, 1<<10 | 3<<8 | 1<<6 // AF, inner shareable, EL0 too
	r.put64(rigTables, rigTables+0x1000|table)
	next := uint64(rigTables + 0x2000)
	pages := map[uint64]uint64{} // level 3 tables by what they map
	add := func(from, to, flags uint64) {
		for va := from; va < to; va += 0x1000 {
			third, ok := pages[va>>21]
			if !ok {
				third = next
				next += 0x1000
				pages[va>>21] = third
				r.put64(physmem.Address(rigTables+0x1000+va>>21&511*8), third|table)
			}
			r.put64(physmem.Address(third+va>>12&511*8), va|page|leaf|flags)
		}
	}
	add(native.Code, native.Code+native.Slots*native.SlotWords*4, 1<<7)
	add(native.Begin, native.End, 1<<54)
}

// windows copies a case's memory to or from its places.
func (r *rig) windows(b []byte, write bool) {
	const half = native.MemorySize / 2
	for i, at := range native.Windows {
		var err error
		if write {
			_, err = r.memory.WritePhysical(b[i*half:(i+1)*half], physmem.Address(at))
		} else {
			_, err = r.memory.ReadPhysical(b[i*half:(i+1)*half], physmem.Address(at))
		}
		require.NoError(r.t, err)
	}
}

// slots writes the slots of all cases.
func (r *rig) slots() {
	code := make([]byte, 0, len(r.cases)*native.SlotWords*4)
	for i := range r.cases {
		for word := range native.SlotWords {
			w := uint32(0xd4200000 | rigExit<<5)
			if word == native.Entry-1 {
				w = 0xa94ffbdd // as there
			}
			if n := word - native.Entry; n >= 0 && n < native.MaxCode && r.cases[i].Code[n] != 0 {
				w = r.cases[i].Code[n]
			}
			code = binary.LittleEndian.AppendUint32(code, w)
		}
	}
	_, err := r.memory.WritePhysical(code, native.Code)
	require.NoError(r.t, err)
}

// outcome is what the emulated CPU made of a case.
type outcome struct {
	native.Result
	class uint64 // ESR_EL1.EC, where it took an exception
	stop  string
}

// execute runs a case on the emulated CPU.
func (r *rig) execute(slot int) (o outcome) {
	c, k := r.cpu, &r.cases[slot]
	r.windows(k.Memory[:], true)
	c.setPSTATE(k.NZCV)
	copy(c.r[:31], k.X[:])
	c.r[regSP] = k.SP
	for i, v := range k.V {
		c.v[i] = v
	}
	c.fpcr, c.fpsr = k.FPCR, k.FPSR
	c.pc = native.Slot(slot) + 4*native.Entry
	c.monitor.clear()
	for steps := 0; c.level == 0; steps++ {
		var exit *machine.Exit
		if r.blocks {
			exit = c.Run(c.count+1, false)
		} else {
			exit = c.Step()
		}
		if exit != nil {
			o.stop = exit.String()
			return o
		}
		if steps > 50 {
			o.stop = "does not end"
			return o
		}
	}
	r.outcome(slot, &o)
	return o
}

func (r *rig) outcome(slot int, o *outcome) {
	c := r.cpu
	esr, elr := c.sys.esr[1], c.sys.elr[1]
	copy(o.X[:], c.r[:31])
	o.SP, o.FPCR, o.FPSR, o.NZCV = c.stacks[0], c.fpcr, c.fpsr, c.sys.spsr[1]&(15<<28)
	for i, v := range c.v {
		o.V[i] = v
	}
	r.windows(o.Memory[:], false)
	o.class = esr >> 26
	if o.class == 0x3c && esr&0xffff == rigExit && elr-native.Slot(slot) < native.SlotWords*4 {
		o.Exit = int(elr-native.Slot(slot)) / 4
		return
	}
	o.PC, o.Address = elr, c.sys.far[1]
	switch {
	case o.class == 0x24 && esr&0x3f == 0x21, o.class == 0x22, o.class == 0x26: // alignment
		o.Signal = 7
	case o.class == 0x20 || o.class == 0x24:
		o.Signal = 11
	case o.class == 0x3c:
		o.Signal = 5
	default:
		o.Signal = 4
	}
}

// add adds a case of an operation.
func (r *rig) add(name string, c native.Case) {
	r.cases = append(r.cases, c)
	r.names = append(r.names, name)
}

// flush runs the cases that were added on both and calls wrong for each that
// differs.
func (r *rig) flush(wrong func(name string, c *native.Case, difference string)) {
	if len(r.results) < len(r.cases) {
		r.results = make([]native.Result, native.Slots)
	}
	require.NoError(r.t, r.process.Run(r.cases, r.results))
	r.slots()
	for i := range r.cases {
		o := r.execute(i)
		if allowed(r.names[i], &r.results[i], &o) {
			continue
		}
		if d := disagreement(&r.cases[i], &r.results[i], &o); d != "" {
			wrong(r.names[i], &r.cases[i], d)
		}
	}
	r.cases, r.names = r.cases[:0], r.names[:0]
}

// allowed reports whether a difference is one that the architecture allows, or a
// shortcoming of QEMU's: it does not look at the address of a store exclusive
// that fails (DDI 0487 B2.17.3 leaves that open for translation faults), nor at
// the alignment of LDAPR.
func allowed(name string, want *native.Result, got *outcome) bool {
	fails := strings.HasPrefix(name, "STX") || strings.HasPrefix(name, "STLX")
	return want.Signal == 0 && fails && (got.Signal == 7 || got.Signal == 11) || strings.HasPrefix(name, "LDAPR") && got.Signal == 7
}

// disagreement says what of a case differs between the other CPU and this one.
func disagreement(c *native.Case, want *native.Result, got *outcome) string {
	switch {
	case got.stop != "":
		return "the emulator stopped: " + got.stop
	case got.Signal != want.Signal:
		return fmt.Sprintf("signal %d (class %#x, PC %#x, FAR %#x), not %d (at %#x, exit %d)", got.Signal, got.class, got.PC, got.Address, want.Signal, want.Address, want.Exit)
	case got.Signal == 0 && got.Exit != want.Exit:
		return fmt.Sprintf("goes on at word %d, not %d", got.Exit, want.Exit)
	case got.Signal != 0 && got.PC != want.PC:
		return fmt.Sprintf("signal at %#x, not %#x", got.PC, want.PC)
	case got.SP != want.SP:
		return fmt.Sprintf("SP %#x, not %#x", got.SP, want.SP)
	case got.NZCV != want.NZCV:
		return fmt.Sprintf("NZCV %#x, not %#x (before %#x)", got.NZCV>>28, want.NZCV>>28, c.NZCV>>28)
	}
	for i := range want.X {
		if got.X[i] != want.X[i] {
			return fmt.Sprintf("X%d: %#x, not %#x (before %#x)", i, got.X[i], want.X[i], c.X)
		}
	}
	for i := range want.V {
		if got.V[i] != want.V[i] && !partial(c, want) {
			return fmt.Sprintf("V%d: %#x, not %#x (FPCR %#x, before %#x)", i, got.V[i], want.V[i], c.FPCR, c.V)
		}
	}
	if got.FPSR != want.FPSR || got.FPCR != want.FPCR {
		return fmt.Sprintf("FPSR %#x, not %#x (FPCR %#x, FPSR before %#x, vectors %#x)", got.FPSR, want.FPSR, c.FPCR, c.FPSR, c.V)
	}
	if want.Signal == 0 && got.Memory != want.Memory {
		for i := range got.Memory {
			if got.Memory[i] != want.Memory[i] {
				return fmt.Sprintf("memory at %d: %#x, not %#x", i, got.Memory[i], want.Memory[i])
			}
		}
	}
	return ""
}

// partial reports whether vector registers need not be the same: those that a
// LD1 to LD4 or a LDP which faulted was about to load are UNKNOWN, and QEMU has
// written some. So is memory that a store was about to write, for all stores.
func partial(c *native.Case, want *native.Result) bool {
	w := c.Code[0]
	return want.Signal != 0 && (w&0xbe000000 == 0x0c000000 || w&0x3e000000 == 0x2c000000)
}

// describe prints a case as a row of mismatches_test.go has it.
func describe(c *native.Case) string {
	text := ""
	for _, w := range c.Code {
		if w != 0 {
			i, err := arm64asm.Decode(binary.LittleEndian.AppendUint32(nil, w))
			if err != nil {
				text += fmt.Sprintf("%#08x; ", w)
				continue
			}
			text += fmt.Sprintf("%#08x %v; ", w, i)
		}
	}
	return text
}

// TestDifferential executes instances of every operation on another CPU and on
// the emulated one.
func TestDifferential(t *testing.T) {
	rounds := 24
	if *full {
		rounds = 1_000_000/operations() + 1
	}
	t.Logf("seed %d", *seed)
	r := newRig(t, *seed, Max, qemuModel)
	total := 0
	wrong := map[string]int{}
	report := func(name string, c *native.Case, difference string) {
		if wrong[name]++; wrong[name] <= 2 {
			t.Errorf("%s: %s\n\t%s", name, describe(c), difference)
		}
	}
	for round := range rounds {
		r.blocks = round%2 == 1
		for i := range decoding.all {
			o := &decoding.all[i]
			if _, exempt := exemption(o); exempt {
				continue
			}
			if len(r.cases) == native.Slots {
				r.flush(report)
			}
			r.add(o.name, r.instance(o, len(r.cases)))
			total++
		}
	}
	r.flush(report)
	t.Logf("%d instructions of %d operations", total, operations())
	for name, n := range wrong {
		t.Logf("%d wrong of %s", n, name)
	}
}
