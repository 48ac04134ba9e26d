package drill

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/seed64aab995/rescuekernel/container/target"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/emulated"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/reserve"
)

// drill is one run.
type drill struct {
	Config
	result  Result
	boot    []byte
	console *console
	disk    *os.File
	size    int64
	machine machine.Machine
	base    physmem.Address // of the reservation
	freeze  uint64
	truth   *machine.Snapshot // at the freeze point
	pause   uint64            // ticks of the guest's counter that it stood there
	block   *handoff.Block

	evidence    *emulated.Evidence // what was written since the panic, where that can be seen
	panicBegins uint64             // the instruction that does, where a fault needs it
}

// Run runs a drill. The result is never nil; where the error is a *PhaseError it
// has what was seen until then.
func Run(ctx context.Context, c Config) (result *Result, err error) {
	if err := c.complete(); err != nil {
		return &Result{}, err
	}
	started := time.Now()
	d := &drill{Config: c, console: &console{next: c.Console}}
	d.result = Result{Machine: c.Machine, Arch: c.Architecture.String(), MemoryBytes: c.Memory, PanicKind: c.Panic, Disk: c.Disk}
	defer func() {
		err = errors.Join(err, d.close())
		d.result.Wall = time.Since(started).Nanoseconds()
		d.result.OK = err == nil
	}()
	for _, phase := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"images", d.images}, {"disk", d.prepareDisk}, {"boot", d.bootFaulty}, {"panic", d.panicHost}, {"dump", d.dump}, {"verify", d.verify},
	} {
		begin, executed := time.Now(), d.executed()
		if err := phase.run(ctx); err != nil {
			return &d.result, &PhaseError{Phase: phase.name, Console: d.console.String(), Err: err}
		}
		d.finish(Phase{
			Name: phase.name, Nanoseconds: time.Since(begin).Nanoseconds(), Instructions: d.executed() - executed, Detail: d.detail(phase.name),
		})
	}
	return &d.result, nil
}

// counter is a machine that counts what its guest executes.
type counter interface{ Instructions() uint64 }

// executed is how many instructions the guest has executed, 0 where nobody
// counts.
func (d *drill) executed() uint64 {
	if m, ok := d.machine.(counter); ok {
		return m.Instructions()
	}
	return 0
}

func (d *drill) finish(p Phase) {
	d.result.Phases = append(d.result.Phases, p)
	if d.Notify != nil {
		d.Notify(p)
	}
}

func (d *drill) close() error {
	var errs []error
	if d.machine != nil {
		errs = append(errs, d.machine.Close())
	}
	if d.disk != nil {
		errs = append(errs, d.disk.Close())
	}
	return errors.Join(errs...)
}

// prepareDisk makes a disk that any dump of this machine fits on, and labels it.
func (d *drill) prepareDisk(context.Context) error {
	file, err := os.OpenFile(d.Disk, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	d.disk = file
	d.size = int64(d.Memory+d.Memory/8+16<<20) &^ (1<<20 - 1)
	if err := file.Truncate(d.size); err != nil {
		return err
	}
	options := target.PrepareOptions{Size: d.size}
	if d.Seed != 0 {
		binary.LittleEndian.PutUint64(options.ID[:], d.Seed)
		options.Time = time.Unix(0, 0)
	} else {
		options.Time = time.Now()
		if _, err := rand.Read(options.ID[:]); err != nil {
			return err
		}
	}
	_, err = target.Prepare(file, options)
	return err
}

// openDisk opens the disk that prepareDisk has made before.
func (d *drill) openDisk(context.Context) (err error) {
	if d.disk, err = os.OpenFile(d.Disk, os.O_RDWR, 0); err != nil {
		return err
	}
	d.size, err = d.disk.Seek(0, io.SeekEnd)
	return err
}

// bootHost boots the host and stops it when it has armed.
func (d *drill) bootHost(ctx context.Context) error {
	// The host works for a while after it has armed: it must not have panicked
	// before it is stopped.
	command := fmt.Sprintf("panic=%s after=%v", d.Panic, d.Work)
	if d.Fill {
		command += " fill=1"
	}
	var err error
	d.machine, err = d.Runner(machine.Config{
		MemorySize: d.Memory, Serial: d.console,
		Boot:  machine.Boot{Image: d.boot, CommandLine: command, Modules: []machine.Module{{Data: d.Rescue}}},
		Disks: []machine.Disk{{Name: "dump", Size: d.size, Storage: d.storage()}},
	})
	if err != nil {
		return err
	}
	limited, cancel := d.timeout(ctx)
	defer cancel()
	running, stop := context.WithCancel(limited)
	defer stop()
	d.console.onArmed(stop)
	exit, err := d.machine.Run(running)
	d.console.onArmed(nil)
	if err != nil {
		return err
	}
	if d.base, d.freeze, err = d.console.armed(); err != nil {
		return fmt.Errorf("%w: %v", err, exit)
	}
	opened, err := reserve.Open(d.machine.Memory(), d.base, reserve.StageBoth)
	if err != nil {
		return err
	}
	d.block = opened.Block
	d.guard()
	d.result.ReservationBytes = d.block.Reservation.Size()
	for part := range handoff.Part(handoff.MaxParts) {
		if extent := d.block.Parts[part]; extent.Size != 0 {
			d.result.ReservationParts = append(d.result.ReservationParts, Part{part.String(), extent.Size})
		}
	}
	return nil
}

// panicHost lets the host go on to the freeze point and copies the machine.
func (d *drill) panicHost(ctx context.Context) error {
	limited, cancel := d.timeout(ctx)
	defer cancel()
	if err := d.runToFreeze(limited); err != nil {
		return err
	}
	if err := d.inject(PointFreeze); err != nil {
		return err
	}
	var err error
	if d.truth, err = d.machine.Snapshot(); err != nil {
		return err
	}
	return d.measurePause()
}

// runToFreeze runs the machine to the freeze point.
func (d *drill) runToFreeze(ctx context.Context) error {
	exit, err := d.machine.RunTo(ctx, d.freeze)
	if err != nil || exit.Reason == machine.Breakpoint {
		return err
	}
	why := ""
	if area, err := d.panicArea(); err == nil && area.State == handoff.StateRefused {
		why = fmt.Sprintf("; it refused to hand over: broken seals %#x", area.BrokenSeals)
	}
	return fmt.Errorf("the host did not reach the freeze point %#x: %v%s", d.freeze, exit, why)
}

// measurePause finds out how far the guest's clock went on while it was copied:
// the figures leave that out. Machines that do not show their counter stop it.
func (d *drill) measurePause() error {
	frozen, ok := d.truth.CPUs[0].(*machine.AMD64State)
	if !ok {
		return nil
	}
	state, err := d.machine.State(0)
	if err != nil {
		return err
	}
	d.pause = state.(*machine.AMD64State).TSC - frozen.TSC
	return nil
}

// dump lets the rescue program run to its end.
func (d *drill) dump(ctx context.Context) error {
	limited, cancel := d.timeout(ctx)
	defer cancel()
	if err := d.injectLate(limited); err != nil {
		return err
	}
	exit, err := d.machine.Run(limited)
	if err != nil {
		return err
	}
	area, err := d.panicArea()
	if err != nil {
		return err
	}
	d.result.PanicMessage = area.Message
	if m, ok := d.machine.(counter); ok {
		executed := m.Instructions()
		d.result.GuestInstructions = &executed
	}
	if area.State != handoff.StateDone {
		return fmt.Errorf("the rescue program did not finish: %v, state %v", exit, area.State)
	}
	d.guestPhases(area)
	return nil
}

// panicArea is the panic area as the rescue program left it.
func (d *drill) panicArea() (*handoff.PanicArea, error) {
	r := d.block.Range(handoff.PartPanicArea)
	data := make([]byte, r.Size())
	if _, err := d.machine.Memory().ReadPhysical(data, r.Start); err != nil {
		return nil, err
	}
	return handoff.ParsePanicArea(data)
}
