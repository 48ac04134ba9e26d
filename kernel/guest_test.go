package kernel_test

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/bootimage"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/kvm"
)

const importPath = "github.com/seed64aab995/rescuekernel/kernel"

// guest is the program in testdata/guest, built once.
var guest struct {
	once    sync.Once
	path    string
	wrapped []byte
	symbols map[string]uint64
	err     error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if guest.path != "" {
		os.RemoveAll(filepath.Dir(guest.path))
	}
	os.Exit(code)
}

// build builds a program as an image for package kernel.
func build(program, output string, flags ...string) error {
	return buildFor("amd64", program, output, flags...)
}

func buildFor(architecture, program, output string, flags ...string) error {
	arguments := append([]string{"build", "-o", output, "-ldflags", "-E " + importPath + ".entry -T 0x500000411000 " + strings.Join(flags, " ")}, program)
	command := exec.Command("go", arguments...)
	command.Env = append(command.Environ(), "GOOS=linux", "GOARCH="+architecture, "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		return errors.New(string(out))
	}
	return nil
}

// image returns the guest as a boot image and its symbols.
func image(t testing.TB) ([]byte, map[string]uint64) {
	t.Helper()
	g := &guest
	g.once.Do(func() {
		var dir string
		if dir, g.err = os.MkdirTemp("", "kernel-guest"); g.err != nil {
			return
		}
		g.path = filepath.Join(dir, "guest")
		if g.err = build("./testdata/guest", g.path); g.err != nil {
			return
		}
		var f *elf.File
		if f, g.err = elf.Open(g.path); g.err != nil {
			return
		}
		defer f.Close()
		symbols, err := f.Symbols()
		if g.err = err; err != nil {
			return
		}
		g.symbols = map[string]uint64{"entry point": f.Entry}
		for _, s := range symbols {
			g.symbols[s.Name] = s.Value
		}
		r, err := os.Open(g.path)
		if g.err = err; err != nil {
			return
		}
		defer r.Close()
		g.wrapped, g.err = bootimage.Wrap(r, bootimage.Options{})
	})
	require.NoError(t, g.err)
	return g.wrapped, g.symbols
}

// serial collects what the guest writes.
type serial struct {
	lock sync.Mutex
	text bytes.Buffer
}

func (s *serial) Write(p []byte) (int, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.text.Write(p)
}

func (s *serial) String() string {
	s.lock.Lock()
	defer s.lock.Unlock()
	return strings.ReplaceAll(s.text.String(), "\r\n", "\n")
}

// maker makes machines of a kind.
type maker func(machine.Config) (machine.Machine, error)

// start makes a machine on KVM that will run a scenario of the guest.
func start(t testing.TB, scenario string, change ...func(*machine.Config)) (machine.Machine, *serial) {
	t.Helper()
	return startOn(t, kvm.New, scenario, change...)
}

func startOn(t testing.TB, on maker, scenario string, change ...func(*machine.Config)) (machine.Machine, *serial) {
	t.Helper()
	wrapped, _ := image(t)
	out := &serial{}
	config := machine.Config{Boot: machine.Boot{Image: wrapped, CommandLine: scenario}, Serial: out}
	for _, f := range change {
		f(&config)
	}
	m, err := on(config)
	if errors.Is(err, machine.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m, out
}

// finish runs a machine to its end.
func finish(t testing.TB, m machine.Machine) machine.Exit {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	exit, err := m.Run(ctx)
	require.NoError(t, err)
	return exit
}

// runScenario runs a scenario on KVM that must end well, and returns what it
// wrote.
func runScenario(t testing.TB, scenario string, change ...func(*machine.Config)) string {
	t.Helper()
	return runScenarioOn(t, kvm.New, scenario, change...)
}

func runScenarioOn(t testing.TB, on maker, scenario string, change ...func(*machine.Config)) string {
	t.Helper()
	m, out := startOn(t, on, scenario, change...)
	exit := finish(t, m)
	require.Equal(t, machine.DebugExit, exit.Reason, "%v\n%s", exit, out)
	require.Zero(t, exit.Code, "%s", out)
	require.Contains(t, out.String(), "scenario done\n")
	return out.String()
}
