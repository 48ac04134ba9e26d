package emulated_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/emulated"
	"github.com/seed64aab995/rescuekernel/machine/kvm"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Where things are in the memory of both machines, physical and, but for the
// windows, virtual.
const (
	privilegedGDT     = 0x1000
	privilegedIDT     = 0x2000
	privilegedTSS     = 0x3000
	privilegedHandler = 0x4000
	privilegedStack   = 0x5f00
	privilegedIST     = 0x6f00
	privilegedCode    = 0x8000
	privilegedData    = 0x9000
	privilegedEnd     = 0xa000
	privilegedTables  = 0x100000 // the identity map
	windowTables      = 0x110000 // three of them
	windowPages       = 0x113000 // eight
	windowEnd         = 0x11b000
	windowVA          = 0x80_0000_0000
)

// oracle is a machine under KVM, stepped, beside an emulated one.
type oracle struct {
	t        *testing.T
	machines [2]machine.Machine // kvm, emulated
	random   *rand.Rand
	pristine []byte // memory up to privilegedEnd
}

func newOracle(t *testing.T, seed uint64) *oracle {
	t.Helper()
	o := &oracle{t: t, random: rand.New(rand.NewPCG(seed, 2))}
	for i, create := range []func(machine.Config) (machine.Machine, error){kvm.New, emulated.New} {
		m, err := create(machine.Config{MemorySize: 4 << 20})
		if errors.Is(err, machine.ErrUnavailable) {
			t.Skip(err)
		}
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, m.Close()) })
		require.NoError(t, machine.WriteIdentityTables(m.Memory(), privilegedTables))
		o.machines[i] = m
	}
	o.pristine = make([]byte, privilegedEnd)
	words := func(at int, words ...uint64) {
		for i, w := range words {
			binary.LittleEndian.PutUint64(o.pristine[at+8*i:], w)
		}
	}
	words(privilegedGDT, privilegedDescriptors...)
	for vector := range 64 {
		gate := uint64(privilegedHandler+16*vector) | 0x10<<16 | 0x8e00<<32
		switch vector {
		case 8:
			gate |= 1 << 32 // IST 1
		case 13:
			gate |= 1 << 40 // a trap gate
		case 0x30:
			gate &^= 0x8000 << 32 // not present
		case 0x31:
			gate ^= 0x100<<32 | 0x400<<32 // of no type
		case 0x32:
			gate ^= 0x30 << 16 // CS 0x20: data
		case 0x33:
			gate ^= 0x50 << 16 // CS 0x40: not present
		}
		words(privilegedIDT+16*vector, gate, 0)
	}
	binary.LittleEndian.PutUint64(o.pristine[privilegedTSS+0x24:], privilegedIST)
	binary.LittleEndian.PutUint16(o.pristine[privilegedTSS+0x66:], 0x68)
	for i := range 0x1000 {
		o.pristine[privilegedHandler+i] = 0x90
	}
	return o
}

// privilegedDescriptors are what selectors may lead to.
var privilegedDescriptors = []uint64{
	0,
	0x00cf9b000000ffff, // 08: code, 32 bits
	0x00af9b000000ffff, // 10: code
	0x00cf93000000ffff, // 18: data
	0x00cff3000000ffff, // 20: data of ring 3
	0x00cf91000000ffff, // 28: data, read only
	0x00af99000000ffff, // 30: code, execute only
	0x00af9f000000ffff, // 38: code, conforming
	0x00cf13000000ffff, // 40: data, not present
	0x00affb000000ffff, // 48: code of ring 3
	0x0000890030000067, // 50: TSS, available
	0,
	0x00008b0030000067, // 60: TSS, busy
	0,
	0x000082009000001f, // 70: LDT
	0,
	0x00cf92000000ffff, // 80: data, not accessed
	0x00af9a000000ffff, // 88: code, not accessed
	0x00cf97000000ffff, // 90: data that expands down
	0x00af1b000000ffff, // 98: code, not present
	0x0000090030000067, // a0: TSS, not present
	0,
	0x5acf93123456ffff, // b0: data with a base
}

var selectors = []uint16{0, 1, 3, 4, 8, 0x10, 0x13, 0x18, 0x1b, 0x20, 0x23, 0x28, 0x30, 0x38, 0x40, 0x48, 0x4b, 0x50, 0x60, 0x70, 0x74, 0x80, 0x88, 0x90, 0x98, 0xa0, 0xb0, 0xf8, 0x100, 0xfff8}

// begin puts both machines into the same state, with memory anew.
func (o *oracle) begin(code []byte, change func(*machine.AMD64State)) {
	o.t.Helper()
	memory := make([]byte, privilegedEnd)
	copy(memory, o.pristine)
	copy(memory[privilegedCode:], code)
	for i := range 0x100 { // for RETF and IRET, and table registers
		binary.LittleEndian.PutUint64(memory[privilegedData+8*i:], o.random.Uint64())
	}
	s := machine.LongModeState(privilegedCode, privilegedTables)
	s.GDTR = machine.DescriptorTable{Base: privilegedGDT, Limit: 0xff}
	s.IDTR = machine.DescriptorTable{Base: privilegedIDT, Limit: 64*16 - 1}
	s.TR = machine.Segment{Selector: 0x60, Base: privilegedTSS, Limit: 0x67, Access: 0x8b}
	s.Registers[machine.RSP] = privilegedStack
	s.EFER |= 1 // SYSCALL: KVM here has it always
	s.KernelGSBase, s.LSTAR, s.STAR = 0x1234000, 0x4000, 0x0013_0010<<32
	if change != nil {
		change(s)
	}
	for _, m := range o.machines {
		_, err := m.Memory().WritePhysical(memory, 0)
		require.NoError(o.t, err)
		copied := *s
		require.NoError(o.t, m.SetState(0, &copied))
	}
}

// step lets both execute one instruction, and says what differs. stuck is that
// KVM here cannot.
func (o *oracle) step() (different string, stuck bool) {
	o.t.Helper()
	var exits [2]machine.Exit
	var states [2]*machine.AMD64State
	for i, m := range o.machines {
		var err error
		exits[i], err = m.Step(o.t.Context(), 0)
		require.NoError(o.t, err)
		s, err := m.State(0)
		require.NoError(o.t, err)
		states[i] = s.(*machine.AMD64State)
	}
	if exits[0].Reason == machine.Failed {
		return "", true
	}
	if states[0].RIP == states[1].RIP+1 && o.isNop(states[1].RIP) {
		// Behind some instructions, and after exceptions, KVM's step takes one more.
		var err error
		exits[1], err = o.machines[1].Step(o.t.Context(), 0)
		require.NoError(o.t, err)
		s, err := o.machines[1].State(0)
		require.NoError(o.t, err)
		states[1] = s.(*machine.AMD64State)
	}
	if exits[0].Reason != exits[1].Reason {
		return fmt.Sprintf("%v under KVM, %v emulated", exits[0], exits[1]), false
	}
	return differentStates(states[0], states[1]), false
}

// isNop reports whether a NOP is at an address, which is also a physical one.
func (o *oracle) isNop(at uint64) bool {
	var b [1]byte
	_, err := o.machines[1].Memory().ReadPhysical(b[:], physmem.Address(at))
	return err == nil && b[0] == 0x90
}

// differentStates compares what both have.
func differentStates(a, b *machine.AMD64State) string {
	const resume = 1 << 16 // of a debugger
	var found []string
	add := func(name string, x, y any) {
		if x != y {
			found = append(found, fmt.Sprintf("%s: %#x under KVM, %#x emulated", name, x, y))
		}
	}
	for i := range a.Registers {
		add(fmt.Sprintf("register %d", i), a.Registers[i], b.Registers[i])
	}
	add("rip", a.RIP, b.RIP)
	add("rflags", a.RFLAGS&^resume, b.RFLAGS&^resume)
	for i, pair := range [][2]machine.Segment{{a.ES, b.ES}, {a.CS, b.CS}, {a.SS, b.SS}, {a.DS, b.DS}, {a.FS, b.FS}, {a.GS, b.GS}, {a.TR, b.TR}, {a.LDTR, b.LDTR}} {
		name := []string{"es", "cs", "ss", "ds", "fs", "gs", "tr", "ldtr"}[i]
		add(name, pair[0].Selector, pair[1].Selector)
		null := pair[0].Selector&^3 == 0
		if name == "fs" || name == "gs" || !null {
			add(name+".base", pair[0].Base, pair[1].Base)
		}
		if !null {
			add(name+".limit", pair[0].Limit, pair[1].Limit)
			add(name+".access", pair[0].Access, pair[1].Access)
		}
	}
	add("gdtr", a.GDTR, b.GDTR)
	add("idtr", a.IDTR, b.IDTR)
	for i, pair := range [][2]uint64{{a.CR0, b.CR0}, {a.CR2, b.CR2}, {a.CR3, b.CR3}, {a.CR4, b.CR4}, {a.CR8, b.CR8}, {a.EFER, b.EFER}, {a.KernelGSBase, b.KernelGSBase},
		{a.STAR, b.STAR}, {a.LSTAR, b.LSTAR}, {a.FMASK, b.FMASK}, {a.PAT, b.PAT}} {
		add([]string{"cr0", "cr2", "cr3", "cr4", "cr8", "efer", "kernelgsbase", "star", "lstar", "fmask", "pat"}[i], pair[0], pair[1])
	}
	return strings.Join(found, "; ")
}

// differentMemory compares memory: frames that were pushed, flags in descriptors
// and page tables.
func (o *oracle) differentMemory() string {
	o.t.Helper()
	var found []string
	for _, r := range []physmem.Range{{Start: 0, End: privilegedEnd}, {Start: windowTables, End: windowEnd}} {
		var data [2][]byte
		for i, m := range o.machines {
			data[i] = make([]byte, r.Size())
			_, err := m.Memory().ReadPhysical(data[i], r.Start)
			require.NoError(o.t, err)
		}
		for i := 0; i < len(data[0]); i += 8 {
			x, y := binary.LittleEndian.Uint64(data[0][i:]), binary.LittleEndian.Uint64(data[1][i:])
			const trap = 1 << 8 // of RFLAGS: KVM's single step shows in what exceptions push
			if x != y && x != y|trap {
				found = append(found, fmt.Sprintf("memory at %#x: %#x under KVM, %#x emulated", uint64(r.Start)+uint64(i), x, y))
			}
		}
	}
	return strings.Join(found, "; ")
}

// oracleCases is how many cases there are: by RESCUE_PRIVILEGED, for the full run.
func oracleCases(t *testing.T, usual int) (n int, seed uint64) {
	t.Helper()
	seed = 20261122
	for name, to := range map[string]*uint64{"RESCUE_SEED": &seed} {
		if v := os.Getenv(name); v != "" {
			var err error
			*to, err = strconv.ParseUint(v, 0, 64)
			require.NoError(t, err)
		}
	}
	n = usual
	if v := os.Getenv("RESCUE_PRIVILEGED"); v != "" {
		var err error
		n, err = strconv.Atoi(v)
		require.NoError(t, err)
	}
	t.Logf("seed %d", seed)
	return n, seed
}
