package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTrace(t *testing.T) {
	needGo(t)
	path := filepath.Join(t.TempDir(), "trace")
	require.Equal(t, "70 instructions in "+path+"\n", requireDone(t, "trace", "--to", "+70", "-o", path))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(text), "=== trampoline\n      1 0:0 0x")
	require.Regexp(t, `trampoline\+0x0 +f30f1efa +endbr64\n`, string(text))
	require.Contains(t, string(text), "=== entry\n")

	out := requireDone(t, "trace", "--from", "freeze", "--limit", "4", "--json")
	var last struct {
		Number  int
		Phase   string
		PC      string
		Symbol  string
		Bytes   string
		Text    string
		Changes map[string]string
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	require.Len(t, lines, 4)
	require.NoError(t, json.Unmarshal([]byte(lines[3]), &last))
	require.Equal(t, 4, last.Number)
	require.Equal(t, "trampoline", last.Phase)
	require.Equal(t, "trampoline+0x6", last.Symbol)
	require.Equal(t, "4c8d3d00000000", last.Bytes)
	require.Equal(t, "lea (%rip),%r15", last.Text)
	require.True(t, strings.HasSuffix(last.Changes["r15"], "00d"), "%v", last.Changes)
	require.True(t, strings.HasPrefix(last.PC, "0x"))
}

func TestTraceUsage(t *testing.T) {
	for message, args := range map[string][]string{
		"--from: a point is empty":                     {"--from", ""},
		"--to: point \"12\": an address is hexa":       {"--to", "12"},
		"--panic shrug: want one of":                   {"--panic", "shrug"},
		"architecture \"mips\"":                        {"--arch", "mips"},
		"point \"+x\": want + and a number of instruc": {"--to", "+x"},
	} {
		requireFails(t, exitUsage, message, append([]string{"trace"}, args...)...)
	}
}
