package trampoline_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/emulated"
	"github.com/seed64aab995/rescuekernel/machine/kvm"
	"github.com/seed64aab995/rescuekernel/machine/qemu"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// recorder is a tester that is allowed to fail.
type recorder struct{ message string }

func (r *recorder) Errorf(format string, args ...any) { r.message += fmt.Sprintf(format, args...) }
func (r *recorder) FailNow()                          { runtime.Goexit() }
func (r *recorder) Helper()                           {}

// fails runs f and gives the message that it failed with, or nothing.
func fails(f func(t tester)) string {
	r := &recorder{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(r)
	}()
	<-done
	return r.message
}

// worst is a context in which every instruction has something to do.
var worst = hostContext{
	name: "worst", cr0: cr0TS | cr0AM | cr0CD, cr4: cr4TSD | cr4DE | cr4MCE | cr4PGE,
	flags: flagsAll, dr7: dr7Armed, noGDT: true, cs: 0x38,
}

// worst5 is one for the instructions that choose between 4 and 5 levels.
var worst5 = hostContext{name: "worst, 5 levels", needs: []feature{featureLA57}, fiveLevels: true, cr4: cr4PGE}

// TestEveryInstructionIsNeeded replaces one instruction after the other with
// NOPs, and wants the test of contexts to see it.
func TestEveryInstructionIsNeeded(t *testing.T) {
	t.Parallel()
	// What shortens a window, or is for what the contexts do not have.
	exempt := []string{
		"ENDBR64",    // CET
		"CLI", "CLD", // POPFQ does it again, later
		"LLDT DX", // the host has no LDT
	}
	levels := []string{"MOV RBX, CR4", "BT EBX, 0XC", "MOV RBX, QWORD PTR [R15+0X410]"}
	code, _ := disassemble(t)
	for _, machines := range []struct {
		name    string
		new     func(machine.Config) (machine.Machine, error)
		context hostContext
		skip    func(text string) bool
	}{
		{"kvm", kvm.New, worst, func(text string) bool { return slices.Contains(levels, text) }},
		{"qemu", qemu.New, worst5, func(text string) bool { return !slices.Contains(levels, text) }},
	} {
		t.Run(machines.name, func(t *testing.T) {
			has := machineFeatures(t, machines.new)
			for _, f := range machines.context.needs {
				if !has(f) {
					t.Skipf("this machine has no %s", f.name)
				}
			}
			for _, i := range code {
				if !slices.Contains(exempt, i.text) && !machines.skip(i.text) {
					t.Run(fmt.Sprintf("%03x %s", i.offset, i.text), func(t *testing.T) {
						requireNeeded(t, machines.new, machines.context, i)
					})
				}
			}
		})
	}
}

func requireNeeded(t *testing.T, create func(machine.Config) (machine.Machine, error), c hostContext, i instruction) {
	t.Helper()
	m, ctx := start(t, create, contextLoader(t))
	h := newHandOff(t, m, c)
	h.toFreezePoint(ctx)
	h.write(h.params.Page+physmem.Address(i.offset), bytes.Repeat([]byte{0x90}, i.length))
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	message := fails(func(t tester) {
		h.t = t
		h.toEntry(short)
	})
	require.NotEmpty(t, message)
}

// redundant are the instructions that no context needs, with the reason.
var redundant = map[string]string{
	"CLD": "POPFQ clears DF later; until then there is no string instruction, but a handler of an NMI may have one",
}

// everything is a context with all that an emulated CPU can have on.
var everything = hostContext{
	name: "everything", cr0: cr0TS | cr0AM | cr0CD, cr4: cr4TSD | cr4DE | cr4MCE | cr4PGE | cr4PCIDE | cr4SMEP | cr4SMAP | cr4PKE | cr4CET,
	pcid: 0xabc, cet: cetEndbranch | cetShadowStack, dr7: dr7Armed, noGDT: true, cs: 0x38, ldt: true,
}

// interrupted is one in which an interrupt comes when interrupts are off.
var interrupted = hostContext{name: "interrupted", flags: 1 << 9, interrupt: 3, noGDT: true, cs: 0x38}

// TestEmulatedMutations leaves out one instruction after the other on the
// emulated machine: each is missed in some context, or is known not to be.
func TestEmulatedMutations(t *testing.T) {
	t.Parallel()
	code, _ := disassemble(t)
	contexts := []hostContext{worst, everything, worst5, interrupted}
	missed := map[string]bool{}
	for _, i := range code {
		t.Run(fmt.Sprintf("%03x %s", i.offset, i.text), func(t *testing.T) {
			by := ""
			for _, c := range contexts {
				if message := emulatedMutant(t, c, i); message != "" {
					by = message
					t.Log("missed in:", c.name)
					break
				}
			}
			reason, known := redundant[i.text]
			if known {
				require.Empty(t, by, "it is needed, after all: %s", reason)
				missed[i.text] = true
				return
			}
			require.NotEmpty(t, by, "no context misses it")
			t.Log(firstLines(by))
		})
	}
	require.Len(t, missed, len(redundant), "an instruction that is said to be redundant is not there")
	for _, c := range contexts { // the checks themselves hold
		require.Empty(t, emulatedMutant(t, c, instruction{}), c.name)
	}
}

// firstLines is enough of a message to see what it is about.
func firstLines(message string) string {
	_, text, _ := strings.Cut(strings.Join(strings.Fields(message), " "), "Error: ")
	return text[:min(len(text), 300)]
}

// emulatedMutant runs a hand-off without an instruction, and gives what is wrong
// with it. A mutant that runs wild is stopped.
func emulatedMutant(t *testing.T, c hostContext, i instruction) string {
	t.Helper()
	const wild = 100_000
	m, ctx := start(t, emulated.New, contextLoader(t))
	defer m.Close()
	h := newHandOff(t, m, c)
	h.nmis = true
	h.toFreezePoint(ctx)
	if i.length > 0 {
		h.write(h.params.Page+physmem.Address(i.offset), bytes.Repeat([]byte{0x90}, i.length))
		var err error
		h.before, err = m.Snapshot()
		require.NoError(t, err)
	}
	e := m.(*emulated.Machine)
	e.At(e.Instructions()+wild, func(*emulator.Memory) *machine.Exit {
		return &machine.Exit{Reason: machine.Failed, Detail: "runs wild"}
	})
	return fails(func(t tester) {
		h.t = t
		h.toEntry(ctx)
		h.checkMemory()
	})
}

// TestNMIAtEveryInstruction: from the load of its descriptor tables on, an NMI
// between any two instructions is taken by the trampoline and changes nothing.
func TestNMIAtEveryInstruction(t *testing.T) {
	t.Parallel()
	code, stub := disassemble(t)
	from := slices.IndexFunc(code, func(i instruction) bool { return strings.HasPrefix(i.text, "LGDT") }) + 1
	for _, machines := range []struct {
		name string
		new  func(machine.Config) (machine.Machine, error)
		step int // every so many instructions
	}{{"emulated", emulated.New, 1}, {"kvm", kvm.New, 1}, {"qemu", qemu.New, 13}} {
		t.Run(machines.name, func(t *testing.T) {
			for n := from; n < len(code); n += machines.step {
				if code[n].text == "MOV RBX, QWORD PTR [R15+0X410]" {
					continue // not executed with 4 levels
				}
				t.Run(code[n].text, func(t *testing.T) {
					m, ctx := start(t, machines.new, contextLoader(t))
					h := newHandOff(t, m, worst)
					h.toFreezePoint(ctx)
					h.takeNMI(ctx, h.freeze+uint64(code[n].offset), h.freeze+uint64(stub[0].offset))
					h.toEntry(ctx)
				})
			}
		})
	}
}

// takeNMI sends an NMI before the instruction at an address, and wants it to
// come to a handler.
func (h *handOff) takeNMI(ctx context.Context, at, handler uint64) {
	h.t.Helper()
	exit, err := h.m.RunTo(ctx, at)
	require.NoError(h.t, err)
	require.Equal(h.t, machine.Breakpoint, exit.Reason, "%v", exit)
	require.NoError(h.t, h.m.NMI(0))
	h.stackSelector = 0 // the handler's, if nothing loads SS after it
	exit, err = h.m.RunTo(ctx, handler, entryVA)
	require.NoError(h.t, err)
	require.Equal(h.t, handler, exit.PC, "the NMI was taken: %v", exit)
}

// checkMemory: nothing has changed but the trampoline's stack.
func (h *handOff) checkMemory() {
	h.t.Helper()
	after, err := h.m.Snapshot()
	require.NoError(h.t, err)
	changes, err := h.before.Changes(after, physmem.Ranges{page(h.base + atStack)}, 8)
	require.NoError(h.t, err)
	require.Empty(h.t, changes)
}
