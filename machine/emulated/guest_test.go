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

// guestImages are the guest of package kernel's tests, each built once.
var guestImages = map[machine.Architecture]func() ([]byte, error){
	machine.AMD64: sync.OnceValues(func() ([]byte, error) { return guestImage(machine.AMD64) }),
	machine.ARM64: sync.OnceValues(func() ([]byte, error) { return guestImage(machine.ARM64) }),
}

func guestImage(architecture machine.Architecture) ([]byte, error) {
	folder, err := os.MkdirTemp("", "emulated")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	output := filepath.Join(folder, "guest")
	c := exec.Command("go", "build", "-o", output, "-ldflags",
		"-E github.com/seed64aab995/rescuekernel/kernel.entry -T 0x500000411000", "../../kernel/testdata/guest")
	c.Env = append(c.Environ(), "GOOS=linux", "GOARCH="+string(architecture), "CGO_ENABLED=0")
	c.Stderr = os.Stderr
	if err := c.Run(); err != nil {
		return nil, err
	}
	file, err := os.Open(output)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return bootimage.Wrap(file, bootimage.Options{})
}

// startGuest makes a machine with a scenario of the guest.
func startGuest(t testing.TB, scenario string, change func(*machine.Config)) (*emulated.Machine, *bytes.Buffer) {
	t.Helper()
	return startGuestOn(t, emulated.Options{Architecture: machine.AMD64}, scenario, change)
}

func startGuestOn(t testing.TB, o emulated.Options, scenario string, change func(*machine.Config)) (*emulated.Machine, *bytes.Buffer) {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the guest is built with the go command, which is not in PATH")
	}
	image, err := guestImages[o.Architecture]()
	require.NoError(t, err)
	out := &bytes.Buffer{}
	config := machine.Config{Boot: machine.Boot{Image: image, CommandLine: scenario}, Serial: out}
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
