package fdt_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/fdt"
	"github.com/seed64aab995/rescuekernel/physmem"
)

func TestChosen(t *testing.T) {
	t.Parallel()
	tree := board(t)
	c, err := tree.Chosen()
	require.NoError(t, err)
	require.Equal(t, fdt.Chosen{
		Bootargs:      "console=ttyAMA0 root=/dev/vda",
		StdoutPath:    "serial0:115200n8",
		UsableMemory:  []physmem.Range{span(0x40000000, 0x20000000)},
		ELFCoreHeader: span(0x5ff00000, 0x1000),
		Initrd:        span(0x49000000, 0x800000),
		RandomSeed:    []byte{1, 2, 3, 4},
		KASLRSeed:     0x1234_00005678,
	}, c)
	console, options, ok := tree.Console()
	require.True(t, ok)
	require.Equal(t, "/soc/serial@9000000", console.Path())
	require.Equal(t, "115200n8", options)

	c, err = fdt.New().Chosen()
	require.NoError(t, err)
	require.Zero(t, c)
	_, _, ok = fdt.New().Console()
	require.False(t, ok)

	for name, want := range map[string]error{
		"bootargs": fdt.ErrValue, "stdout-path": fdt.ErrValue, "linux,usable-memory-range": fdt.ErrValue,
		"linux,elfcorehdr": fdt.ErrValue, "linux,initrd-start": fdt.ErrValue, "kaslr-seed": fdt.ErrValue,
	} {
		tree := board(t)
		require.NoError(t, lookup(t, tree, "/chosen").Set(name, []byte{1, 2, 3}))
		_, err := tree.Chosen()
		require.ErrorIs(t, err, want, name)
	}
	chosen := lookup(t, tree, "/chosen")
	require.NoError(t, chosen.SetUint64("linux,initrd-end", 0x48ffffff))
	_, err = tree.Chosen()
	require.ErrorIs(t, err, fdt.ErrRange)
	chosen.Delete("linux,initrd-end")
	_, err = tree.Chosen()
	require.ErrorIs(t, err, fdt.ErrMissing)
	chosen.Delete("linux,initrd-start")
	require.NoError(t, chosen.SetCells("linux,elfcorehdr"))
	_, err = tree.Chosen()
	require.ErrorIs(t, err, fdt.ErrValue)
}

func TestCPUs(t *testing.T) {
	t.Parallel()
	tree := board(t)
	cpus, err := tree.CPUs()
	require.NoError(t, err)
	require.Equal(t, []fdt.CPU{
		{Node: lookup(t, tree, "/cpus/cpu@0"), EnableMethod: "psci", Available: true},
		{Node: lookup(t, tree, "/cpus/cpu@100000102"), ID: 0x1_00000102, EnableMethod: "spin-table", ReleaseAddress: 0x8000fff8},
	}, cpus)
	lookup(t, tree, "/cpus/cpu@100000102").Delete("cpu-release-addr")
	_, err = tree.CPUs()
	require.ErrorIs(t, err, fdt.ErrMissing)
	require.NoError(t, lookup(t, tree, "/cpus").SetUint32("#address-cells", 3))
	_, err = tree.CPUs()
	require.ErrorIs(t, err, fdt.ErrValue)
}

func TestPSCI(t *testing.T) {
	t.Parallel()
	tree := board(t)
	n := lookup(t, tree, "/psci")
	p, err := tree.PSCI()
	require.NoError(t, err)
	require.Equal(t, fdt.PSCI{Node: n, Method: fdt.PSCIBySMC, Standard: true, CPUOn: 0xc4000003, CPUOff: 0x84000002, CPUSuspend: 0xc4000001}, p)

	require.NoError(t, n.SetStrings("compatible", "arm,psci"))
	require.NoError(t, n.SetStrings("method", "hvc"))
	require.NoError(t, n.SetUint32("cpu_on", 0x95c1ba60))
	p, err = tree.PSCI()
	require.NoError(t, err)
	require.Equal(t, fdt.PSCI{Node: n, Method: fdt.PSCIByHVC, CPUOn: 0x95c1ba60}, p)

	require.NoError(t, n.SetStrings("method", "svc"))
	_, err = tree.PSCI()
	require.ErrorIs(t, err, fdt.ErrValue)
	require.NoError(t, n.SetStrings("status", "disabled"))
	_, err = tree.PSCI()
	require.ErrorIs(t, err, fdt.ErrMissing)
}

func TestInterruptControllers(t *testing.T) {
	t.Parallel()
	tree := board(t)
	n := lookup(t, tree, "/soc/interrupt-controller")
	list, err := tree.InterruptControllers()
	require.NoError(t, err)
	require.Equal(t, []fdt.InterruptController{{
		Node: n, Version: 3,
		Distributor:         span(0x8000000, 0x10000),
		Redistributors:      []physmem.Range{span(0x80a0000, 0xf60000), span(0x1_00000000, 0x1000000)},
		RedistributorStride: 0x20000,
		CPUInterface:        span(0x8010000, 0x2000),
		ITS:                 []physmem.Range{span(0x8080000, 0x20000)},
	}}, list)
	for _, regions := range []uint32{0, 4, 0xffffffff} {
		require.NoError(t, n.SetUint32("#redistributor-regions", regions))
		list, err = tree.InterruptControllers()
		require.ErrorIs(t, err, fdt.ErrValue)
		require.Empty(t, list)
	}
}

func TestSerialAndVirtio(t *testing.T) {
	t.Parallel()
	tree := board(t)
	ports, err := tree.SerialPorts()
	// One of them is where no CPU can reach it: the others are there.
	require.ErrorIs(t, err, fdt.ErrTranslation)
	require.Equal(t, []fdt.Serial{
		{Node: lookup(t, tree, "serial0"), Compatible: fdt.PL011, Registers: span(0x9000000, 0x1000), Width: 4, Clock: 24000000, Speed: 115200},
		{Node: lookup(t, tree, "serial1"), Compatible: fdt.DWUART, Registers: span(0x10001000, 0x100), Shift: 2, Width: 4},
	}, ports)
	require.NoError(t, lookup(t, tree, "serial1").SetUint32("reg-io-width", 3))
	ports, err = tree.SerialPorts()
	require.ErrorIs(t, err, fdt.ErrValue)
	require.Len(t, ports, 1)

	virtio, err := tree.VirtioMMIO()
	require.NoError(t, err)
	require.Equal(t, []fdt.VirtioMMIO{{Node: lookup(t, tree, "/soc/virtio"), Registers: span(0xa000000, 0x200), Coherent: true}}, virtio)
	require.NoError(t, lookup(t, tree, "/soc/virtio").SetCells("reg", 0, 0xa000000, 0))
	_, err = tree.VirtioMMIO()
	require.ErrorIs(t, err, fdt.ErrRange)
}

func TestPCIHosts(t *testing.T) {
	t.Parallel()
	tree := board(t)
	n := lookup(t, tree, "/soc/pcie")
	want := fdt.PCIHost{
		Node: n, ECAM: span(0x40_10000000, 16<<20), FirstBus: 0x10, LastBus: 0x1f, Domain: 2, // 16 MiB: 16 buses
		Windows: []fdt.PCIWindow{
			{Space: fdt.PCIIO, Range: span(0x3eff0000, 0x10000)},
			{Space: fdt.PCIMemory, Address: 0x10000000, Range: span(0x10000000, 0x2eff0000)},
			{Space: fdt.PCIMemory, Prefetchable: true, Address: 0x80_00000000, Range: span(0x80_00000000, 0x80_00000000)},
		},
	}
	hosts, err := tree.PCIHosts()
	require.NoError(t, err)
	require.Equal(t, []fdt.PCIHost{want}, hosts)
	require.Equal(t, "I/O memory configuration unknown", fdt.PCIIO.String()+" "+fdt.PCIMemory.String()+" "+
		fdt.PCIConfiguration.String()+" "+fdt.PCISpace(7).String())

	for _, tt := range []struct {
		name, property string
		cells          []uint32
		want           error
	}{
		{"no room for a bus", "reg", []uint32{0x40, 0, 0xfffff}, fdt.ErrRange},
		{"no registers", "reg", nil, fdt.ErrValue},
		{"buses backwards", "bus-range", []uint32{2, 1}, fdt.ErrValue},
		{"bus 256", "bus-range", []uint32{0, 256}, fdt.ErrValue},
		{"one bus", "bus-range", []uint32{0}, fdt.ErrValue},
		{"window cut", "ranges", []uint32{0}, fdt.ErrValue},
		{"window wraps", "ranges", []uint32{0x02000000, 0, 0, 0xffffffff, 0, 0xffffffff, 0}, fdt.ErrRange},
		{"not PCI's cells", "#size-cells", []uint32{1}, fdt.ErrValue},
		{"domain", "linux,pci-domain", []uint32{0, 0}, fdt.ErrValue},
	} {
		changed := tree.Clone()
		require.NoError(t, lookup(t, changed, "/soc/pcie").SetCells(tt.property, tt.cells...))
		hosts, err := changed.PCIHosts()
		require.ErrorIs(t, err, tt.want, tt.name)
		require.Empty(t, hosts, tt.name)
	}
	n.Delete("ranges")
	n.Delete("bus-range")
	n.Delete("linux,pci-domain")
	hosts, err = tree.PCIHosts()
	require.NoError(t, err)
	require.Equal(t, []fdt.PCIHost{{Node: n, ECAM: want.ECAM, LastBus: 15}}, hosts)
}

// TestGICv2 is also of a node that firmware left half done.
func TestGICv2(t *testing.T) {
	t.Parallel()
	tree := fdt.New()
	n, err := tree.Root().AddNode("intc@8000000")
	require.NoError(t, err)
	require.NoError(t, n.SetStrings("compatible", "arm,cortex-a15-gic"))
	_, err = tree.InterruptControllers()
	require.ErrorIs(t, err, fdt.ErrMissing)
	require.NoError(t, n.SetCells("reg", 0, 0x8000000, 0x10000))
	_, err = tree.InterruptControllers()
	require.ErrorIs(t, err, fdt.ErrValue, "no CPU interface")
	require.NoError(t, n.SetCells("reg", 0, 0x8000000, 0x10000, 0, 0x8010000, 0x2000, 0, 0x8030000, 0x1000))
	require.NoError(t, n.Set("ranges", nil))
	for i, status := range []string{"okay", "disabled"} {
		frame, err := n.AddNode([]string{"v2m@0", "v2m@1"}[i])
		require.NoError(t, err)
		require.NoError(t, frame.SetStrings("compatible", "arm,gic-v2m-frame"))
		require.NoError(t, frame.SetStrings("status", status))
		require.NoError(t, frame.SetReg(span(0x8020000+physmem.Address(i)*0x1000, 0x1000)))
	}
	list, err := tree.InterruptControllers()
	require.NoError(t, err)
	require.Equal(t, []fdt.InterruptController{{
		Node: n, Version: 2, Distributor: span(0x8000000, 0x10000), CPUInterface: span(0x8010000, 0x2000),
		MSIFrames: []physmem.Range{span(0x8020000, 0x1000)},
	}}, list)
	lookup(t, tree, "/intc/v2m@0").Delete("reg")
	_, err = tree.InterruptControllers()
	require.ErrorIs(t, err, fdt.ErrMissing)
}
