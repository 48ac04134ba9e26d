package kernel_test

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/bootimage"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/qemu"
)

// armGuest is the guest for arm64.
type armGuest struct {
	file, wrapped []byte
	symbols       map[string]uint64
}

var buildARM = sync.OnceValues(func() (*armGuest, error) {
	dir, err := os.MkdirTemp("", "kernel-guest")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "guest")
	if err := buildFor("arm64", "./testdata/guest", path); err != nil {
		return nil, err
	}
	g := &armGuest{symbols: map[string]uint64{}}
	if g.file, err = os.ReadFile(path); err != nil {
		return nil, err
	}
	f, err := elf.NewFile(bytes.NewReader(g.file))
	if err != nil {
		return nil, err
	}
	symbols, err := f.Symbols()
	if err != nil {
		return nil, err
	}
	for _, s := range symbols {
		g.symbols[s.Name] = s.Value
	}
	g.wrapped, err = bootimage.Wrap(bytes.NewReader(g.file), bootimage.Options{})
	return g, err
})

// armVirt is a machine to run the guest on.
type armVirt struct{ cpu, board string }

func startARM(t *testing.T, v armVirt, scenario string, change ...func(*machine.Config)) (machine.Machine, *serial, *armGuest) {
	t.Helper()
	g, err := buildARM()
	require.NoError(t, err)
	out := &serial{}
	config := machine.Config{Boot: machine.Boot{Image: g.wrapped, CommandLine: scenario}, Serial: out}
	for _, f := range change {
		f(&config)
	}
	m, err := qemu.Options{Architecture: machine.ARM64, CPU: v.cpu, Board: "virt" + v.board}.New(config)
	if errors.Is(err, machine.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m, out, g
}

func runARM(t *testing.T, v armVirt, scenario string, change ...func(*machine.Config)) string {
	t.Helper()
	m, out, _ := startARM(t, v, scenario, change...)
	exit := finish(t, m)
	require.Equal(t, machine.PoweredOff, exit.Reason, "%v\n%s", exit, out)
	require.Contains(t, out.String(), "scenario done\n")
	return out.String()
}

// The scenarios on arm64: each CPU once, with EL2 and without.
func TestARM64Scenarios(t *testing.T) {
	t.Parallel()
	for scenario, v := range map[string]armVirt{
		"hello": {"cortex-a57", ""}, "run": {"max", ",virtualization=on"}, "collect": {"cortex-a72", ""}, "nil": {"neoverse-n1", ",virtualization=on"},
		"sleep": {"cortex-a57", ",gic-version=3"}, "memory": {"cortex-a53", ""}, "files": {"max", ""},
	} {
		t.Run(scenario+" "+v.cpu+v.board, func(t *testing.T) {
			t.Parallel()
			runARM(t, v, scenario)
		})
	}
}

func TestARM64BootFacts(t *testing.T) {
	t.Parallel()
	out := runARM(t, armVirt{}, "boot one variable=value two", func(c *machine.Config) {
		c.Boot.Modules = []machine.Module{{Data: []byte("a module's bytes")}}
	})
	require.Contains(t, out, `arguments ["one" "two"] variable "value" command line "boot one variable=value two"`)
	require.Contains(t, out, fmt.Sprintf("role host protocol %d", handoff.BootFDT))
	require.Contains(t, out, "map [0x40000000, 0x44000000) type 1\n")
	require.Contains(t, out, `"a module"`)
	require.Contains(t, out, "CNTFRQ_EL0")
	require.Regexp(t, `device tree d00dfeed of [0-9]+ bytes, free false`, out)
}

func TestARM64MemorySizes(t *testing.T) {
	t.Parallel()
	for _, size := range []uint64{16 << 20, 4 << 30} {
		t.Run(fmt.Sprintf("%d MiB", size>>20), func(t *testing.T) {
			t.Parallel()
			t.Log(runARM(t, armVirt{}, "figures", func(c *machine.Config) { c.MemorySize = size }))
		})
	}
}

func TestARM64Ends(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		scenario string
		want     []string
	}{
		"wild access":       {"wild", []string{"unexpected fault address 0x123456789000", "main.poke", "kernel: panic: exit"}},
		"endless recursion": {"recursion", []string{"kernel: panic: out of memory"}},
		"explicit call":     {"panic", []string{"kernel: panic: explicit call: as asked for"}},
		"abort":             {"traceback GOTRACEBACK=crash", []string{"panic: a panic in a goroutine", "kernel: panic: abort: signal 6"}},
		"handler, call":     {"hook call", []string{fmt.Sprintf(": #%02x", uint8(handoff.ReasonCall))}},
		"handler, EL1":      {"hook gate", []string{fmt.Sprintf(": #%02x", uint8(handoff.ReasonKernelFault))}},
		"handler, nested":   {"hook call nested", []string{fmt.Sprintf(": #%02x", uint8(handoff.ReasonUserFault)|0x80)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, out, _ := startARM(t, armVirt{}, test.scenario)
			exit := finish(t, m)
			require.Equal(t, machine.Reset, exit.Reason, "%v\n%s", exit, out)
			for _, want := range test.want {
				require.Contains(t, out.String(), want)
			}
		})
	}
}

// A panic of either CPU stops both, whatever they have masked, with PSCI by HVC
// and by SMC.
func TestARM64SecondCPU(t *testing.T) {
	t.Parallel()
	for where, want := range map[string]uint8{"here": uint8(handoff.ReasonCall), "there": uint8(handoff.ReasonUserFault) | 1<<4} {
		for _, board := range []string{"", ",virtualization=on"} {
			t.Run(where+board, func(t *testing.T) {
				t.Parallel()
				m, out, _ := startARM(t, armVirt{board: board}, "cpu "+where, func(c *machine.Config) { c.CPUs = 2 })
				exit := finish(t, m)
				require.Equal(t, machine.Reset, exit.Reason, "%v\n%s", exit, out)
				require.Contains(t, out.String(), fmt.Sprintf(": #%02x", want))
			})
		}
	}
}

func TestARM64Protection(t *testing.T) {
	t.Parallel()
	g, err := buildARM()
	require.NoError(t, err)
	runARM(t, armVirt{cpu: "max"}, fmt.Sprintf("protect %#x %#x", g.symbols[importPath+".vectors"], g.symbols["main.poke"]))
}

func TestARM64HandOff(t *testing.T) {
	t.Parallel()
	g, err := buildARM()
	require.NoError(t, err)
	for kind, reason := range map[string]handoff.Reason{"gate": handoff.ReasonKernelFault, "throw": handoff.ReasonExit} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			out := runARM(t, armVirt{board: ",virtualization=on"}, "arm "+kind, func(c *machine.Config) { c.Boot.Modules = []machine.Module{{Data: g.file}} })
			require.Contains(t, out, fmt.Sprintf(": %v, ", reason))
			require.Contains(t, out, `greeting "hello from the host"`)
		})
	}
}
