package fdt_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/fdt"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// qemu is the tree that QEMU makes of a machine.
func qemu(t *testing.T, machine string, arguments ...string) (path string, data []byte) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "machine.dtb")
	program := tool(t, "qemu-system-aarch64")
	out, err := exec.Command(program, append([]string{"-M", machine + ",dumpdtb=" + path, "-display", "none"}, arguments...)...).CombinedOutput()
	if err != nil && strings.Contains(string(out), "unsupported machine type") {
		t.Skipf("QEMU has no such machine: %s", out)
	}
	require.NoError(t, err, string(out))
	data, err = os.ReadFile(path)
	require.NoError(t, err)
	return path, data
}

// TestQEMU reads, restricts and writes the trees of QEMU's machines.
func TestQEMU(t *testing.T) {
	t.Parallel()
	const gib = 1 << 30
	numa := []string{"-m", "2G", "-smp", "2", "-object", "memory-backend-ram,id=a,size=1G", "-object", "memory-backend-ram,id=b,size=1G",
		"-numa", "node,memdev=a,cpus=0", "-numa", "node,memdev=b,cpus=1"}
	virt := func(gic int, its, frames int, psci fdt.PSCIMethod) func(*testing.T, *fdt.Tree) {
		return func(t *testing.T, tree *fdt.Tree) { checkVirt(t, tree, gic, its, frames, psci) }
	}
	for _, tt := range []struct {
		name, machine string
		arguments     []string
		banks         []physmem.Range // of RAM; QEMU lists the last first
		cpus          int
		check         func(*testing.T, *fdt.Tree)
	}{
		{"GICv2", "virt,gic-version=2", []string{"-cpu", "cortex-a57", "-m", "512"}, []physmem.Range{span(gib, gib/2)}, 1, virt(2, 0, 1, fdt.PSCIByHVC)},
		{"GICv3", "virt,gic-version=3", []string{"-cpu", "cortex-a72", "-smp", "4"}, []physmem.Range{span(gib, 128<<20)}, 4, virt(3, 1, 0, fdt.PSCIByHVC)},
		{"EL2", "virt,gic-version=3,virtualization=on", []string{"-cpu", "max", "-m", "6G"}, []physmem.Range{span(gib, 6*gib)}, 1, virt(3, 1, 0, fdt.PSCIBySMC)},
		{"EL3", "virt,gic-version=3,secure=on", []string{"-cpu", "cortex-a57", "-m", "1G"}, []physmem.Range{span(gib, gib)}, 1, virt(3, 1, 0, "")},
		{"no ITS", "virt,gic-version=3,its=off,highmem=off", []string{"-cpu", "cortex-a57", "-m", "1G"}, []physmem.Range{span(gib, gib)}, 1, virt(3, 0, 0, fdt.PSCIByHVC)},
		{"NUMA", "virt", numa, []physmem.Range{span(2*gib, gib), span(gib, gib)}, 2, nil},
		{"many CPUs", "virt,gic-version=3", []string{"-smp", "200", "-m", "1G"}, []physmem.Range{span(gib, gib)}, 200, virt(3, 1, 0, fdt.PSCIByHVC)},
		{"old", "virt-2.8", []string{"-m", "256"}, []physmem.Range{span(gib, gib/4)}, 1, nil},
		{"sbsa-ref", "sbsa-ref", []string{"-m", "1G"}, []physmem.Range{span(1<<40, gib)}, 4, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path, data := qemu(t, tt.machine, tt.arguments...)
			tree := parse(t, data)
			memory, err := tree.Memory()
			require.NoError(t, err)
			var banks []physmem.Range
			for _, m := range memory {
				banks = append(banks, m.Banks...)
			}
			require.Equal(t, tt.banks, banks)
			cpus, err := tree.CPUs()
			require.NoError(t, err)
			require.Len(t, cpus, tt.cpus)

			written := write(t, tree)
			require.Equal(t, decompile(t, data), decompile(t, written))
			requireEqual(t, tree, parse(t, written))
			require.Less(t, len(written), len(data), "QEMU leaves room at the end")
			compareWithFdtget(t, path, tree)
			if tt.check != nil {
				tt.check(t, tree)
			}
			reservation := span(tt.banks[0].Start+0x4000000, 0x2000000)
			restricted, err := tree.Restrict(reservation, fdt.WithBootargs("dump"))
			require.NoError(t, err)
			checkRestricted(t, tree, restricted, reservation)
			checkRestrictedByFdtget(t, write(t, restricted), reservation)
		})
	}
}

// checkVirt checks the devices of QEMU's virt machine (hw/arm/virt.c, base_memmap).
func checkVirt(t *testing.T, tree *fdt.Tree, gic, its, frames int, method fdt.PSCIMethod) {
	t.Helper()
	controllers, err := tree.InterruptControllers()
	require.NoError(t, err)
	require.Len(t, controllers, 1)
	c := controllers[0]
	require.Equal(t, gic, c.Version)
	require.Equal(t, span(0x8000000, 0x10000), c.Distributor)
	require.Len(t, c.ITS, its)
	require.Len(t, c.MSIFrames, frames)
	if gic == 3 {
		require.Equal(t, span(0x80a0000, 0xf60000), c.Redistributors[0])
	} else {
		require.Equal(t, physmem.Address(0x8010000), c.CPUInterface.Start)
	}
	console, _, ok := tree.Console()
	require.True(t, ok)
	ports, err := tree.SerialPorts()
	require.NoError(t, err)
	require.Contains(t, ports, fdt.Serial{Node: console, Compatible: fdt.PL011, Registers: span(0x9000000, 0x1000), Width: 4})
	virtio, err := tree.VirtioMMIO()
	require.NoError(t, err)
	require.Len(t, virtio, 32)
	for i, v := range virtio {
		require.Equal(t, span(0xa000000+physmem.Address(i)*0x200, 0x200), v.Registers)
	}
	hosts, err := tree.PCIHosts()
	require.NoError(t, err)
	require.Len(t, hosts, 1)
	require.Equal(t, uint64(hosts[0].LastBus)+1, hosts[0].ECAM.Size()>>20)
	require.Contains(t, hosts[0].Windows, fdt.PCIWindow{Space: fdt.PCIMemory, Address: 0x10000000, Range: span(0x10000000, 0x2eff0000)})
	psci, err := tree.PSCI()
	if method == "" { // the firmware at EL3 adds its own
		require.ErrorIs(t, err, fdt.ErrMissing)
		return
	}
	require.NoError(t, err)
	require.Equal(t, method, psci.Method)
	require.Equal(t, uint32(0xc4000003), psci.CPUOn)
}

// fdtget asks libfdt's tool for a property in bytes, or a list of names.
func fdtget(t *testing.T, path string, arguments ...string) []string {
	t.Helper()
	return strings.Fields(string(run(t, nil, "fdtget", append(arguments[:1:1], append([]string{path}, arguments[1:]...)...)...)))
}

// compareWithFdtget compares lists of nodes and properties, and some values.
func compareWithFdtget(t *testing.T, path string, tree *fdt.Tree) {
	t.Helper()
	for _, at := range []string{"/", "/cpus", "/chosen"} {
		n, ok := tree.Lookup(at)
		if !ok {
			continue
		}
		var children, properties []string
		for child := range n.Children() {
			children = append(children, child.Name())
		}
		for name := range n.Properties() {
			properties = append(properties, name)
		}
		require.ElementsMatch(t, fdtget(t, path, "-l", at), children)
		require.ElementsMatch(t, fdtget(t, path, "-p", at), properties)
	}
	memory, err := tree.Memory()
	require.NoError(t, err)
	for _, m := range memory {
		want := ""
		value, _ := m.Node.Get("reg")
		for _, b := range value {
			want += fmt.Sprintf("%x ", b)
		}
		require.Equal(t, strings.Fields(want), fdtget(t, path, "-tbx", m.Node.Path(), "reg"))
	}
}

// checkRestrictedByFdtget reads the reservation from the bytes by other means.
func checkRestrictedByFdtget(t *testing.T, data []byte, reservation physmem.Range) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "restricted.dtb")
	require.NoError(t, os.WriteFile(path, data, 0o600))
	var found []string
	for _, name := range fdtget(t, path, "-l", "/") {
		if base, _, _ := strings.Cut(name, "@"); base == "memory" {
			found = append(found, strings.Join(fdtget(t, path, "-tx", "/"+name, "reg"), " "))
		}
	}
	require.Equal(t, []string{fmt.Sprintf("%x %x %x %x", uint64(reservation.Start)>>32, uint32(reservation.Start),
		reservation.Size()>>32, uint32(reservation.Size()))}, found)
	require.Equal(t, []string{"dump"}, fdtget(t, path, "-ts", "/chosen", "bootargs"))
}
