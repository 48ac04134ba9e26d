package drill

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine"
)

// Kinds are the ways in which the drill's host panics.
func Kinds() []string {
	return []string{"go", "nil", "stack", "memory", "kernel", "call", "exit"}
}

// Config says what to drill. Runner is required; the zero value of every other
// field is a good choice.
type Config struct {
	// Runner makes the machine, and Machine is what it is called.
	Runner  func(machine.Config) (machine.Machine, error)
	Machine string

	Architecture handoff.Architecture // 0 = amd64
	Memory       uint64               // bytes; 0 = 64 MiB
	Fill         bool                 // dump all RAM, not only the pages in use
	Panic        string               // one of Kinds; "" = "nil"

	// Host and Rescue are ELF images, as `rescue build` makes them. Nil: the
	// host of examples/host and cmd/rescue-kernel are built.
	Host   []byte
	Rescue []byte
	// Source is the directory of a module that has this one, for the go command;
	// "" = the current one.
	Source string

	// Disk is the file that the machine's disk is kept in. It is made. Required.
	Disk string

	// Seed is what the disk's identity is made of: with one, an emulated drill
	// is the same to the byte each time. 0 = at random.
	Seed uint64

	// Faults are what goes wrong. All but those of the disk need an emulated
	// machine, and do the same every time with the same Seed (1 if it is 0).
	Faults []Fault

	// Console, if set, is given what the guests write.
	Console io.Writer
	// Notify, if set, is told of each phase when it is over.
	Notify func(Phase)
	// Work is how long the host works when it has armed: long enough to be
	// stopped before it panics. 0 = half a second.
	Work time.Duration
	// Timeout for each of the guest's two runs; 0 = two minutes.
	Timeout time.Duration
}

func (c *Config) complete() error {
	if c.Runner == nil || c.Disk == "" {
		return fmt.Errorf("drill: a runner and a disk are required")
	}
	if c.Architecture == 0 {
		c.Architecture = handoff.AMD64
	}
	if c.Architecture != handoff.AMD64 && c.Architecture != handoff.ARM64 {
		return fmt.Errorf("drill: hosts of %v: %w", c.Architecture, machine.ErrUnsupported)
	}
	if c.Memory == 0 {
		c.Memory = machine.DefaultMemorySize
	}
	if c.Panic == "" {
		c.Panic = "nil"
	}
	if !slices.Contains(Kinds(), c.Panic) {
		return fmt.Errorf("drill: the host does not panic as %q; kinds are %q", c.Panic, Kinds())
	}
	if len(c.Faults) > 0 && c.Seed == 0 {
		c.Seed = 1
	}
	if c.Work == 0 {
		c.Work = 500 * time.Millisecond
	}
	if c.Timeout == 0 {
		c.Timeout = 2 * time.Minute
	}
	return nil
}

// Phase is a part of the drill.
type Phase struct {
	Name string `json:"name"`
	// Nanoseconds it took: of the guest's clock for what the guest did between
	// panic and dump, of this computer's for the rest.
	Nanoseconds int64 `json:"ns"`
	// Instructions that the guest executed, on a machine that counts them: of
	// what the guest did between panic and dump as its clock has them.
	Instructions uint64 `json:"instructions,omitempty"`
	// Detail is for people.
	Detail string `json:"-"`
}

// PhaseError is a drill that failed.
type PhaseError struct {
	Phase   string
	Console string // what the guests had written
	Err     error
}

func (e *PhaseError) Error() string { return fmt.Sprintf("%s: %v", e.Phase, e.Err) }

// Unwrap returns the cause.
func (e *PhaseError) Unwrap() error { return e.Err }

// timeout bounds a guest's run.
func (c *Config) timeout(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, c.Timeout)
}
