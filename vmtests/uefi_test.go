package vmtests

import (
	"bytes"
	"context"
	"errors"
	"io"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/bootimage"
	"github.com/seed64aab995/rescuekernel/container"
	"github.com/seed64aab995/rescuekernel/efi"
	"github.com/seed64aab995/rescuekernel/fdt"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/qemu"
	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/reserve"
)

// uefiRunner boots hosts as EFI applications, with their rescue program and their
// command line in them.
func uefiRunner(t testing.TB, o qemu.Options) runner {
	o.UEFI = true
	return runner{"uefi " + string(o.Architecture) + o.Board, func(config machine.Config) (machine.Machine, error) {
		app, err := bootimage.WrapEFI(bytes.NewReader(hostProgram.imageFor(t, o.Architecture)), bootimage.EFIOptions{
			Module: config.Boot.Modules[0].Data, CommandLine: config.Boot.CommandLine,
		})
		if err != nil {
			return nil, err
		}
		config.Boot = machine.Boot{Image: app}
		return o.New(config)
	}, 4 * time.Minute, o.Architecture}
}

// armAndFreeze boots a host once, reads where it will freeze, and stops it there.
func armAndFreeze(t testing.TB, r runner, cpus int, kind string) *handOff {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), r.timeout)
	defer cancel()
	stop := &stopper{text: "freeze point", stop: cancel}
	config := machine.Config{MemorySize: 128 << 20, CPUs: cpus, Boot: machine.Boot{Image: []byte("made by the runner")}}
	h := startOn(t, r, config, "after=2s panic="+kind, rescueProgram, func(c *console) io.Writer {
		stop.Writer = c
		return stop
	})
	began := time.Now()
	exit, err := h.machine.Run(ctx)
	require.NoError(t, err)
	t.Logf("armed after %v", time.Since(began).Round(time.Millisecond))
	require.Equal(t, machine.Canceled, exit.Reason, "%v\n%s", exit, h.console)
	whole := regexp.MustCompile(armedLine.String() + `\n`)
	for range 100 { // it was stopped in the middle of the line
		if whole.MatchString(h.console.String()) {
			break
		}
		h.runFor(10 * time.Millisecond)
	}
	match := whole.FindStringSubmatch(h.console.String())
	require.NotNil(t, match, "the host did not arm: %v\n%s", exit, h.console)
	base, err := strconv.ParseUint(match[1], 0, 64)
	require.NoError(t, err)
	h.freeze, err = strconv.ParseUint(match[3], 0, 64)
	require.NoError(t, err)
	h.block = physmem.Address(base)
	h.freezeHere()
	return h
}

// A host that UEFI has booted, with the firmware's memory map, is dumped over PCI:
// on arm64 by the configuration space that ACPI or the device tree names. Without
// firmware the host gives addresses to the disk by itself.
func TestUEFIDump(t *testing.T) {
	for _, test := range []struct {
		name   string
		more   bool // with -full only
		plain  bool // no UEFI
		tree   bool // the rescue program gets a device tree
		cpus   int
		kind   string
		reason handoff.Reason
		qemu.Options
	}{
		{name: "amd64", kind: "nil", reason: handoff.ReasonExit, Options: qemu.Options{Architecture: machine.AMD64}},
		{name: "arm64 by ACPI", kind: "nil", reason: handoff.ReasonExit, Options: qemu.Options{Architecture: machine.ARM64, Board: "virt,gic-version=3"}},
		{name: "arm64 by ACPI and another CPU", more: true, cpus: 2, kind: "cpu", reason: handoff.ReasonUserFault,
			Options: qemu.Options{Architecture: machine.ARM64, Board: "virt,gic-version=2"}},
		{name: "arm64 by device tree", tree: true, more: true, kind: "call", reason: handoff.ReasonCall,
			Options: qemu.Options{Architecture: machine.ARM64, Board: "virt,acpi=off"}},
		{name: "arm64 at EL2", more: true, kind: "call", reason: handoff.ReasonCall,
			Options: qemu.Options{Architecture: machine.ARM64, Board: "virt,virtualization=on", CPU: "max"}},
		{name: "arm64 without firmware", plain: true, tree: true, kind: "call", reason: handoff.ReasonCall,
			Options: qemu.Options{Architecture: machine.ARM64, Board: "virt"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.more && !*full {
				t.Skip("-full runs it")
			}
			disk := newDisk(t, 64<<20)
			test.Arguments = []string{
				"-drive", "if=none,id=target,format=raw,file.locking=off,file.filename=" + disk.Name(), "-device", "virtio-blk-pci,drive=target",
			}
			r := uefiRunner(t, test.Options)
			if test.plain {
				r.name, r.create = "plain PCI", func(config machine.Config) (machine.Machine, error) {
					config.Boot.Image = hostImage(t, test.Architecture)
					return test.Options.New(config)
				}
			}
			h := armAndFreeze(t, r, test.cpus, test.kind)
			opened, err := reserve.Open(h.before.Memory, h.block, reserve.StageBoth)
			require.NoError(t, err)
			require.Equal(t, test.Architecture == machine.ARM64, len(opened.Block.PCI) == 1, "%v", opened.Block.PCI)
			require.Equal(t, handoff.BusPCI, opened.Block.Targets[0].Bus)
			if !test.plain {
				requireFirmwareMap(t, opened)
			}
			if test.tree {
				requireTree(t, opened)
			}
			exit := h.finish()
			require.Equal(t, machine.Reset, exit.Reason, "%v\n%s", exit, h.console)
			report := reportLine.FindString(h.console.String())
			require.Contains(t, report, "status=whole target=0", "%s", h.console)
			t.Log(report)
			require.Equal(t, test.reason, h.panicArea(opened.Block).Reason)
			require.Empty(t, h.changed(), "the host's memory was written after the freeze point")
			h.requireDump(disk, 64<<20)
		})
	}
}

// requireFirmwareMap requires that the rescue program has firmware's map, with its
// reservation for all memory.
func requireFirmwareMap(t *testing.T, r *reserve.Reservation) {
	t.Helper()
	table, err := r.Firmware(handoff.FirmwareEFIMap)
	require.NoError(t, err)
	require.NotNil(t, table)
	m, err := efi.ParseMap(table.Data, table.EntrySize, table.Version)
	require.NoError(t, err)
	memory, err := m.MemoryMap()
	require.NoError(t, err)
	require.Equal(t, physmem.NewRanges(r.Block.Reservation), memory.RAM())
	require.NotEmpty(t, memory.OfType(physmem.MemoryFirmware), "runtime services")
	system, err := r.Firmware(handoff.FirmwareEFISystem)
	require.NoError(t, err)
	require.NotNil(t, system)
	require.True(t, memory.OfType(physmem.MemoryFirmware).ContainsRange(physmem.Range{Start: system.Address, End: system.Address + 120}),
		"the system table at %v", system.Address)
}

// requireTree requires a device tree whose memory is the reservation.
func requireTree(t *testing.T, r *reserve.Reservation) {
	t.Helper()
	table, err := r.Firmware(handoff.FirmwareFDT)
	require.NoError(t, err)
	require.NotNil(t, table)
	tree, err := fdt.Parse(table.Data)
	require.NoError(t, err)
	memory, err := tree.MemoryMap()
	require.NoError(t, err)
	require.Equal(t, physmem.NewRanges(r.Block.Reservation), memory.RAM())
}

// requireDump requires a whole dump on a disk, each page of the host as it was at
// the freeze point.
func (h *handOff) requireDump(disk io.ReaderAt, size int64) {
	h.t.Helper()
	file, err := container.Open(disk, size)
	require.NoError(h.t, err)
	defer file.Close()
	dump, err := minidump.Open(file, file.Size())
	require.NoError(h.t, err)
	require.True(h.t, dump.Complete(), "%v", dump.Problems())
	own, pages := h.reservation(), 0
	got, want := make([]byte, handoff.PageSize), make([]byte, handoff.PageSize)
	for address := range dump.Pages() {
		if own.Overlaps(physmem.Range{Start: address, End: address + handoff.PageSize}) {
			continue // the rescue program's
		}
		_, err := dump.ReadPhysical(got, address)
		require.NoError(h.t, err, "%v", address)
		_, err = h.before.Memory.ReadPhysical(want, address)
		require.NoError(h.t, err, "%v", address)
		require.Equal(h.t, want, got, "page %v", address)
		pages++
	}
	require.Greater(h.t, pages, 1000)
}

var variableProgram = newProgram("./testdata/efivariable")

// A host calls EFI's runtime services: a variable that it writes is there at the next
// boot, where firmware keeps variables.
func TestEFIVariables(t *testing.T) {
	for _, test := range []struct {
		architecture machine.Architecture
		boots        []string
	}{{machine.AMD64, []string{"boot 1", "boot 2"}}, {machine.ARM64, []string{"boot 1"}}} {
		t.Run(string(test.architecture), func(t *testing.T) {
			if !*full {
				t.Skip("-full runs it; TestRecordInEFIVariable calls them, too")
			}
			app, err := bootimage.WrapEFI(bytes.NewReader(variableProgram.imageFor(t, test.architecture)), bootimage.EFIOptions{})
			require.NoError(t, err)
			said := &console{}
			m, err := qemu.Options{Architecture: test.architecture, UEFI: true}.New(machine.Config{
				MemorySize: 256 << 20, Serial: said, Boot: machine.Boot{Image: app},
			})
			if errors.Is(err, machine.ErrUnavailable) {
				t.Skip(err)
			}
			require.NoError(t, err)
			defer func() { require.NoError(t, m.Close()) }()
			for _, boot := range test.boots {
				ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
				defer cancel()
				exit, err := m.Run(ctx)
				require.NoError(t, err)
				require.Contains(t, []machine.Reason{machine.DebugExit, machine.PoweredOff}, exit.Reason, "%v\n%s", exit, said)
				require.Contains(t, said.String(), "efivariable: "+boot+"\nefivariable: done")
				require.NoError(t, m.Reset())
			}
		})
	}
}
