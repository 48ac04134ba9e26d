package vmtests

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/emulator/device"
	"github.com/seed64aab995/rescuekernel/machine"
)

// exitIncomplete is dumper's exit code for a dump that was cut.
const exitIncomplete = 5

// dumperTool is the built command, and an image of a disk for it.
type dumperTool struct {
	t                 *testing.T
	path, image, home string
}

func newDumperTool(t *testing.T, d *dumped) *dumperTool {
	t.Helper()
	directory := t.TempDir()
	tool := &dumperTool{t: t, path: dumper(t), image: filepath.Join(directory, "disk.img"), home: directory}
	require.NoError(t, os.WriteFile(tool.image, d.disks[0].content, 0o600))
	return tool
}

// run requires an exit code, and gives what the command wrote.
func (d *dumperTool) run(code int, arguments ...string) string {
	d.t.Helper()
	c := exec.Command(d.path, arguments...)
	out, err := c.CombinedOutput()
	require.Equal(d.t, code, c.ProcessState.ExitCode(), "%v: %v\n%s", c, err, out)
	return string(out)
}

// What the rescue program wrote is read by every command of dumper, on the disk
// and as saved from it.
func TestDumperReadsADump(t *testing.T) {
	d := freeze(t, scene{sizes: usualScene}).goOn(t, fault{})
	_, pages := d.requireWhole(0)
	tool := newDumperTool(t, d)
	require.Contains(t, tool.run(0, "save", "--dir", tool.home, tool.image), "vmcore.0")
	saved := filepath.Join(tool.home, "vmcore.0.zst")
	raw := filepath.Join(tool.home, "raw")
	tool.run(0, "convert", "--to", "minidump", saved, raw)
	for _, file := range []string{tool.image, saved, raw} {
		require.Contains(t, tool.run(0, "info", file), "FreeBSD/amd64 minidump version 3")
		require.Contains(t, tool.run(0, "log", file), `host: panic of kind "nil"`)
		require.Contains(t, tool.run(0, "regs", file), "cpu0 (panicked)")
		require.Contains(t, tool.run(0, "verify", file), "sound")
		require.NotEmpty(t, tool.run(0, "map", file))
	}
	var information struct {
		Pages uint64 `json:"pages"`
	}
	require.NoError(t, json.Unmarshal([]byte(tool.run(0, "info", "--json", saved)), &information))
	require.Greater(t, information.Pages, uint64(pages))

	want := make([]byte, 4096)
	const at = 0x20_0000
	_, err := d.before.Memory.ReadPhysical(want, at)
	require.NoError(t, err)
	got, err := exec.Command(tool.path, "read", "--raw", "--physical", saved, "0x200000", "4096").Output()
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got), "the page at %#x", at)
}

// A dump that was cut is saved and read as far as it goes, and nobody takes it
// for whole.
func TestDumperReadsACutDump(t *testing.T) {
	d := freeze(t, olderScene).goOn(t, fault{disks: map[int]device.Faults{0: {Stop: device.AtWrite(40)}}, ends: machine.PoweredOff})
	tool := newDumperTool(t, d)
	require.Contains(t, tool.run(exitIncomplete, "save", "--dir", tool.home, tool.image), "vmcore.0")
	information, err := os.ReadFile(filepath.Join(tool.home, "info.0"))
	require.NoError(t, err)
	require.Contains(t, string(information), "Dump Status: incomplete")
	saved := filepath.Join(tool.home, "vmcore.0.zst")
	for _, file := range []string{tool.image, saved} {
		require.NotContains(t, tool.run(0, "info", file), ", complete")
		require.Contains(t, tool.run(0, "log", file), `host: panic of kind "nil"`)
		out := tool.run(exitIncomplete, "verify", file)
		require.False(t, strings.Contains(out, ": sound"), "%s", out)
	}
}
