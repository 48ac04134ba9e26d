package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/rescuetest"
)

// demonstration is a Board that lives in this process: RAM and page tables of a host
// of package rescuetest, whose emulated machine it enters at the end.
type demonstration struct {
	host  *rescuetest.Host
	facts handoff.HostFacts
	reset bool
}

func newDemonstration() (*demonstration, error) {
	host, err := rescuetest.New(rescuetest.Config{Name: "board"})
	if err != nil {
		return nil, err
	}
	facts, err := host.Facts()
	return &demonstration{host: host, facts: facts}, err
}

func (d *demonstration) close()                             { _ = d.host.Close() } // it has nothing that could fail to close
func (d *demonstration) image() io.ReaderAt                 { return d.host.Image() }
func (d *demonstration) targets() []handoff.Target          { return d.host.Targets() }
func (d *demonstration) Architecture() handoff.Architecture { return d.facts.Architecture }
func (d *demonstration) RAM() physmem.Ranges                { return d.facts.Map.RAM() }
func (d *demonstration) Used() physmem.Ranges               { return d.facts.Used }
func (d *demonstration) Root() physmem.Address              { return d.facts.Root }
func (d *demonstration) Counter() uint64                    { return 1 }
func (d *demonstration) Kilohertz() uint64                  { return d.facts.Clock.Kilohertz }
func (d *demonstration) Wall() int64                        { return d.facts.Clock.Wall }
func (d *demonstration) Reset()                             { d.reset = true }

// stack is an address on the host's stack.
func (d *demonstration) stack() uint64 {
	return handoff.DirectMapBase + uint64(d.facts.Used[0].End) - 64
}

func (d *demonstration) Window(r physmem.Range) (uintptr, error) { return d.host.VirtualAddress(r) }

func (d *demonstration) Protect(r physmem.Range, writable bool) error {
	return d.host.Protect(r, writable)
}

func (d *demonstration) MapIdentity(r physmem.Range, executable bool) error {
	return d.host.MapIdentity(r, executable)
}

func (d *demonstration) UnmapIdentity(r physmem.Range) error { return d.host.UnmapIdentity(r) }

// Enter stops at the freeze point; tell goes on from there.
func (d *demonstration) Enter(c *handoff.PanicContext, to physmem.Address) { d.host.Freeze(c, to) }

// tell lets the rescue program run and shows what is in its dump.
func (d *demonstration) tell(ctx context.Context, out io.Writer, ledger physmem.Range, disk string) error {
	if d.reset {
		return fmt.Errorf("the board was reset: %w", rescuetest.ErrRefused)
	}
	dump, err := d.host.Rescue(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = dump.Close() }() // it was read only
	entry := make([]byte, 20)
	if _, err := dump.ReadPhysical(entry, ledger.Start); err != nil {
		return err
	}
	notes, err := dump.Notes()
	if err != nil {
		return err
	}
	messages, err := dump.MessageBuffer()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "dumped %d pages of %s, all %d compared are true\npanic: %s\nlog: %sledger: %s\n", dump.NumPages(), notes.HostName, dump.Verified, notes.Panic, messages.Text, entry)
	if disk == "" {
		return nil
	}
	return os.WriteFile(disk, dump.Disk, 0o600)
}
