package drill_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/drill"
	"github.com/seed64aab995/rescuekernel/machine/emulated"
	"github.com/seed64aab995/rescuekernel/machine/kvm"
)

func traceConfig(t *testing.T) drill.TraceConfig {
	t.Helper()
	c := config(t)
	c.Machine, c.Runner, c.Work, c.Panic, c.Seed = "emulated", emulated.New, 10*time.Millisecond, "call", 1
	return drill.TraceConfig{Config: c, CPU: -1}
}

// trace gives a trace's lines: phase, symbol, text, registers that changed.
func trace(t *testing.T, c drill.TraceConfig) []string {
	t.Helper()
	var lines []string
	steps, err := drill.Trace(t.Context(), c, func(s drill.TraceStep) error {
		lines = append(lines, fmt.Sprintf("%-10s %d:%d %-16s %-32s %s", s.Phase, s.CPU, s.Level, s.Symbol, s.Text, strings.Join(s.Changed, " ")))
		return nil
	})
	require.NoError(t, err)
	require.EqualValues(t, len(lines), steps)
	return lines
}

var addresses = regexp.MustCompile(`0x[0-9a-f]{6,}`)

// The trampoline as it is traced: from the freeze point to the rescue image's
// entry.
func TestTraceTrampoline(t *testing.T) {
	t.Parallel()
	text := addresses.ReplaceAllString(strings.Join(trace(t, traceConfig(t)), "\n")+"\n", "ADDRESS")
	const path = "testdata/trampoline.amd64"
	if os.Getenv("UPDATE_GOLDEN") != "" {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), text)
}

// A trace begins with the panic's first write, and passes through all phases.
func TestTraceFromThePanic(t *testing.T) {
	t.Parallel()
	c := traceConfig(t)
	c.From, c.To, c.Limit = drill.Point{Name: drill.PointPanic}, drill.Point{Name: drill.PointMain}, 5
	lines := trace(t, c)
	require.Len(t, lines, 5)
	require.Contains(t, lines[0], "kernel.beginPanic")

	// The caller ends it.
	own, first := errors.New("enough"), drill.TraceStep{}
	c.From, c.To, c.Limit = drill.Point{Name: drill.PointEntry}, drill.Point{Count: 2000}, 0
	steps, err := drill.Trace(t.Context(), c, func(s drill.TraceStep) error {
		if s.Number == 1 {
			first = s
		}
		if s.Number == 1000 {
			return own
		}
		return nil
	})
	require.ErrorIs(t, err, own)
	require.EqualValues(t, 1000, steps)
	require.Equal(t, "entry", first.Phase)
	require.Contains(t, first.Symbol, "kernel.entry")

}

func TestTraceRefuses(t *testing.T) {
	t.Parallel()
	nothing := func(drill.TraceStep) error { return nil }
	c := traceConfig(t)
	c.From, c.To = drill.Point{Name: drill.PointMain}, drill.Point{Name: drill.PointFreeze}
	_, err := drill.Trace(t.Context(), c, nothing)
	require.ErrorContains(t, err, "freeze does not come behind main")
	c = traceConfig(t)
	c.From = drill.Point{Symbol: "no.such.function"}
	_, err = drill.Trace(t.Context(), c, nothing)
	require.ErrorContains(t, err, `no symbol "no.such.function"`)
	c = traceConfig(t)
	c.Machine, c.Runner = "kvm", kvm.New
	_, err = drill.Trace(t.Context(), c, nothing)
	require.Error(t, err)
}

func TestParsePoint(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]drill.Point{
		"panic": {Name: "panic"}, "freeze": {Name: "freeze"}, "0x1000": {Address: 0x1000}, "+25": {Count: 25},
		"runtime.main": {Symbol: "runtime.main"}, "rescue:main.main": {Symbol: "rescue:main.main"},
	} {
		got, err := drill.ParsePoint(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got)
		require.Equal(t, text, got.String())
	}
	for _, text := range []string{"", "+", "+0", "12", "0xzz", "rescue:"} {
		_, err := drill.ParsePoint(text)
		require.Error(t, err, text)
	}
}
