package vmtests

import (
	"bytes"
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/container"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// withTargets gives a host that was armed with other targets: its block is
// written anew, with seals that hold.
func (f *frozen) withTargets(t *testing.T, change func([]handoff.Target) []handoff.Target) func(physmem.Memory) {
	t.Helper()
	block := *f.opened.Block
	block.Targets = change(append([]handoff.Target{}, block.Targets...))
	block.Digests = append([]handoff.Digest{}, block.Digests...)
	for i := range block.Digests {
		if d := &block.Digests[i]; d.Kind == handoff.DigestParameters {
			d.Length = block.ParametersLength()
			encoded, err := block.AppendBinary(nil)
			require.NoError(t, err)
			d.SHA256 = sha256.Sum256(encoded[d.Offset:][:d.Length])
		}
	}
	encoded, err := block.AppendBinary(nil)
	require.NoError(t, err)
	part := block.Range(handoff.PartBlock)
	require.LessOrEqual(t, uint64(len(encoded)), part.Size())
	return func(m physmem.Memory) {
		_, err := m.WritePhysical(append(encoded, make([]byte, part.Size()-uint64(len(encoded)))...), part.Start)
		require.NoError(t, err)
	}
}

// Where the list of targets ends in a record, and the disk's label is gone, there
// is no dump and no failure.
func TestRecordOnly(t *testing.T) {
	eachArchitecture(t, func(t *testing.T, r runner) {
		r.onlyFull(t)
		f := freeze(t, scene{on: r.name, sizes: usualScene})
		d := f.goOn(t, fault{spoil: spoilLabel, change: f.withTargets(t, func(targets []handoff.Target) []handoff.Target {
			return append(targets, handoff.Target{Kind: handoff.TargetRecord})
		})})
		d.requireStatus("record", "-1")
		require.Equal(t, "0", d.report()["marks"], "%s", d.console)
		require.Contains(t, d.console.String(), "no dump-target label")
		d.requireUnchanged()
	})
}

// A first disk that is too small, and may cut the dump, keeps it.
func TestTruncationIsAllowed(t *testing.T) {
	eachArchitecture(t, func(t *testing.T, r runner) {
		r.onlyFull(t)
		f := freeze(t, scene{on: r.name, sizes: "2 16"})
		d := f.goOn(t, fault{change: f.withTargets(t, func(targets []handoff.Target) []handoff.Target {
			targets[0].Flags |= handoff.TargetTruncate
			return targets
		})})
		d.requireStatus("cut", "0")
		require.True(t, bytes.Equal(f.disks[1].content, d.disks[1].content), "the second disk was written")
	})
}

// Where the disk's label is gone the dump goes over the serial line, among what
// the console says.
func TestSerialLineIsTheNextTarget(t *testing.T) {
	eachArchitecture(t, func(t *testing.T, r runner) {
		f := freeze(t, scene{on: r.name, sizes: usualScene})
		reseal := f.withTargets(t, func(targets []handoff.Target) []handoff.Target {
			return append(targets, r.serialTarget())
		})
		d := f.goOn(t, fault{spoil: spoilLabel, change: func(m physmem.Memory) {
			reseal(m)
			thin(t, m, f.opened.Block.Bitmap) // the line is slow
		}})
		d.requireUnchanged()
		directory := t.TempDir()
		line, dump := filepath.Join(directory, "line"), filepath.Join(directory, "dump")
		d.console.mu.Lock()
		require.NoError(t, os.WriteFile(line, d.console.text.Bytes(), 0o600))
		d.console.mu.Unlock()
		tool := newDumperTool(t, d)
		t.Log(tool.run(0, "receive", line, "-o", dump))
		content, err := os.ReadFile(dump)
		require.NoError(t, err)
		file, err := container.Open(bytes.NewReader(content), int64(len(content)))
		require.NoError(t, err)
		defer file.Close()
		require.True(t, file.Complete(), "%v", file.Problems())
		reader, err := minidump.Open(file, file.Size())
		require.NoError(t, err)
		pages, _ := d.requireTruePages(reader)
		require.Greater(t, pages, 10)
		t.Logf("%d pages in %v", pages, d.took)
	})
}

// thin takes most pages out of a page bitmap.
func thin(t *testing.T, memory physmem.Memory, bitmap handoff.Region) {
	t.Helper()
	for _, extent := range bitmap.Extents {
		bits := make([]byte, extent.Size())
		_, err := memory.ReadPhysical(bits, extent.Start)
		require.NoError(t, err)
		for i := range bits {
			if i%64 != 0 {
				bits[i] = 0
			}
		}
		_, err = memory.WritePhysical(bits, extent.Start)
		require.NoError(t, err)
	}
}

// A host that lets Arm look at its disks is told there, not at the panic, that a
// disk has no room.
func TestCheckedTargets(t *testing.T) {
	for _, test := range []struct {
		size int64
		want string
	}{{2 << 20, "target 0"}, {96 << 20, "host: armed"}} {
		d := labelledDisk(t, test.size)
		config := machine.Config{Disks: []machine.Disk{{Name: "disk0", Size: d.Size(), Storage: d}}}
		h := start(t, onEmulator, config, "targets=checked panic=none ", rescueProgram)
		h.finish()
		require.Contains(t, h.console.String(), test.want)
		require.Equal(t, test.size == 2<<20, strings.Contains(h.console.String(), "TargetTruncate allows"), "%s", h.console)
	}
}
