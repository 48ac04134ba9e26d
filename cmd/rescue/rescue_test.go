package main

import (
	"bufio"
	"bytes"
	"context"
	"github.com/seed64aab995/rescuekernel/cmd/internal/cli"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMain gives the tests a cache of images of their own.
func TestMain(m *testing.M) {
	cache, err := os.MkdirTemp("", "rescue-test-*")
	if err == nil {
		err = os.Setenv("RESCUE_CACHE", cache)
	}
	if err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(cache)
	os.Exit(code)
}

// result is what a run of the program gave.
type result struct {
	code        int
	out, errors string
}

// rescue runs the program in this process.
func rescue(t testing.TB, args ...string) result {
	t.Helper()
	var out, errors bytes.Buffer
	code := run(t.Context(), args, strings.NewReader(""), &out, &errors)
	return result{code, out.String(), errors.String()}
}

// requireDone runs the program, which must end well.
func requireDone(t testing.TB, args ...string) string {
	t.Helper()
	r := rescue(t, args...)
	require.Equal(t, exitDone, r.code, "%v: %s", args, r.errors)
	return r.out
}

// requireFails runs the program, which must fail so, and say this.
func requireFails(t testing.TB, code int, message string, args ...string) result {
	t.Helper()
	r := rescue(t, args...)
	require.Equal(t, code, r.code, "%v: %s", args, r.errors)
	require.Contains(t, r.errors, message, "%v", args)
	for line := range strings.Lines(r.errors) {
		require.True(t, strings.HasPrefix(line, "rescue: "), "%v: %q", args, line)
	}
	return r
}

func writeTemporary(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, data, 0o644))
	return path
}

func needGo(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the go command is not in PATH")
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"bogus"}, {"buidl", "x"}, {"build"}, {"build", "a", "b"}, {"build", "--bogus", "x"}, {"--bogus"}, {"boot"}, {"inspect"},
		{"build", "--arch", "vax", "x"}, {"build", "--rescue", "x", "y"}, {"boot", "--machine", "vax", "x"}, {"boot", "--memory", "much", "x"},
		{"boot", "--memory", "1000", "x"}, {"boot", "--memory", "0", "x"}, {"boot", "--cpus", "0", "x"}, {"inspect", "--host-memory", "x", "y"},
	} {
		r := requireFails(t, exitUsage, "", args...)
		require.Empty(t, r.out, "%v", args)
	}
	requireFails(t, exitUsage, "did you mean build", "buidl")
}

// Every command has long help with examples, and completions come with cobra.
func TestHelp(t *testing.T) {
	t.Parallel()
	out := requireDone(t)
	require.Equal(t, out, requireDone(t, "--help"))
	for _, make := range commands {
		name, _, _ := strings.Cut(make(&program{}).Use, " ")
		require.Contains(t, out, "\n  "+name)
		help := requireDone(t, "help", name)
		require.Contains(t, help, "Examples:", name)
		require.Contains(t, help, "rescue "+name, name)
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		require.NotEmpty(t, requireDone(t, "completion", shell))
	}
}

// The exit codes of the package's documentation and of the help are the same.
func TestExitCodesAreDocumented(t *testing.T) {
	t.Parallel()
	help := requireDone(t, "help", "exit-codes")
	source, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	documented := strings.ReplaceAll(string(source), "//\t", "  ")
	_, list, ok := strings.Cut(newExitCodes().Long, "Exit codes:\n\n")
	require.True(t, ok)
	list, _, _ = strings.Cut(list, "\n\n")
	require.Contains(t, help, list)
	require.Contains(t, documented, list)
	require.Equal(t, exitTimeout, strings.Count(list, "\n"), "a line for each code")
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }

func TestWriteFailure(t *testing.T) {
	t.Parallel()
	path := writeTemporary(t, "image", smallImage())
	var errors bytes.Buffer
	code := run(context.Background(), []string{"inspect", path}, strings.NewReader(""), failing{}, &errors)
	require.Equal(t, exitIO, code, errors.String())
}

func TestOutputHelpers(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 B", 1536: "1.5 KiB", 1 << 20: "1 MiB", 1<<63 - 1: "8 EiB"} {
		require.Equal(t, want, size(n))
	}
	for text, want := range map[string]uint64{"512": 512, "64K": 64 << 10, "10M": 10 << 20, "2GiB": 2 << 30, "1t": 1 << 40} {
		got, err := cli.ParseSize(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "K", "-1", "1X", "99999999T", "1 M"} {
		_, err := cli.ParseSize(text)
		require.Error(t, err, text)
	}
}

func TestConsole(t *testing.T) {
	t.Parallel()
	out := &flushed{}
	c := &console{w: out}
	for _, text := range []string{"a\r\nb\r", "\nc\rd", "\r", "e\n"} {
		n, err := c.Write([]byte(text))
		require.NoError(t, err)
		require.Equal(t, len(text), n)
	}
	require.Equal(t, "a\nb\nc\rd\re\n", out.String())
	require.NoError(t, c.end())
	broken := &console{w: &flushed{err: os.ErrClosed}}
	n, err := broken.Write([]byte("x"))
	require.NoError(t, err, "the guest runs on")
	require.Equal(t, 1, n)
	require.ErrorIs(t, broken.end(), os.ErrClosed)
}

type flushed struct {
	bytes.Buffer
	err error
}

func (f *flushed) Flush() error { return f.err }

func newWriter(w io.Writer) *bufio.Writer { return bufio.NewWriter(w) }
