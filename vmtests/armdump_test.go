package vmtests

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/container"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/qemu"
	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// An arm64 host finds a labelled disk by its device tree, panics, and is dumped
// to it over virtio-mmio, of the old version and the new. Each page of the dump is
// what the machine had at the freeze point, the registers of each CPU are in it,
// and the host is untouched.
func TestARM64Dump(t *testing.T) {
	for name, legacy := range map[string]string{"old MMIO": "true", "new MMIO": "false"} {
		t.Run(name, func(t *testing.T) {
			disk := newDisk(t, 64<<20)
			o := qemu.Options{Architecture: machine.ARM64, Board: "virt,virtualization=on", Arguments: []string{
				"-global", "virtio-mmio.force-legacy=" + legacy,
				"-drive", "if=none,id=target,format=raw,file.locking=off,file.filename=" + disk.Name(), "-device", "virtio-blk-device,drive=target",
			}}
			// Where a host freezes depends on what it arms with, a disk with a label.
			r := runner{"arm64 with a disk", o.New, plainARM64.timeout, machine.ARM64}
			h := freezeAt(t, r, machine.Config{CPUs: 4}, "nil", "cpus=4 "+patient, rescueProgram)
			block := h.opened().Block
			exit := h.finish()
			require.Equal(t, machine.Reset, exit.Reason, "%v\n%s", exit, h.console)
			report := reportLine.FindString(h.console.String())
			require.Contains(t, report, "status=whole target=0", "%s", h.console)
			t.Log(report)
			require.Empty(t, h.changed(), "the host's memory was written after the freeze point")

			file, err := container.Open(disk, 64<<20)
			require.NoError(t, err)
			defer file.Close()
			dump, err := minidump.Open(file, file.Size())
			require.NoError(t, err)
			require.True(t, dump.Complete(), "%v", dump.Problems())
			pages := 0
			got, want := make([]byte, handoff.PageSize), make([]byte, handoff.PageSize)
			for address := range dump.Pages() {
				if block.Reservation.Overlaps(physmem.Range{Start: address, End: address + handoff.PageSize}) {
					continue // the rescue program's own
				}
				_, err := dump.ReadPhysical(got, address)
				require.NoError(t, err, "%v", address)
				_, err = h.before.Memory.ReadPhysical(want, address)
				require.NoError(t, err, "%v", address)
				require.Equal(t, want, got, "page %v", address)
				pages++
			}
			require.Greater(t, pages, 1000)
			notes, err := dump.Notes()
			require.NoError(t, err)
			require.Len(t, notes.CPUs, 4)
			for i, saved := range h.panicArea(block).Registers {
				require.Equal(t, saved.CPU, notes.CPUs[i].Number)
				require.Equal(t, saved.State, notes.CPUs[i].State)
				if i > 0 {
					first := symbol(t, hostProgram.imageFor(t, machine.ARM64), fmt.Sprintf("main.other%d", i))
					require.InDelta(t, first, savedState(t, saved).PC, 512)
				}
			}
		})
	}
}
