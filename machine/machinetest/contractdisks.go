package machinetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/bootimage"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/imagebuild"
	"github.com/seed64aab995/rescuekernel/machine"
)

// disksPackage is the program that testDisks boots.
const disksPackage = "github.com/seed64aab995/rescuekernel/machine/machinetest/testdata/disks"

// disksImages are that program as a boot image, each built once.
var disksImages = map[machine.Architecture]func() ([]byte, error){
	machine.AMD64: sync.OnceValues(func() ([]byte, error) { return disksImage(handoff.AMD64) }),
	machine.ARM64: sync.OnceValues(func() ([]byte, error) { return disksImage(handoff.ARM64) }),
}

func disksImage(architecture handoff.Architecture) ([]byte, error) {
	directory, err := os.MkdirTemp("", "machinetest")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(directory)
	output := filepath.Join(directory, "disks")
	if _, err := imagebuild.Build(context.Background(), imagebuild.Options{Package: disksPackage, Output: output, Architecture: architecture}); err != nil {
		return nil, err
	}
	f, err := os.Open(output)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return bootimage.Wrap(f, bootimage.Options{})
}

// diskSizes are those of the disks in testDisks; the last one is read-only.
var diskSizes = []int64{1 << 20, 300 << 10, 64 << 10}

// DisksGuest is a boot image that inverts the contents of every disk
// that can be written and ends as a program does that returns 0. Its command line
// is as Runner.DiskArguments.
func DisksGuest(t testing.TB, architecture machine.Architecture) []byte {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the guest is built with the go command, which is not in PATH")
	}
	image, err := disksImages[architecture]()
	require.NoError(t, err)
	return image
}

// Disks is the row of Run about disks alone, for a runner that can attach them
// in more than one way.
func Disks(t *testing.T, r Runner) {
	g, ok := guestsOf[r.Architecture]
	require.True(t, ok, "no guests for %q", r.Architecture)
	testDisks(t, contract{r, g})
}

// testDisks boots a Go program that inverts the contents of disks. Runners of
// virtual machines take storage that is a file; nobody may need more.
func testDisks(t *testing.T, c contract) {
	var serial bytes.Buffer
	config := machine.Config{Serial: &serial, Boot: machine.Boot{Image: DisksGuest(t, c.Architecture), CommandLine: c.DiskArguments}}
	var want [][]byte
	for i, size := range diskSizes {
		p := bytes.Repeat(fmt.Appendf(nil, "disk %d ", i), int(size))[:size]
		path := filepath.Join(t.TempDir(), "disk")
		require.NoError(t, os.WriteFile(path, p, 0o600))
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, f.Close()) })
		readOnly := i == len(diskSizes)-1
		config.Disks = append(config.Disks, machine.Disk{Name: fmt.Sprint("number-", i), Size: size, Storage: f, ReadOnly: readOnly})
		if !readOnly {
			for i := range p {
				p[i] = ^p[i]
			}
		}
		want = append(want, p)
	}
	m, err := c.New(config)
	if errors.Is(err, machine.ErrUnavailable) || errors.Is(err, machine.ErrUnsupported) {
		t.Skip(err)
	}
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	exit, err := m.Run(ctx)
	require.NoError(t, err)
	require.NoError(t, m.Close())
	text := strings.ReplaceAll(serial.String(), "\r\n", "\n")
	require.Equal(t, c.end, exit.Reason, "%v\n%s", exit, text)
	require.Zero(t, exit.Code, "%s", text)
	require.Contains(t, text, "disks done\n")
	for i, d := range config.Disks {
		require.Contains(t, text, fmt.Sprintf("disk %s: %d bytes, read-only %v\n", d.Name, d.Size, d.ReadOnly))
		got := make([]byte, d.Size)
		_, err := d.Storage.ReadAt(got, 0)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want[i], got), "disk %d", i)
	}
}
