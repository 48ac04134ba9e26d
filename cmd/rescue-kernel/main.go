package main

import (
	"fmt"
	"io"
	"os"

	"github.com/seed64aab995/rescuekernel/capture"
	"github.com/seed64aab995/rescuekernel/container/target"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/kernel"
	"github.com/seed64aab995/rescuekernel/minidump"
)

const name = "rescue-kernel"

func main() {
	p := &program{console: os.Stdout}
	p.times[handoff.PhaseMain] = kernel.SinceEntry()
	err := p.run()
	if err != nil {
		p.print("%v", err)
	}
	p.report()
	if !kernel.Running() {
		os.Exit(1)
	}
	if err := finish(p.finish); err != nil {
		p.print("%v: %v", p.finish, err)
	}
	os.Exit(1) // the kernel resets
}

// program is one run.
type program struct {
	console io.Writer
	memory  *kernel.PhysicalMemory
	host    *capture.Host
	dumper  *minidump.Dumper
	disks   disks
	result  capture.Result
	finish  capture.Finish

	opened uint64 // nanoseconds since entry
	times  [handoff.MaxPhases]uint64
	lines  progress
	dog    watchdog
}

// run does all but the end.
func (p *program) run() error {
	p.result.Best = -1
	boot, err := kernel.Boot()
	if err != nil {
		return err
	}
	if p.memory, err = kernel.Memory(); err != nil {
		return err
	}
	if p.host, err = capture.Open(p.memory, boot.Reservation.Start); err != nil {
		return err
	}
	p.finish, p.disks.recorded = p.host.Settings.Finish, p.host.Block.PCI
	p.openWatchdog()
	p.host.Quiesce(p.openFunction)
	p.stampStart()
	p.stamp(handoff.PhaseMain, p.times[handoff.PhaseMain])
	p.stamp(handoff.PhaseChecked, kernel.SinceEntry())
	p.setState(handoff.StateEnteredGo)
	if p.dumper, err = p.host.NewDumper(p.host.Storage(p.memory)); err != nil {
		return err
	}
	p.opened = kernel.SinceEntry()
	p.result = p.host.Run(p.dumper, capture.Options{
		Disk: p.openDisk, Serial: p.openSerial,
		Attempt: p.attempted, FirstWrite: p.firstWrite, Progress: p.progress,
	})
	p.pat()
	if err := p.disks.close(); err != nil {
		p.print("%v", err)
	}
	p.stamp(handoff.PhaseDone, kernel.SinceEntry())
	p.setState(handoff.StateDone)
	return p.result.Err()
}

// stampStart tells what came before main.
func (p *program) stampStart() {
	if s, err := kernel.Stats(); err == nil {
		p.stamp(handoff.PhaseEntry, 0)
		p.stamp(handoff.PhaseUser, s.EntryToUser)
		p.stamp(handoff.PhaseRuntime, s.EntryToStart)
	}
}

// openDisk is capture.Options.Disk.
func (p *program) openDisk(t handoff.Target) (target.Device, error) {
	return p.disks.open(p.memory, t)
}

// firstWrite is when the console may be used: the dump is on its way.
func (p *program) firstWrite() {
	p.stamp(handoff.PhaseFirstWrite, kernel.SinceEntry())
	p.pat()
	for _, m := range p.dumper.Marks() {
		p.print("mark: %s: %s", printable(m.Part), printable(m.Detail))
	}
	if !p.host.Settings.Quiet {
		p.print("dumping %d pages, %s", p.dumper.Layout().Pages, size(p.dumper.Size()))
	}
}

// stamp writes the time of a phase to the panic area.
func (p *program) stamp(phase handoff.Phase, nanoseconds uint64) {
	p.times[phase] = nanoseconds
	clock, err := kernel.ClockInfo()
	if err != nil {
		return
	}
	counter := clock.Entry + nanoseconds/1e6*clock.Kilohertz + nanoseconds%1e6*clock.Kilohertz/1e6
	if err := p.host.Stamp(p.memory, phase, counter); err != nil {
		p.print("%v", err)
	}
}

func (p *program) setState(state handoff.State) {
	if err := p.host.SetState(p.memory, state); err != nil {
		p.print("%v", err)
	}
}

// finish ends the machine's work. It returns only if that does not work.
func finish(how capture.Finish) error {
	switch how {
	case capture.FinishPowerOff:
		return kernel.PowerOff()
	case capture.FinishHalt:
		return kernel.Halt()
	}
	return kernel.Reset()
}

// print prints a line.
func (p *program) print(format string, args ...any) {
	// A console that takes no text must not stop the dump.
	_, _ = fmt.Fprintf(p.console, name+": "+format+"\n", args...)
}
