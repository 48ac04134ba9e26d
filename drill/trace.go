package drill

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/emulated"
	"github.com/seed64aab995/rescuekernel/symbols"
)

// TraceConfig says what of a drill's hand-off to trace. Its Runner makes emulated
// machines: no other sees each instruction.
type TraceConfig struct {
	Config

	From Point // the first instruction; zero is PointFreeze
	To   Point // the first that is not traced any more; zero is PointEntry

	CPU   int    // its number, or -1: all
	Limit uint64 // instructions; 0 = none
}

// TraceStep is an instruction of a trace.
type TraceStep struct {
	Number  uint64            `json:"number"` // from 1 on, of those that are traced
	Phase   string            `json:"phase"`  // host, panic, trampoline, entry, main
	CPU     int               `json:"cpu"`
	Level   uint8             `json:"level"` // ring, or exception level
	PC      uint64            `json:"-"`
	Symbol  string            `json:"symbol"`
	Bytes   []byte            `json:"-"`
	Text    string            `json:"text"`    // disassembly
	Changes map[string]string `json:"changes"` // registers that are others now
	Changed []string          `json:"-"`       // their names, in order
}

// Phases of a trace.
const (
	tracedHost       = "host"
	tracedPanic      = "panic"
	tracedTrampoline = "trampoline"
	tracedEntry      = "entry"
	tracedMain       = "main"
)

// tracedPhases are the phases that a trace may begin in, by the point passed.
var tracedPhases = []string{tracedHost, tracedPanic, tracedTrampoline, tracedEntry, tracedMain}

// ErrNotReached says that a trace's point was not reached.
var ErrNotReached = errors.New("not reached")

// tracer is a trace on its way.
type tracer struct {
	config      TraceConfig
	drill       *drill
	m           *emulated.Machine
	host        *symbols.Table
	rescue      *symbols.Table
	main        uint64
	passed      int // order of the last named point that was passed
	begin       uint64
	phase       string
	number      uint64
	yield       func(TraceStep) error
	stop        context.CancelFunc
	err         error
	trampolines [2]uint64 // the page of the freeze point
}

// Trace runs a hand-off and gives each of its instructions, from one point to
// another, to yield, whose error ends the trace. It returns how many there were.
// The same configuration gives the same trace every time.
func Trace(ctx context.Context, c TraceConfig, yield func(TraceStep) error) (steps uint64, err error) {
	if c.From == (Point{}) {
		c.From.Name = PointFreeze
	}
	if c.To == (Point{}) {
		c.To.Name = PointEntry
	}
	if c.To.order() >= 0 && c.From.order() >= c.To.order() {
		return 0, fmt.Errorf("trace: %v does not come behind %v", c.To, c.From)
	}
	if err := c.complete(); err != nil {
		return 0, err
	}
	t := &tracer{config: c, yield: yield}
	defer func() {
		if t.drill != nil {
			err = errors.Join(err, t.drill.close())
		}
	}()
	if err := t.run(ctx); err != nil {
		console := ""
		if t.drill != nil {
			console = t.drill.console.String()
		}
		return t.number, &PhaseError{Phase: "trace", Console: console, Err: err}
	}
	return t.number, nil
}

func (t *tracer) run(ctx context.Context) error {
	if err := t.boot(ctx); err != nil {
		return err
	}
	if t.config.From.Name == PointPanic || t.config.To.Name == PointPanic {
		if err := t.findPanic(ctx); err != nil {
			return err
		}
	}
	if err := t.goTo(ctx, t.config.From); err != nil {
		return err
	}
	t.phase = tracedPhases[t.passed]
	limited, cancel := context.WithCancel(ctx)
	defer cancel()
	t.stop = cancel
	t.m.Trace(t.executed)
	err := t.goTo(limited, t.config.To)
	t.m.Trace(nil)
	if t.err != nil || ctx.Err() == nil && limited.Err() != nil {
		return t.err // the limit is no error
	}
	return err
}

// boot boots the host and stops it when it has armed. Another time it is the
// same machine with the same disk.
func (t *tracer) boot(ctx context.Context) error {
	d := &drill{Config: t.config.Config, console: &console{next: t.config.Console}}
	disk := d.prepareDisk
	if t.drill != nil {
		d.Host, d.Rescue = t.drill.Host, t.drill.Rescue
		if err := t.drill.close(); err != nil {
			return err
		}
		disk = d.openDisk
	}
	t.drill = d
	readSymbols := func(context.Context) error { return t.readSymbols() }
	for _, phase := range []func(context.Context) error{d.images, readSymbols, disk, d.bootHost} {
		if err := phase(ctx); err != nil {
			return err
		}
	}
	m, ok := d.machine.(*emulated.Machine)
	if !ok {
		return fmt.Errorf("a trace of machine %s: %w", d.Machine, machine.ErrUnsupported)
	}
	t.m, t.passed = m, Point{Name: PointArmed}.order()
	t.trampolines = [2]uint64{t.drill.freeze &^ 0xfff, t.drill.freeze&^0xfff + 0x1000}
	return nil
}

// readSymbols reads the symbols of both images, and looks for those that were
// asked for.
func (t *tracer) readSymbols() (err error) {
	if t.host, err = symbols.Open(bytes.NewReader(t.drill.Host)); err != nil && t.host == nil {
		return fmt.Errorf("symbols of the host: %w", err)
	}
	if t.rescue, err = symbols.Open(bytes.NewReader(t.drill.Rescue)); err != nil && t.rescue == nil {
		return fmt.Errorf("symbols of the rescue program: %w", err)
	}
	t.main, _ = t.rescue.SymbolAddress("main.main")
	for _, p := range []Point{t.config.From, t.config.To} {
		if _, err := t.address(p); err != nil {
			return err
		}
	}
	return nil
}

// address is where a point is that has an address or a symbol.
func (t *tracer) address(p Point) (uint64, error) {
	if name, ok := strings.CutPrefix(p.Symbol, rescueSymbol); ok {
		if address, ok := t.rescue.SymbolAddress(name); ok {
			return address, nil
		}
		return 0, fmt.Errorf("the rescue program has no symbol %q", name)
	}
	if p.Symbol != "" {
		if address, ok := t.host.SymbolAddress(p.Symbol); ok {
			return address, nil
		}
		return 0, fmt.Errorf("the host has no symbol %q; those of the rescue program have rescue: in front", p.Symbol)
	}
	return p.Address, nil
}

// findPanic finds out at which instruction the panic begins, by letting the host
// panic; then it boots it again, to be there in time: that run is the same.
func (t *tracer) findPanic(ctx context.Context) error {
	if err := t.goTo(ctx, Point{Name: PointFreeze}); err != nil {
		return err
	}
	at, began := t.drill.evidence.Began()
	if !began {
		return fmt.Errorf("the panic's first instruction: %w", ErrNotReached)
	}
	t.begin = at
	return t.boot(ctx)
}

// goTo runs the machine to a point.
func (t *tracer) goTo(ctx context.Context, p Point) error {
	if order := p.order(); order >= 0 {
		return t.goToNamed(ctx, order)
	}
	if p.Count != 0 {
		return t.runTo(ctx, t.m.Instructions()+p.Count, 0, p)
	}
	if strings.HasPrefix(p.Symbol, rescueSymbol) {
		if err := t.goToNamed(ctx, Point{Name: PointFreeze}.order()); err != nil {
			return err
		}
	}
	address, err := t.address(p)
	if err != nil {
		return err
	}
	return t.runTo(ctx, 0, address, p)
}

// goToNamed runs to a named point, by way of those before it: an address may mean
// one thing to the host and another to the rescue program.
func (t *tracer) goToNamed(ctx context.Context, order int) error {
	for _, step := range []struct {
		name    string
		address uint64
	}{{PointPanic, 0}, {PointFreeze, t.drill.freeze}, {PointEntry, t.drill.block.Image.Entry}, {PointMain, t.main}} {
		p := Point{Name: step.name}
		if o := p.order(); o <= t.passed || o > order || o < order && step.name == PointPanic {
			continue
		}
		count := uint64(0)
		if step.name == PointPanic {
			count = t.begin
		}
		if err := t.runTo(ctx, count, step.address, p); err != nil {
			return err
		}
		t.passed = p.order()
	}
	return nil
}

// runTo runs to a number of instructions or to an address.
func (t *tracer) runTo(ctx context.Context, count, address uint64, p Point) error {
	limited, cancel := t.drill.timeout(ctx)
	defer cancel()
	run := func() (machine.Exit, error) { return t.m.RunTo(limited, address) }
	want := machine.Breakpoint
	if count != 0 {
		want = machine.Stepped
		t.m.At(count, func(*emulator.Memory) *machine.Exit { return &machine.Exit{Reason: machine.Stepped} })
		run = func() (machine.Exit, error) { return t.m.Run(limited) }
	}
	exit, err := run()
	if err == nil && exit.Reason != want {
		err = fmt.Errorf("%v: %w: %v", p, ErrNotReached, exit)
	}
	return err
}

// executed takes an instruction of the machine.
func (t *tracer) executed(e emulator.Executed) {
	t.enter(e.PC)
	if t.err != nil || t.config.CPU >= 0 && e.CPU != t.config.CPU || t.config.Limit > 0 && t.number >= t.config.Limit {
		return
	}
	t.number++
	step := TraceStep{
		Number: t.number, Phase: t.phase, CPU: e.CPU, Level: e.Ring, PC: e.PC, Symbol: t.symbol(e.PC),
		Bytes: e.Bytes, Text: e.Text, Changes: map[string]string{},
	}
	for _, c := range e.Changes {
		name, value, _ := strings.Cut(c, "=")
		step.Changes[name] = value
		step.Changed = append(step.Changed, name)
	}
	if t.err = t.yield(step); t.err != nil || t.number == t.config.Limit {
		t.stop()
	}
}

// enter changes the phase where an instruction begins another.
func (t *tracer) enter(pc uint64) {
	switch {
	case pc == t.drill.freeze && t.phase != tracedEntry && t.phase != tracedMain:
		t.phase = tracedTrampoline
	case pc == t.drill.block.Image.Entry && t.phase == tracedTrampoline:
		t.phase = tracedEntry
	case t.main != 0 && pc == t.main && t.phase == tracedEntry:
		t.phase = tracedMain
	}
}

// symbol names an address by whose it is in this phase.
func (t *tracer) symbol(pc uint64) string {
	if pc >= t.trampolines[0] && pc < t.trampolines[1] {
		return fmt.Sprintf("trampoline+%#x", pc-t.drill.freeze)
	}
	table := t.rescue
	if t.phase == tracedHost || t.phase == tracedPanic {
		table = t.host
	}
	return table.Format(pc)
}
