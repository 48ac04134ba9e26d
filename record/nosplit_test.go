package record_test

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPanicPathCallsNothing reads this package's code: from what a panic path
// calls, every call leads to a function of this package again. So there is no
// bounds check that could panic, no growing of a stack, no write barrier of the
// garbage collector and no allocation.
func TestPanicPathCallsNothing(t *testing.T) {
	t.Parallel()
	if runtime.GOARCH != "amd64" {
		t.Skip("reads amd64 code")
	}
	program := filepath.Join(t.TempDir(), "program")
	if out, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", program, ".").CombinedOutput(); err != nil {
		t.Skipf("build: %v: %s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), "go", "tool", "objdump", "-s", `rescuekernel/record\.`, program).Output()
	require.NoError(t, err)
	calls := map[string][]string{}
	function := ""
	call := regexp.MustCompile(`\sCALL (\S+)\(SB\)`)
	for line := range strings.Lines(string(out)) {
		if name, ok := strings.CutPrefix(line, "TEXT "); ok {
			function, _, _ = strings.Cut(name, "(SB)")
			calls[function] = []string{}
		} else if m := call.FindStringSubmatch(line); m != nil {
			calls[function] = append(calls[function], m[1])
		} else if strings.Contains(line, "\tCALL ") || strings.Contains(line, " CALL ") {
			calls[function] = append(calls[function], strings.TrimSpace(line))
		}
	}
	const this = "github.com/seed64aab995/rescuekernel/record."
	seen := map[string]bool{}
	var stranger func(name, from string) string // a call that leads out of the package
	stranger = func(name, from string) string {
		list, ok := calls[name]
		if !ok {
			return from + " calls " + name
		}
		if seen[name] {
			return ""
		}
		seen[name] = true
		for _, to := range list {
			if found := stranger(to, name); found != "" {
				return found
			}
		}
		return ""
	}
	for _, name := range []string{"BeginPanic", "CompletePanic", "PanicFields", "LatestPanic", "Panics", "CurrentFields"} {
		require.Empty(t, stranger(this+name, "the panic path"))
	}
	require.Contains(t, seen, this+"(*Encoder).record")
	require.NotEmpty(t, stranger(this+"(*Area).Contents", ""), "the test sees what it looks for")
}
