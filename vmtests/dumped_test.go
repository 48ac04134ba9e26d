package vmtests

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/container"
	"github.com/seed64aab995/rescuekernel/container/kerneldump"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/reserve"
)

// dumped is a hand-off whose rescue program dumps.
type dumped struct {
	*handOff
	config machine.Config
	opened *reserve.Reservation
	disks  []*memoryDisk
	exit   machine.Exit
	took   time.Duration // from the freeze point to the machine's end
}

// report is the rescue program's last line.
func (d *dumped) report() map[string]string {
	d.t.Helper()
	line := reportLine.FindStringSubmatch(d.console.String())
	require.NotNil(d.t, line, "no report: %v\n%s", d.exit, d.console)
	values := map[string]string{}
	for _, field := range strings.Fields(line[1]) {
		name, value, _ := strings.Cut(field, "=")
		values[name] = value
	}
	return values
}

// requireStatus requires what the rescue program says that it did, and to which
// target: -1 is none.
func (d *dumped) requireStatus(status, target string) {
	d.t.Helper()
	report := d.report()
	require.Equal(d.t, status, report["status"], "%s", d.console)
	require.Equal(d.t, target, report["target"], "%s", d.console)
}

// state is how far the rescue program says that it came.
func (d *dumped) state() handoff.State {
	d.t.Helper()
	return d.panicArea(d.opened.Block).State
}

// open opens what is on a disk.
func (d *dumped) open(disk int) (*container.File, *minidump.Reader, error) {
	d.t.Helper()
	file, err := container.Open(d.disks[disk], d.disks[disk].Size())
	if err != nil {
		return nil, nil, err
	}
	d.t.Cleanup(func() { require.NoError(d.t, file.Close()) })
	dump, err := minidump.Open(file, file.Size())
	return file, dump, err
}

// identity is the number of the dump that is found on a disk, 0 if none is.
func (d *memoryDisk) identity() uint32 {
	found, err := kerneldump.Find(d, d.Size(), kerneldump.FindOptions{})
	if err != nil {
		return 0
	}
	return found.Header.Identity()
}

// comparison is a dump beside the machine's memory at the freeze point.
type comparison struct {
	pages int // of the host that can be read from the dump
	wrong physmem.Ranges
	holes []minidump.Hole
}

// compare compares each page of the host with what the machine had at the freeze
// point. Pages in except are looked at only for that they can be read.
func (d *dumped) compare(dump *minidump.Reader, except ...physmem.Range) (c comparison) {
	d.t.Helper()
	got, want := make([]byte, handoff.PageSize), make([]byte, handoff.PageSize)
	notes, err := dump.Notes()
	unlisted := err != nil || notes.HolesOmitted > 0 // holes that nobody could note
	own, exempt := physmem.NewRanges(d.opened.Block.Reservation), physmem.NewRanges(except...)
	for address := range dump.Pages() {
		page := physmem.Range{Start: address, End: address + handoff.PageSize}
		if own.Overlaps(page) {
			continue // the rescue program's own, or a hole
		}
		_, err := dump.ReadPhysical(got, address)
		var missing *minidump.MissingError
		switch {
		case errors.As(err, &missing):
			c.holes = append(c.holes, minidump.Hole{Range: page, Reason: missing.Reason})
			continue
		case errors.Is(err, io.ErrUnexpectedEOF):
			c.holes = append(c.holes, minidump.Hole{Range: page, Reason: minidump.HoleBeyondEnd})
			continue
		}
		require.NoError(d.t, err, "page %v of the dump", address)
		if exempt.Overlaps(page) {
			continue
		}
		if _, err = d.before.Memory.ReadPhysical(want, address); err != nil && unlisted {
			require.Equal(d.t, make([]byte, len(got)), got, "page %v, where the machine has no memory", address)
			c.holes = append(c.holes, minidump.Hole{Range: page, Reason: minidump.HoleOutside})
			continue
		}
		require.NoError(d.t, err, "the dump has page %v, the machine has no memory there", address)
		if !bytes.Equal(want, got) {
			c.wrong = c.wrong.Union(physmem.NewRanges(page))
		}
		c.pages++
	}
	return c
}

// requireTruePages requires each page of the host that can be read from the dump
// to be what the machine had at the freeze point. It returns how many there are,
// and the holes.
func (d *dumped) requireTruePages(dump *minidump.Reader, except ...physmem.Range) (pages int, holes []minidump.Hole) {
	d.t.Helper()
	c := d.compare(dump, except...)
	require.Empty(d.t, c.wrong, "pages of the dump are not what they were at the freeze point")
	return c.pages, c.holes
}

// changedMemory is where memory outside of the reservation is not what it was at
// the freeze point.
func (d *dumped) changedMemory() physmem.Ranges {
	d.t.Helper()
	after, err := d.machine.Snapshot()
	require.NoError(d.t, err)
	changed, err := d.before.Changes(after, physmem.NewRanges(d.opened.Block.Reservation), 0)
	require.NoError(d.t, err)
	return changed
}

// requireUnchanged requires all memory outside of the reservation to be what it
// was at the freeze point.
func (d *dumped) requireUnchanged() {
	d.t.Helper()
	require.Empty(d.t, d.changedMemory(), "the host's memory changed after the freeze point")
}

// requireWhole requires a whole and true dump on a disk, and an untouched host.
func (d *dumped) requireWhole(disk int) (*minidump.Reader, int) {
	d.t.Helper()
	if d.exit.Reason == 0 {
		d.exit = d.finish()
	}
	file, dump, err := d.open(disk)
	require.NoError(d.t, err, "disk %d: %v\n%s", disk, d.exit, d.console)
	require.True(d.t, file.Complete(), "%v\n%s", file.Problems(), d.console)
	require.True(d.t, dump.Complete(), "%v\n%s", dump.Problems(), d.console)
	require.Equal(d.t, handoff.StateDone, d.state(), "%s", d.console)
	pages, _ := d.requireTruePages(dump)
	require.NotZero(d.t, pages, "the dump has no page of the host\n%s", d.console)
	d.requireUnchanged()
	return dump, pages
}
