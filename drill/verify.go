package drill

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/container"
	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// logTail is how much of the host's log a result has.
const logTail = 4096

// verify reads the dump from the disk, and compares it and the machine's memory
// with what was there at the freeze point.
func (d *drill) verify(ctx context.Context) error {
	if err := d.checkEvidence(); err != nil {
		return err
	}
	file, err := container.Open(d.disk, d.size)
	if err != nil {
		return fmt.Errorf("the disk: %w", err)
	}
	defer func() { _ = file.Close() }() // it is read only
	if complete := file.Complete(); !complete {
		return fmt.Errorf("the dump on the disk is not whole: %w", errors.Join(file.Problems()...))
	}
	dump, err := minidump.Open(file, file.Size())
	if err != nil {
		return fmt.Errorf("the dump: %w", err)
	}
	d.result.DumpPages, d.result.DumpBytes = dump.NumPages(), file.Size()
	if header := file.KernelDump(); header != nil {
		d.result.CompressedBytes = int64(header.Header.Length)
	}
	if messages, err := dump.MessageBuffer(); err == nil {
		d.result.Log = string(messages.Text[max(0, len(messages.Text)-logTail):])
	}
	if err := d.comparePages(ctx, dump); err != nil {
		return err
	}
	return d.compareMemory()
}

// comparePages compares each page of the dump with the copy. Pages in the
// reservation are the rescue program's own, as are recorded holes.
func (d *drill) comparePages(ctx context.Context, dump *minidump.Reader) error {
	size := physmem.Address(dump.PageSize())
	got, want := make([]byte, size), make([]byte, size)
	var first physmem.Address
	for address := range dump.Pages() {
		if err := ctx.Err(); err != nil {
			return err
		}
		page := physmem.Range{Start: address, End: address + size}
		if d.block.Reservation.Overlaps(page) {
			continue
		}
		if _, err := dump.ReadPhysical(got, address); err != nil {
			if errors.Is(err, minidump.ErrRecordedHole) {
				continue
			}
			return fmt.Errorf("the dump: %w", err)
		}
		if _, err := d.truth.Memory.ReadPhysical(want, address); err != nil {
			return fmt.Errorf("the dump has a page where the machine has no memory: %w", err)
		}
		d.result.VerifiedPages++
		if !bytes.Equal(got, want) {
			if d.result.MismatchedPages == 0 {
				first = address
			}
			d.result.MismatchedPages++
		}
	}
	switch {
	case d.result.MismatchedPages > 0:
		return fmt.Errorf("%d of %d pages differ from the host's memory, the first at %v", d.result.MismatchedPages, d.result.VerifiedPages, first)
	case d.result.VerifiedPages == 0:
		return errors.New("the dump has no page of the host")
	}
	return nil
}

// compareMemory requires that no byte outside of the reservation has changed
// since the freeze point.
func (d *drill) compareMemory() error {
	after, err := d.machine.Snapshot()
	if err != nil {
		return err
	}
	changed, err := d.truth.Changes(after, physmem.NewRanges(d.block.Reservation), 0)
	if err != nil {
		return err
	}
	d.result.HostBytesChanged = changed.Size()
	if !changed.IsEmpty() {
		return fmt.Errorf("%d bytes of the host's memory changed after the freeze point, the first at %v", changed.Size(), changed[0])
	}
	return nil
}
