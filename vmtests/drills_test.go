package vmtests

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/drill"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/imagebuild"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/kvm"
	"github.com/seed64aab995/rescuekernel/machine/qemu"
)

// Drills in a row, each with another kind of panic and size of memory. None is
// tried again.
func TestManyDrills(t *testing.T) {
	for _, test := range []struct {
		name        string
		runner      func(machine.Config) (machine.Machine, error)
		count, some int
	}{
		{"kvm", kvm.New, 100, 2},
		{"qemu", qemu.New, 20, 0},
	} {
		count := test.some
		if *full {
			count = test.count
		}
		kinds := drill.Kinds()
		for seed := range count {
			kind := kinds[seed%len(kinds)]
			t.Run(fmt.Sprintf("%s/%d %s", test.name, seed, kind), func(t *testing.T) {
				r := runDrill(t, drill.Config{
					Machine: test.name, Runner: test.runner, Panic: kind,
					Memory: uint64(48+seed*13%80) << 20, Fill: seed%5 == 4,
				})
				t.Logf("%d MiB: %d pages of %d bytes equal, panic to first block %d µs, all %d ms",
					r.MemoryBytes>>20, r.VerifiedPages, r.CompressedBytes, r.PanicToFirstByte/1000, r.Wall/1e6)
			})
		}
	}
}

// runDrill runs a drill with this tree's programs.
func runDrill(t *testing.T, c drill.Config) *drill.Result {
	t.Helper()
	architecture := machine.AMD64
	if c.Architecture == handoff.ARM64 {
		architecture = machine.ARM64
	}
	if c.Host == nil {
		c.Host = hostProgram.imageFor(t, architecture)
	}
	c.Rescue = rescueProgram.imageFor(t, architecture)
	c.Disk = filepath.Join(t.TempDir(), "disk")
	r, err := drill.Run(t.Context(), c)
	if errors.Is(err, machine.ErrUnavailable) {
		t.Skip(err)
	}
	var failed *drill.PhaseError
	if errors.As(err, &failed) {
		require.NoError(t, err, "%s", failed.Console)
	}
	require.NoError(t, err)
	require.True(t, r.OK)
	require.NotZero(t, r.VerifiedPages)
	return r
}

// dumperPath is cmd/dumper, built once.
var dumperPath = sync.OnceValues(func() (string, error) {
	path := filepath.Join(scratch, "dumper.tool")
	if out, err := exec.Command("go", "build", "-o", path, "../cmd/dumper").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build cmd/dumper: %w: %s", err, out)
	}
	return path, nil
})

func dumper(t *testing.T) string {
	t.Helper()
	path, err := dumperPath()
	require.NoError(t, err)
	return path
}

// output runs a command.
func output(t *testing.T, c *exec.Cmd) string {
	t.Helper()
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%v\n%s", c, out)
	return string(out)
}

// quiet is the environment of a program that keeps out of the user's files, and
// tells nobody that it runs.
func quiet(t *testing.T) []string {
	t.Helper()
	home := t.TempDir()
	telemetry := filepath.Join(home, "go", "telemetry")
	require.NoError(t, os.MkdirAll(telemetry, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(telemetry, "mode"), []byte("off"), 0o600))
	return append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home)
}

// A Go host's dump, as an ELF core, is opened by Delve with the host's symbols,
// and lists its goroutines with file and line.
func TestDelveListsTheGoroutinesOfAHost(t *testing.T) {
	delve, err := exec.LookPath("dlv")
	if err != nil {
		t.Skip("dlv is not installed")
	}
	directory := t.TempDir()
	built, err := imagebuild.Cached(t.Context(), directory, imagebuild.Options{Package: "github.com/seed64aab995/rescuekernel/examples/host"})
	require.NoError(t, err)
	host, err := os.ReadFile(built.Image)
	require.NoError(t, err)
	r := runDrill(t, drill.Config{Machine: "kvm", Runner: kvm.New, Host: host, Panic: "call"})

	core := filepath.Join(directory, "core")
	output(t, exec.Command(dumper(t), "convert", "--to", "elf", r.Disk, core))
	script := filepath.Join(directory, "script")
	require.NoError(t, os.WriteFile(script, []byte("goroutines\ngoroutines -t\nprint main.books\nexit\n"), 0o600))
	c := exec.Command(delve, "core", built.Debug, core, "--init", script, "--allow-non-terminal-interactive=true")
	c.Env = quiet(t)
	out := output(t, c)
	// Four of them work for the host. One that had no turn yet is where it begins.
	clerks := regexp.MustCompile(`(?m)^  Goroutine \d+ - User: .*/examples/host/work\.go:\d+ main\.`).FindAllString(out, -1)
	require.Len(t, clerks, 2*4, "%s", out) // listed twice
	require.Regexp(t, `main\.panicAs\s+at .*/panic\.go:\d+`, colors.ReplaceAllString(out, ""))
	require.Contains(t, out, `"clerk `, "the host's variables\n%s", out)
}

// colors are what Delve underlines with.
var colors = regexp.MustCompile("\x1b\\[[0-9;]*m")

// Hosts most of whose memory nobody touches are armed in 8 MiB and 48 KiB
// for each GiB above 32. What was not touched is neither dumped nor compared.
func TestLargeHosts(t *testing.T) {
	const gib = 1 << 30
	for _, large := range []struct{ ram, reservation uint64 }{
		{32 * gib, 8 << 20}, // the least for its size
		{64 * gib, 8<<20 + 48<<10*32},
	} {
		r := runDrill(t, drill.Config{Machine: "kvm", Runner: kvm.New, Memory: large.ram})
		require.Equal(t, large.reservation, r.ReservationBytes)
		require.Less(t, r.DumpPages, uint64(gib/4096))
		require.Less(t, r.DumpBytes, int64(gib))
		t.Logf("%d GiB: %d pages of %d bytes; entry to main %d µs, panic to the first block %d µs; all %d ms",
			large.ram/gib, r.DumpPages, r.DumpBytes, r.EntryToMain/1000, r.PanicToFirstByte/1000, r.Wall/1e6)
		for _, p := range r.Phases {
			t.Logf("%20s %8d µs  %s", p.Name, p.Nanoseconds/1000, p.Detail)
		}
	}
}
