package kernel_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/bootimage"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine"
)

// A host arms with the same program as rescue image and panics; the rescue
// program reads reason, registers and log, and does some work. (Package
// vmtests has what must hold of a hand-off.)
func TestHandOff(t *testing.T) {
	t.Parallel()
	tests := map[string]handoff.Reason{
		"call":      handoff.ReasonCall,
		"throw":     handoff.ReasonExit,
		"memory":    handoff.ReasonMemory,
		"recursion": handoff.ReasonMemory,
		"gate":      handoff.ReasonKernelFault,
		"nmi":       handoff.ReasonNMI,
	}
	image(t)
	program, err := os.ReadFile(guest.path)
	require.NoError(t, err)
	// One boots with the rescue image in its own file, the others with a module
	// of the boot loader.
	embedded, err := bootimage.Wrap(bytes.NewReader(program), bootimage.Options{Module: program})
	require.NoError(t, err)
	for kind, reason := range tests {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			m, out := start(t, "arm "+kind, func(c *machine.Config) {
				if kind == "throw" {
					c.Boot.Image = embedded
				} else {
					c.Boot.Modules = []machine.Module{{Data: program}}
				}
			})
			if kind == "nmi" {
				pauseAt(t, m, out, "computing")
				require.NoError(t, m.NMI(0))
			}
			exit := finish(t, m)
			require.Equal(t, machine.DebugExit, exit.Reason, "%v\n%s", exit, out)
			require.Zero(t, exit.Code, "%s", out)
			require.Contains(t, out.String(), fmt.Sprintf(": %v, ", reason))
			require.Contains(t, out.String(), `greeting "hello from the host"`)
			require.Contains(t, out.String(), "scenario done\n")
		})
	}
}

// What package kernel and the runtime take in every image.
func TestImageSize(t *testing.T) {
	t.Parallel()
	output := filepath.Join(t.TempDir(), "empty")
	require.NoError(t, build("./testdata/empty", output, "-s", "-w"))
	info, err := os.Stat(output)
	require.NoError(t, err)
	t.Logf("%d bytes", info.Size())
	require.Less(t, info.Size(), int64(1<<20*16/10))
}
