package drill_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/drill"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/emulated"
	"github.com/seed64aab995/rescuekernel/machine/kvm"
	"github.com/seed64aab995/rescuekernel/machine/qemu"
)

func config(t *testing.T) drill.Config {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("images are built with the go command, which is not in PATH")
	}
	return drill.Config{Machine: "kvm", Runner: kvm.New, Disk: filepath.Join(t.TempDir(), "disk"), Timeout: 10 * time.Minute}
}

// run runs a drill, and skips where there is no such machine.
func run(t *testing.T, c drill.Config) (*drill.Result, error) {
	t.Helper()
	result, err := drill.Run(t.Context(), c)
	if errors.Is(err, machine.ErrUnavailable) {
		t.Skip(err)
	}
	return result, err
}

func TestDrill(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*drill.Config)
		says   string
	}{
		{"default", func(*drill.Config) {}, "panic of kind \"nil\""},
		{"fill", func(c *drill.Config) { c.Fill, c.Panic = true, "call" }, "panic of kind \"call\""},
		{"emulated", func(c *drill.Config) {
			c.Machine, c.Runner, c.Work, c.Panic = "emulated", emulated.New, 10*time.Millisecond, "call"
		}, "panic of kind \"call\""},
		{"qemu", func(c *drill.Config) { c.Machine, c.Runner, c.Panic = "qemu", qemu.New, "go" }, "the books do not balance"},
		{"arm64 emulated", func(c *drill.Config) {
			c.Machine, c.Runner, c.Work, c.Architecture, c.Panic = "emulated", emulated.NewARM64, 10*time.Millisecond, handoff.ARM64, "call"
		}, "panic of kind \"call\""},
		{"arm64 qemu", func(c *drill.Config) {
			c.Machine, c.Runner, c.Panic, c.Architecture = "qemu", qemu.NewARM64, "call", handoff.ARM64
		}, "panic of kind \"call\""},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := config(t)
			test.change(&c)
			var told []drill.Phase
			c.Notify = func(p drill.Phase) { told = append(told, p) }
			r, err := run(t, c)
			require.NoError(t, err)
			require.True(t, r.OK)
			require.Equal(t, told, r.Phases)
			require.Contains(t, r.Log, test.says)
			require.Equal(t, uint64(8<<20), r.ReservationBytes)
			require.Zero(t, r.MismatchedPages)
			require.Zero(t, r.HostBytesChanged)
			require.NotZero(t, r.VerifiedPages)
			require.Greater(t, r.DumpPages, r.VerifiedPages, "the dump notes are pages, too")
			require.NotZero(t, r.PanicToFirstByte)
			require.NotZero(t, r.EntryToMain)
			require.Less(t, r.CompressedBytes, r.DumpBytes)
			require.Equal(t, c.Machine == "emulated", r.GuestInstructions != nil)
			require.Equal(t, c.Machine == "emulated", r.HandoffInstructions != nil)
			require.Equal(t, c.Machine == "emulated", r.HostWrites != nil)
			for _, p := range r.Phases {
				guests := slices.Contains([]string{"boot", "panic", "dump", "runtime start", "rest of the dump"}, p.Name)
				if guests || c.Machine != "emulated" {
					require.Equal(t, guests && c.Machine == "emulated", p.Instructions > 1000, "%+v", p)
				}
			}
			if c.Fill {
				require.Greater(t, r.VerifiedPages, uint64((64<<20-8<<20-2<<20)/4096), "all RAM but the reservation")
			}
		})
	}
}

// What scripts read: every key that the documentation names is there.
func TestResultAsJSON(t *testing.T) {
	t.Parallel()
	data, err := json.Marshal(drill.Result{})
	require.NoError(t, err)
	var keys map[string]any
	require.NoError(t, json.Unmarshal(data, &keys))
	for _, key := range []string{"ok", "machine", "arch", "memory_bytes", "reservation_bytes", "reservation_parts", "panic_kind", "panic_message",
		"handoff_instructions", "panic_to_record_ns", "panic_to_first_byte_ns", "entry_to_main_ns", "dump_pages", "dump_bytes", "compressed_bytes", "verified_pages",
		"mismatched_pages", "host_bytes_changed", "host_writes", "guest_instructions", "wall_ns", "phases"} {
		require.Contains(t, keys, key)
	}
	require.Nil(t, keys["handoff_instructions"])
}

func TestDrillRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		change func(*drill.Config)
		says   string
	}{
		{func(c *drill.Config) { c.Runner = nil }, "runner"},
		{func(c *drill.Config) { c.Disk = "" }, "disk"},
		{func(c *drill.Config) { c.Panic = "shrug" }, "does not panic as"},
		{func(c *drill.Config) { c.Architecture = handoff.Architecture(3) }, "not supported"},
	} {
		c := drill.Config{Runner: kvm.New, Disk: "disk"}
		test.change(&c)
		_, err := drill.Run(t.Context(), c)
		require.ErrorContains(t, err, test.says)
	}
}

// A failure names its phase.
func TestDrillFails(t *testing.T) {
	t.Parallel()
	c := config(t)
	c.Disk = filepath.Join(t.TempDir(), "absent", "disk")
	c.Host, c.Rescue = []byte("not an image"), []byte("neither")
	r, err := drill.Run(t.Context(), c)
	var failed *drill.PhaseError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, "images", failed.Phase)
	require.False(t, r.OK)

	c = config(t)
	c.Disk = filepath.Join(t.TempDir(), "absent", "disk")
	_, err = drill.Run(t.Context(), c)
	require.ErrorAs(t, err, &failed)
	require.Equal(t, "disk", failed.Phase)
	require.ErrorIs(t, err, os.ErrNotExist)
}
