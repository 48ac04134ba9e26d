package emulated_test

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/fdt"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/emulated"
	"github.com/seed64aab995/rescuekernel/machine/machinetest"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// spin is an arm64 guest that jumps to itself.
var spin = machinetest.ARM64Image([]byte{0x00, 0x00, 0x00, 0x14})

// treeOf is the device tree that a machine hands over.
func treeOf(t *testing.T, o emulated.Options, config machine.Config) (*fdt.Tree, []byte) {
	t.Helper()
	o.Architecture = machine.ARM64
	m, err := o.New(config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	s, err := m.State(0)
	require.NoError(t, err)
	at := physmem.Address(s.(*machine.ARM64State).X[0])
	header := make([]byte, 8)
	_, err = m.Memory().ReadPhysical(header, at)
	require.NoError(t, err)
	data := make([]byte, binary.BigEndian.Uint32(header[4:]))
	_, err = m.Memory().ReadPhysical(data, at)
	require.NoError(t, err)
	tree, err := fdt.Parse(data)
	require.NoError(t, err)
	return tree, data
}

func TestTree(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		options emulated.Options
		cpus    int
		method  fdt.PSCIMethod
		gic     int
	}{
		{"version 2", emulated.Options{}, 1, fdt.PSCIByHVC, 2},
		{"version 3, EL2", emulated.Options{GIC: 3, EL2: true, CPU: "max"}, 20, fdt.PSCIBySMC, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			tree, _ := treeOf(t, test.options, machine.Config{
				CPUs: test.cpus, MemorySize: 128 << 20,
				Boot: machine.Boot{Image: spin, CommandLine: "hello there", Modules: []machine.Module{{Data: []byte("initrd")}}},
			})
			memory, err := tree.Memory()
			require.NoError(t, err)
			require.Equal(t, []physmem.Range{{Start: 0x40000000, End: 0x48000000}}, memory[0].Banks)
			psci, err := tree.PSCI()
			require.NoError(t, err)
			require.Equal(t, test.method, psci.Method)
			controllers, err := tree.InterruptControllers()
			require.NoError(t, err)
			require.Len(t, controllers, 1)
			require.Equal(t, test.gic, controllers[0].Version)
			require.EqualValues(t, 0x08000000, controllers[0].Distributor.Start)
			if test.gic == 3 {
				require.EqualValues(t, 0x080a0000, controllers[0].Redistributors[0].Start)
				require.EqualValues(t, 0x08080000, controllers[0].ITS[0].Start)
			} else {
				require.EqualValues(t, 0x08010000, controllers[0].CPUInterface.Start)
			}
			cpus, err := tree.CPUs()
			require.NoError(t, err)
			require.Len(t, cpus, test.cpus)
			if test.cpus > 16 {
				require.EqualValues(t, 0x100, cpus[16].ID)
			}
			slots, err := tree.VirtioMMIO()
			require.NoError(t, err)
			require.Len(t, slots, 32)
			require.EqualValues(t, 0x0a003e00, slots[31].Registers.Start)
			hosts, err := tree.PCIHosts()
			require.NoError(t, err)
			require.Equal(t, physmem.Range{Start: 0x4010000000, End: 0x4020000000}, hosts[0].ECAM)
			require.Len(t, hosts[0].Windows, 2)
			console, _, ok := tree.Console()
			require.True(t, ok)
			require.Equal(t, "/pl011@9000000", console.Path())
			chosen, err := tree.Chosen()
			require.NoError(t, err)
			require.Equal(t, "hello there", chosen.Bootargs)
			require.Equal(t, physmem.Range{Start: 0x44000000, End: 0x44000006}, chosen.Initrd)
		})
	}
}

// TestTreeIsWellFormed: the device tree compiler finds nothing wrong.
func TestTreeIsWellFormed(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("dtc"); err != nil {
		t.Skip("dtc is not installed")
	}
	for _, version := range []int{2, 3} {
		_, data := treeOf(t, emulated.Options{GIC: version}, machine.Config{CPUs: 2, Boot: machine.Boot{Image: spin}})
		path := filepath.Join(t.TempDir(), "tree")
		require.NoError(t, os.WriteFile(path, data, 0o600))
		out, err := exec.Command("dtc", "-I", "dtb", "-O", "dts", "-o", os.DevNull, path).CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Empty(t, string(out))
	}
}

func TestRefusesARM64(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		options emulated.Options
		config  machine.Config
	}{
		"CPU":          {emulated.Options{CPU: "vax"}, machine.Config{}},
		"GIC":          {emulated.Options{GIC: 4}, machine.Config{}},
		"CPUs":         {emulated.Options{}, machine.Config{CPUs: 9}},
		"more CPUs":    {emulated.Options{GIC: 3}, machine.Config{CPUs: 124}},
		"RAM":          {emulated.Options{}, machine.Config{RAM: physmem.NewRanges(physmem.Range{End: 1 << 20})}},
		"protocol":     {emulated.Options{}, machine.Config{Boot: machine.Boot{Protocol: machine.PVH}}},
		"RSDP":         {emulated.Options{}, machine.Config{Boot: machine.Boot{RSDP: 1}}},
		"architecture": {emulated.Options{Architecture: "vax"}, machine.Config{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.options.Architecture == "" {
				test.options.Architecture = machine.ARM64
			}
			_, err := test.options.New(test.config)
			require.ErrorIs(t, err, machine.ErrUnsupported)
		})
	}
	_, err := emulated.Options{GIC: 3}.New(machine.Config{})
	require.ErrorIs(t, err, machine.ErrUnsupported, "amd64 has none")
	require.Contains(t, emulated.CPUs(), "cortex-a57")
	_, err = emulated.Options{Architecture: machine.ARM64, Time: time.Unix(1, 0)}.New(machine.Config{})
	require.NoError(t, err)
}
