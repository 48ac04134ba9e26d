package vmtests

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machine"
)

// buildPrototype builds the throw-away prototype that showed what is possible, as
// a file for QEMU's loader at prototypeAt.
func buildPrototype(b *testing.B) string {
	b.Helper()
	source := os.Getenv("RESCUE_PROTOTYPE")
	if source == "" {
		source = "../../shared/prototype"
	}
	if _, err := os.Stat(source); err != nil {
		b.Skip("the prototype is not here: ", err)
	}
	directory := b.TempDir()
	require.NoError(b, os.CopyFS(directory, os.DirFS(source)))
	build := func(folder, output string, more ...string) {
		c := exec.Command("go", append(append([]string{"build"}, more...), "-o", output, ".")...)
		c.Dir = filepath.Join(directory, folder)
		c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=mod")
		if folder == "guk" {
			c.Env = append(c.Env, "GOARCH=arm64", "GOOS=linux")
		}
		text, err := c.CombinedOutput()
		require.NoError(b, err, "%s", text)
	}
	guest, launch, flat := filepath.Join(directory, "guest"), filepath.Join(directory, "launcher"), filepath.Join(directory, "flat")
	build("guk", guest, "-ldflags", "-s -w -E main.entry -T 0x411000")
	build("launch", launch)
	text, err := exec.Command(launch, "-flat", flat, "-win", prototypeAt, "-ram", "0x48000000", "-khz", "62500",
		"-daddr", "0x44000000", "-mbdata", "1048576", guest).CombinedOutput()
	require.NoError(b, err, "%s", text)
	return flat
}

const prototypeAt = "0x42000000"

var prototypeMain = regexp.MustCompile(`main: hello .*t=(\d+) us since entry`)

// prototypeToMain is the prototype's time from its entry to main, in nanoseconds.
func prototypeToMain(b *testing.B, flat string) float64 {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	var out lockedBuffer
	c := exec.CommandContext(ctx, "qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57", "-m", "128", "-display", "none",
		"-monitor", "none", "-serial", "stdio", "-device", "loader,file="+flat+",addr="+prototypeAt+",cpu-num=0")
	c.Stdout, c.Stderr = &out, &out
	require.NoError(b, c.Start())
	var match []string
	for match == nil && ctx.Err() == nil {
		time.Sleep(10 * time.Millisecond)
		match = prototypeMain.FindStringSubmatch(out.String())
	}
	cancel()
	_ = c.Wait() // it was killed
	require.NotNil(b, match, "%s", out.String())
	micros, err := strconv.ParseFloat(match[1], 64)
	require.NoError(b, err)
	return micros * 1e3
}

// lockedBuffer is a console that is read while it is written.
type lockedBuffer struct{ console }

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(bytes.Clone(l.text.Bytes()))
}

// BenchmarkARM64Prototype compares the time from entry to main with the
// prototype's, in the same QEMU, one after the other.
func BenchmarkARM64Prototype(b *testing.B) {
	if _, err := exec.LookPath("qemu-system-aarch64"); err != nil {
		b.Skip("qemu-system-aarch64 is not installed")
	}
	flat := buildPrototype(b)
	var ours, theirs []float64
	for range b.N {
		theirs = append(theirs, prototypeToMain(b, flat))
		h := start(b, plainARM64, machine.Config{}, "panic=call", witnessProgram)
		said := h.requireEnd(h.finish())
		n, err := strconv.ParseFloat(said.facts["entry_to_main_ns"], 64)
		require.NoError(b, err)
		ours = append(ours, n)
	}
	b.ReportMetric(median(ours), "entry-to-main-ns")
	b.ReportMetric(median(theirs), "prototype-ns")
	b.ReportMetric(median(ours)/median(theirs), "ratio")
	b.ReportMetric(slices.Min(ours)/slices.Min(theirs), "best-ratio") // on a busy computer it says more
}
