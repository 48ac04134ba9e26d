package kernel_test

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

func TestScenarios(t *testing.T) {
	t.Parallel()
	for _, scenario := range []string{"hello", "run", "collect", "nil", "compress", "sleep", "memory", "files", "files hostname=anvil"} {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			runScenario(t, scenario)
		})
	}
}

// The same file is an ordinary program when Linux starts it.
func TestUnderLinux(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("not on linux/amd64")
	}
	image(t)
	out, err := exec.Command(guest.path, "run").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "scenario done\n")
}

func TestBootFacts(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		protocol machine.Protocol
		want     handoff.BootProtocol
	}{
		"Linux": {machine.Linux64, handoff.BootLinux},
		"PVH":   {machine.PVH, handoff.BootPVH},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := runScenario(t, "boot one variable=value two", func(c *machine.Config) {
				c.Boot.Protocol = test.protocol
				c.Boot.Modules = []machine.Module{{Data: []byte("a module's bytes")}}
			})
			require.Contains(t, out, `arguments ["one" "two"] variable "value" command line "boot one variable=value two"`)
			require.Contains(t, out, fmt.Sprintf("role host protocol %d", test.want))
			require.Contains(t, out, "map [0x100000, 0x4000000) type 1\n")
			require.Contains(t, out, `"a module"`)
		})
	}
}

// A host of 64 GiB, whose memory is not touched, and one of 16 MiB.
func TestMemorySizes(t *testing.T) {
	t.Parallel()
	for _, size := range []uint64{16 << 20, 64 << 30} {
		t.Run(fmt.Sprintf("%d MiB", size>>20), func(t *testing.T) {
			t.Parallel()
			out := runScenario(t, "figures", func(c *machine.Config) { c.MemorySize = size })
			t.Log(out)
		})
	}
	runScenario(t, "memory", func(c *machine.Config) {
		c.RAM = physmem.NewRanges(physmem.Range{Start: 0, End: 48 << 20}, physmem.Range{Start: 64 << 20, End: 65 << 20}, physmem.Range{Start: 5 << 30, End: 5<<30 + 3<<20 + 0x5000})
	})
}

// What ends the program ends the machine, with a message that says why.
func TestEnds(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		scenario string
		want     []string
	}{
		"panic in a goroutine": {"traceback", []string{"panic: a panic in a goroutine", "main.traceback.func1", "kernel: panic: exit", "exit code 2"}},
		"wild access":          {"wild", []string{"unexpected fault address 0x123456789000", "main.poke", "kernel: panic: exit"}},
		"stack overflow":       {"overflow", []string{"goroutine stack exceeds 1048576-byte limit", "kernel: panic: exit"}},
		"endless recursion":    {"recursion", []string{"kernel: panic: out of memory"}},
		"heap exhaustion":      {"exhaust", []string{"kernel: panic: out of memory: no frame of memory is left"}},
		"deadlock":             {"deadlock", []string{"all goroutines are asleep", "kernel: panic: exit"}},
		"exit status":          {"exit 3", []string{"kernel: panic: exit: the program ended with exit code 3"}},
		"explicit call":        {"panic", []string{"kernel: panic: explicit call: as asked for"}},
		"abort":                {"traceback GOTRACEBACK=crash", []string{"panic: a panic in a goroutine", "kernel: panic: abort: signal 6"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, out := start(t, test.scenario)
			exit := finish(t, m)
			require.Equal(t, machine.Reset, exit.Reason, "%v\n%s", exit, out)
			for _, want := range test.want {
				require.Contains(t, out.String(), want)
			}
		})
	}
}

// The handler that OnPanic sets is told each kind of panic. It ends the machine
// with the reason as exit code, and bit 7 for a panic on its own path.
func TestOnPanic(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		scenario string
		want     handoff.Reason
	}{
		"call":           {"hook call", handoff.ReasonCall},
		"exit":           {"hook exit", handoff.ReasonExit},
		"runtime throws": {"hook throw", handoff.ReasonExit},
		"abort":          {"hook throw GOTRACEBACK=crash", handoff.ReasonAbort},
		"memory":         {"hook memory", handoff.ReasonMemory},
		"ring 0":         {"hook gate", handoff.ReasonKernelFault},
		"nested":         {"hook call nested", handoff.ReasonUserFault | 0x80},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, out := start(t, test.scenario)
			exit := finish(t, m)
			require.Equal(t, machine.DebugExit, exit.Reason, "%v\n%s", exit, out)
			require.Equal(t, uint64(test.want), exit.Code, "%s", out)
		})
	}
}

// pauseAt runs a machine until it has written text, and stops it there.
func pauseAt(t *testing.T, m machine.Machine, out *serial, text string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for ctx.Err() == nil && !strings.Contains(out.String(), text) {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(2 * time.Millisecond)
		cancel()
	}()
	exit, err := m.Run(ctx)
	require.NoError(t, err)
	require.Equal(t, machine.Canceled, exit.Reason, "%s", out)
}

func TestNMI(t *testing.T) {
	t.Parallel()
	m, out := start(t, "nmi")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for ctx.Err() == nil {
			if strings.Contains(out.String(), "computing") {
				_ = m.NMI(0)
			}
			time.Sleep(time.Millisecond)
		}
	}()
	exit := finish(t, m)
	require.Equal(t, machine.DebugExit, exit.Reason, "%v\n%s", exit, out)
	require.Zero(t, exit.Code, "%s", out)
}

func TestNMIPanics(t *testing.T) {
	t.Parallel()
	m, out := start(t, "hook nmi")
	pauseAt(t, m, out, "computing")
	require.NoError(t, m.NMI(0))
	exit := finish(t, m)
	require.Equal(t, machine.DebugExit, exit.Reason, "%v\n%s", exit, out)
	require.Equal(t, uint64(handoff.ReasonNMI), exit.Code)
}

// physical is where the image's byte at a link address is.
func physical(t *testing.T, m machine.Machine, address uint64) physmem.Address {
	t.Helper()
	header := make([]byte, handoff.MaxBlockLength)
	_, err := m.Memory().ReadPhysical(header[:physmem.Address(4096)], 2<<20)
	require.NoError(t, err)
	b, err := handoff.Parse(header[:4096])
	require.NoError(t, err)
	return b.Reservation.Start + physmem.Address(b.Parts[handoff.PartImage].Offset+address-b.Image.LinkBase)
}

// With its ring-0 stack gone the next exception is a double fault, which has a
// stack of its own.
func TestDoubleFault(t *testing.T) {
	t.Parallel()
	m, out := start(t, "hook double")
	_, symbols := image(t)
	pauseAt(t, m, out, "computing")
	const tss, rsp0 = 0x1300, 4
	at := physical(t, m, symbols[importPath+".control"]+tss+rsp0)
	_, err := m.Memory().WritePhysical([]byte{0, 0, 0, 0, 0, 0x60, 0, 0}, at)
	require.NoError(t, err)
	exit := finish(t, m)
	require.Equal(t, machine.DebugExit, exit.Reason, "%v\n%s", exit, out)
	require.Equal(t, uint64(handoff.ReasonDoubleFault), exit.Code)
}

// A panic of either CPU stops both; the handler sees which it was.
func TestSecondCPU(t *testing.T) {
	t.Parallel()
	tests := map[string]uint64{"here": uint64(handoff.ReasonCall), "there": uint64(handoff.ReasonUserFault) | 1<<4}
	for where, want := range tests {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			m, out := start(t, "cpu "+where, func(c *machine.Config) { c.CPUs, c.InterruptController = 2, true })
			exit := finish(t, m)
			require.Equal(t, machine.DebugExit, exit.Reason, "%v\n%s", exit, out)
			require.Equal(t, want, exit.Code, "%s", out)
		})
	}
}

func TestProtection(t *testing.T) {
	t.Parallel()
	_, symbols := image(t)
	runScenario(t, fmt.Sprintf("protect %#x %#x", symbols[importPath+".control"], symbols["main.poke"]))
}
