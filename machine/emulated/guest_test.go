package emulated_test

import (
	"bytes"
	"context"
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
	"github.com/seed64aab995/rescuekernel/machine/emulated"
)

// guests are the guest of package kernel's tests, each built once.
var guests = map[machine.Architecture]func() (guest, error){
	machine.AMD64: sync.OnceValues(func() (guest, error) { return buildGuest(machine.AMD64) }),
	machine.ARM64: sync.OnceValues(func() (guest, error) { return buildGuest(machine.ARM64) }),
}

// guest is an ELF file, and the file that boots it.
type guest struct{ file, boot []byte }

func buildGuest(architecture machine.Architecture) (g guest, err error) {
	folder, err := os.MkdirTemp("", "emulated")
	if err != nil {
		return g, err
	}
	defer os.RemoveAll(folder)
	output := filepath.Join(folder, "guest")
	c := exec.Command("go", "build", "-o", output, "-ldflags",
		"-E github.com/seed64aab995/rescuekernel/kernel.entry -T 0x500000411000", "../../kernel/testdata/guest")
	c.Env = append(c.Environ(), "GOOS=linux", "GOARCH="+string(architecture), "CGO_ENABLED=0")
	c.Stderr = os.Stderr
	if err := c.Run(); err != nil {
		return g, err
	}
	if g.file, err = os.ReadFile(output); err != nil {
		return g, err
	}
	g.boot, err = bootimage.Wrap(bytes.NewReader(g.file), bootimage.Options{})
	return g, err
}

// needGuest is the guest of an architecture.
func needGuest(t testing.TB, architecture machine.Architecture) guest {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the guest is built with the go command, which is not in PATH")
	}
	g, err := guests[architecture]()
	require.NoError(t, err)
	return g
}

// startGuest makes a machine with a scenario of the guest.
func startGuest(t testing.TB, scenario string, change func(*machine.Config)) (*emulated.Machine, *bytes.Buffer) {
	t.Helper()
	return startGuestOn(t, emulated.Options{Architecture: machine.AMD64}, scenario, change)
}

func startGuestOn(t testing.TB, o emulated.Options, scenario string, change func(*machine.Config)) (*emulated.Machine, *bytes.Buffer) {
	t.Helper()
	out := &bytes.Buffer{}
	config := machine.Config{Boot: machine.Boot{Image: needGuest(t, o.Architecture).boot, CommandLine: scenario}, Serial: out}
	if change != nil {
		change(&config)
	}
	m, err := o.New(config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m.(*emulated.Machine), out
}

// runGuest runs a scenario that must end well, and gives what it wrote.
func runGuest(t testing.TB, scenario string, change func(*machine.Config)) string {
	t.Helper()
	m, out := startGuest(t, scenario, change)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	exit, err := m.Run(ctx)
	require.NoError(t, err)
	text := strings.ReplaceAll(out.String(), "\r\n", "\n")
	require.Equal(t, machine.DebugExit, exit.Reason, "%v\n%s", exit, text)
	require.Zero(t, exit.Code, "%s", text)
	require.Contains(t, text, "scenario done\n")
	return text
}

func TestGuestHello(t *testing.T) {
	t.Parallel()
	require.Contains(t, runGuest(t, "hello", nil), "hello from main")
}

// Scenarios of package kernel's guest: system calls, exceptions, memory,
// collection, a second CPU. What they check is in that package.
func TestGuestScenarios(t *testing.T) {
	t.Parallel()
	for _, scenario := range []string{"boot", "run", "collect", "nil", "memory", "files", "sleep"} {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			runGuest(t, scenario, func(c *machine.Config) { c.CPUs, c.InterruptController = 2, true })
		})
	}
	t.Run("PVH", func(t *testing.T) {
		t.Parallel()
		runGuest(t, "hello", func(c *machine.Config) { c.Boot.Protocol = machine.PVH })
	})
}
