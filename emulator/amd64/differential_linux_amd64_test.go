package amd64

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/arch/x86/x86asm"

	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/emulator/amd64/internal/native"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// pair is the real CPU and the emulated one, with memory at the same places.
type pair struct {
	t      *testing.T
	native *native.Machine
	cpu    *CPU
	memory *emulator.Memory
	base   *machine.AMD64State
	random *rand.Rand
}

func newPair(t *testing.T, seed uint64) *pair {
	t.Helper()
	n, err := native.New()
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { require.NoError(t, n.Close()) })
	memory := emulator.NewMemory(physmem.NewRanges(physmem.Range{End: 0x10000}, physmem.Range{Start: native.Base, End: native.End}))
	require.NoError(t, machine.WriteIdentityTables(memory, 0x1000))
	base := machine.LongModeState(native.Code, 0x1000)
	base.Registers[machine.RSP] = 0xff00
	c := New(0, memory, machine.NewBus(), false)
	return &pair{t, n, c, memory, base, rand.New(rand.NewPCG(seed, 1))}
}

// interesting is a number as tests want them: often at an edge.
func (p *pair) interesting() uint64 {
	v := p.random.Uint64()
	switch p.random.IntN(8) {
	case 0:
		return v & 0xff
	case 1:
		return -(v & 0xff)
	case 2:
		return 1 << (v & 63)
	case 3:
		return 1<<(v&63) - 1
	case 4:
		return uint64(int64(v) >> (v & 63))
	}
	return v
}

// float is a bit pattern of two floats or one that arithmetic has trouble with.
func (p *pair) float() uint64 {
	edges := []uint64{0, 1 << 63, 0x7ff0 << 48, 0xfff0 << 48, 0x7ff8 << 48, 0x7ff0000000000001, 1, 0x3ff0 << 48, 0xbff0 << 48,
		0x41dfffffffc00000, 0x43e0 << 48, 0xc3e0 << 48, 0x3f800000bf800000, 0x7f8000007fc00001, 0xff80000000000001, 0x4f0000004effffff}
	switch p.random.IntN(3) {
	case 0:
		return edges[p.random.IntN(len(edges))]
	case 1:
		return 0x3ff0<<48 + p.random.Uint64()>>12 + p.random.Uint64N(64)<<52
	}
	return p.interesting()
}

func (p *pair) state() *native.State {
	s := &native.State{Flags: 2 | p.random.Uint64()&flagsStatus}
	for i := range s.Registers {
		s.Registers[i] = p.interesting()
	}
	binary.LittleEndian.PutUint16(s.FXSAVE[0:], 0x37f)
	binary.LittleEndian.PutUint32(s.FXSAVE[24:], 0x1f80)
	for i := range 32 {
		binary.LittleEndian.PutUint64(s.FXSAVE[160+8*i:], p.float())
	}
	return s
}

// check runs code on both and compares. ignore are flags that the architecture
// leaves undefined.
func (p *pair) check(code []byte, s *native.State, ignore uint64) string {
	data := p.native.Data()
	for i := 0; i < len(data); i += 8 {
		binary.LittleEndian.PutUint64(data[i:], p.float())
	}
	_, err := p.memory.WritePhysical(data, native.Data)
	require.NoError(p.t, err)
	_, err = p.memory.WritePhysical(code, native.Code)
	require.NoError(p.t, err)
	e := *p.base
	rsp := e.Registers[machine.RSP]
	copy(e.Registers[:], s.Registers[:])
	e.Registers[machine.RSP], e.RFLAGS, e.FXSAVE = rsp, s.Flags, s.FXSAVE
	require.NoError(p.t, p.cpu.SetState(&e))
	before := *s
	p.native.Run(code, s)
	end := uint64(native.Code + len(code))
	for range 200 {
		if p.cpu.rip == end {
			break
		}
		if exit := p.cpu.Step(); exit != nil {
			return fmt.Sprintf("emulator stopped: %v", exit)
		}
	}
	return p.compare(&before, s, end, ignore)
}

func (p *pair) compare(before, want *native.State, end, ignore uint64) string {
	got := p.cpu.State().(*machine.AMD64State)
	if got.RIP != end {
		return fmt.Sprintf("RIP %#x, not %#x", got.RIP, end)
	}
	for i := range 16 {
		if i != machine.RSP && got.Registers[i] != want.Registers[i] {
			return fmt.Sprintf("register %d: %#x, not %#x (before %#x, all %#x)", i, got.Registers[i], want.Registers[i], before.Registers[i], before.Registers)
		}
	}
	if diff := (got.RFLAGS ^ want.Flags) & flagsStatus &^ ignore; diff != 0 {
		return fmt.Sprintf("flags %#x, not %#x: %#x differ (registers %#x)", got.RFLAGS&flagsStatus, want.Flags&flagsStatus, diff, before.Registers)
	}
	for i := range 16 {
		o := 160 + 16*i
		if g, w := got.FXSAVE[o:o+16], want.FXSAVE[o:o+16]; string(g) != string(w) {
			return fmt.Sprintf("xmm%d: %x, not %x (before %x, xmm %x)", i, g, w, before.FXSAVE[o:o+16], before.FXSAVE[160:416])
		}
	}
	memory := make([]byte, native.DataSize)
	_, err := p.memory.ReadPhysical(memory, native.Data)
	require.NoError(p.t, err)
	for i, b := range p.native.Data() {
		if memory[i] != b {
			return fmt.Sprintf("memory at %#x: %#x, not %#x", native.Data+i, memory[i], b)
		}
	}
	return ""
}

// undefinedFlags are flags that the architecture leaves undefined, by name
// (Intel SDM 2).
func undefinedFlags(name string) uint64 {
	switch name {
	case "AND", "OR", "XOR", "TEST":
		return flagAF
	case "MUL", "IMUL":
		return flagSF | flagZF | flagAF | flagPF
	case "DIV", "IDIV":
		return flagsStatus
	case "BSF", "BSR":
		return flagsStatus &^ flagZF
	case "BT", "BTS", "BTR", "BTC":
		return flagOF | flagSF | flagAF | flagPF
	case "SHL", "SHR", "SAL", "SAR", "SHLD", "SHRD":
		return flagAF | flagOF
	case "ROL", "ROR", "RCL", "RCR":
		return flagOF
	}
	return 0
}

var (
	full = flag.Bool("full", false, "run at least a million instructions in the differential test")
	seed = flag.Uint64("seed", 20261121, "seed of the differential test")
)

// cases is how many instructions each entry of the tables gets.
func cases() int {
	if !*full {
		return 60
	}
	tested := 0
	for _, f := range forms() {
		if _, exempt := exemptions[f.name()]; !exempt {
			tested++
		}
	}
	return 1_000_000/tested + 1
}

// TestDifferential runs instructions of every entry of the decoder's tables on
// the real CPU and here.
func TestDifferential(t *testing.T) {
	t.Logf("seed %d", *seed)
	p := newPair(t, *seed)
	total, n := 0, cases()
	for _, f := range forms() {
		if _, exempt := exemptions[f.name()]; exempt {
			continue
		}
		for range n {
			s := p.state()
			code := p.instruction(f, s)
			start := *s
			if wrong := p.check(code, s, undefinedFlags(f.name())); wrong != "" {
				d, _ := x86asm.Decode(code, 64)
				t.Errorf("%s: % x (%v): %s\nflags before %#x", f.name(), code, d, wrong, start.Flags)
				break
			}
			total++
		}
	}
	t.Logf("%d instructions of %d forms", total, len(forms()))
}

// TestBranches takes every conditional branch with random flags and counts: what
// is jumped over writes AL.
func TestBranches(t *testing.T) {
	p := newPair(t, 7)
	for range 40 {
		for cc := range byte(16) {
			s := p.state()
			require.Empty(t, p.check([]byte{0x70 | cc, 2, 0xb0, 0x5a}, s, 0), "Jcc %d, short", cc)
			s = p.state()
			require.Empty(t, p.check([]byte{0x0f, 0x80 | cc, 2, 0, 0, 0, 0xb0, 0x5a}, s, 0), "Jcc %d, near", cc)
			s = p.state()
			require.Empty(t, p.check([]byte{0x48, 0x39, 0xd8, 0x70 | cc, 2, 0xb0, 0x5a}, s, 0), "Jcc %d behind CMP", cc)
		}
		for op := range byte(4) {
			s := p.state()
			s.Registers[machine.RCX] = p.random.Uint64N(3)
			require.Empty(t, p.check([]byte{0xe0 | op, 2, 0xb0, 0x5a}, s, 0), "loop instruction %d", op)
		}
	}
}
