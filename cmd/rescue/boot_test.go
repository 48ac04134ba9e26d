package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine"
)

const host = "../../examples/host"

// needMachine skips where this computer has no such machine.
func needMachine(t testing.TB, name string) {
	t.Helper()
	needGo(t)
	m, err := runners[name][handoff.AMD64](machine.Config{MemorySize: 1 << 20})
	if errors.Is(err, machine.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	require.NoError(t, m.Close())
}

// A program is built, booted and seen to end, on both machines.
func TestBoot(t *testing.T) {
	t.Parallel()
	for name := range runners {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			needMachine(t, name)
			r := rescue(t, "boot", "--machine", name, "--timeout", "1m", hello)
			require.Equal(t, exitDone, r.code, r.errors)
			require.Equal(t, "program: hello\n", r.out)
			require.Contains(t, r.errors, "rescue: built "+hello)
			require.Contains(t, r.errors, "rescue: "+name+": the guest turned the machine off after ")
		})
	}
}

// A host panics, its rescue program runs, and the machine's memory tells all of
// it afterwards.
func TestBootAndInspect(t *testing.T) {
	t.Parallel()
	for name, protocol := range map[string]string{"kvm": "linux64", "qemu": "pvh"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			needMachine(t, name)
			ram := filepath.Join(t.TempDir(), "ram")
			r := rescue(t, "boot", "--machine", name, "--timeout", "1m", "--append", "panic=go debug.rescue.greeting=hello",
				"--snapshot", ram, "--rescue", "./testdata/dump", host)
			require.Equal(t, exitDone, r.code, "%s%s", r.out, r.errors)
			if name == "kvm" { // where no byte is lost, however busy this computer is
				require.Contains(t, r.out, "panic: the books do not balance")
				require.Contains(t, r.out, "dump: the host panicked: exit\n")
			}
			checkSnapshot(t, ram, protocol)
		})
	}
}

func checkSnapshot(t *testing.T, ram, protocol string) {
	t.Helper()
	var f inspection
	require.NoError(t, json.Unmarshal([]byte(requireDone(t, "inspect", "--json", ram)), &f))
	require.Equal(t, kindMemory, f.Kind)
	require.Equal(t, int64(64<<20), f.Size)
	require.Len(t, f.Reservations, 2)
	require.Equal(t, []string{"host", "rescue"}, []string{f.Reservations[0].Role, f.Reservations[1].Role})
	require.Equal(t, protocol, f.Reservations[0].Boot.Protocol)
	armed := f.Reservations[1]
	require.True(t, armed.Complete)
	require.Empty(t, armed.Broken)
	require.Equal(t, "hello", armed.Environment["greeting"])
	require.Equal(t, handoff.ReasonExit.String(), armed.Panic.Reason)
	require.Equal(t, uint64(2), armed.Panic.ExitCode)
	require.NotEmpty(t, armed.Panic.Phases)
	require.Len(t, armed.Panic.Registers, 1)
	require.Equal(t, armed.Panic.PC, armed.Panic.Registers[0].Registers["rip"])
	require.NotEqual(t, f.Reservations[0].Image.GoBuildID, armed.Image.GoBuildID)

	// The same as a screen. What is not for the second stage may have changed.
	screen := requireDone(t, "inspect", ram)
	for _, want := range []string{"rescue program has taken over", "greeting=hello", "exit code", "freeze point", armed.Image.GoBuildID, "changed since the hand-off"} {
		require.Contains(t, screen, want)
	}
	for line := range strings.Lines(screen) {
		require.Less(t, len(line), 140, line)
	}
}

// The exit code tells how the machine ended.
func TestBootEnds(t *testing.T) {
	t.Parallel()
	needMachine(t, "kvm")
	r := rescue(t, "boot", "--timeout", "1m", host)
	require.Equal(t, exitGuest, r.code, "%s%s", r.out, r.errors)
	require.Contains(t, r.out, "no boot module")
	require.Contains(t, r.errors, "the guest reset the machine")

	r = rescue(t, "boot", "--timeout", "2s", "--append", "after=1h", "--rescue", "./testdata/dump", host)
	require.Equal(t, exitTimeout, r.code, "%s%s", r.out, r.errors)
	require.Contains(t, r.out, "host: armed")
	require.Contains(t, r.errors, "the timeout passed after 2")

	ctx, cancel := context.WithCancel(t.Context())
	var out, messages bytes.Buffer
	time.AfterFunc(2*time.Second, cancel)
	require.Equal(t, exitInterrupted, run(ctx, []string{"boot", "--append", "after=1h", "--rescue", "./testdata/dump", host}, strings.NewReader(""), &out, &messages))
	require.Contains(t, messages.String(), "interrupted after")
}

func TestEnded(t *testing.T) {
	t.Parallel()
	for reason, want := range map[machine.Reason]int{
		machine.PoweredOff: exitDone, machine.Halted: exitDone, machine.DebugExit: exitGuest, machine.Reset: exitGuest,
		machine.TripleFault: exitGuest, machine.Failed: exitGuest, machine.TimedOut: exitTimeout, machine.Canceled: exitInterrupted,
	} {
		code, text := ended(machine.Exit{Reason: reason, Code: 3})
		require.Equal(t, want, code, reason)
		require.NotEmpty(t, text)
	}
	code, _ := ended(machine.Exit{Reason: machine.DebugExit})
	require.Equal(t, exitDone, code)
}

// A machine that is not there says what to do. (Not parallel: it replaces
// a runner.)
func TestNoMachine(t *testing.T) {
	was := runners["kvm"][handoff.AMD64]
	t.Cleanup(func() { runners["kvm"][handoff.AMD64] = was })
	runners["kvm"][handoff.AMD64] = func(machine.Config) (machine.Machine, error) { return nil, machine.ErrUnavailable }
	requireFails(t, exitUnavailable, "--machine qemu needs no KVM", "boot", writeTemporary(t, "image", smallImage()))
}
