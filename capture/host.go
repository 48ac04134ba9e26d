package capture

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/reserve"
)

// Host is a host that panicked and handed over.
type Host struct {
	Block *handoff.Block
	// Panic is what the host wrote when it panicked; nil if it cannot be read.
	Panic *handoff.PanicArea
	// Settings are what the environment asks for.
	Settings Settings
	// Marks are what is not to be trusted, and was not used.
	Marks []minidump.Mark

	memory     physmem.Reader
	records    []byte // CBOR sequence
	parameters bool   // the dump parameters are to be used
}

// Open opens the reservation at base and checks what DESIGN's second stage
// seals. It fails only where nothing can be dumped: the block is not one.
func Open(memory physmem.Reader, base physmem.Address) (*Host, error) {
	r, err := reserve.Open(memory, base, reserve.StageSecond)
	if r == nil {
		return nil, fmt.Errorf("capture: %w", err)
	}
	h := &Host{Block: r.Block, memory: memory, parameters: true, Settings: defaultSettings()}
	environment := true
	var broken *reserve.BrokenError
	if errors.As(err, &broken) {
		for _, s := range broken.Seals {
			h.mark(s.Name, "seal is broken")
			switch s.Name {
			case handoff.DigestEnvironment.String():
				environment = false
			case handoff.DigestParameters.String():
				h.parameters = false
			}
		}
	}
	if environment {
		h.readSettings(r)
	}
	if h.Panic, err = r.PanicArea(); err != nil {
		h.mark("panic area", err.Error())
	} else if h.Panic.BrokenSeals != 0 {
		h.mark("first-stage seals", fmt.Sprintf("broken: %#x", h.Panic.BrokenSeals))
	}
	h.readRecords()
	return h, nil
}

func (h *Host) mark(part, detail string) {
	h.Marks = append(h.Marks, minidump.Mark{Part: part, Detail: detail})
}

func (h *Host) readSettings(r *reserve.Reservation) {
	environment, err := r.Environment()
	if err != nil {
		h.mark("environment", err.Error())
	}
	var problems []string
	h.Settings, problems = ParseSettings(environment)
	for _, p := range problems {
		h.mark("environment", p)
	}
}

// Stamp writes the counter's value as the time of a phase into the panic area.
func (h *Host) Stamp(memory physmem.Writer, phase handoff.Phase, counter uint64) error {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], counter)
	return h.writePanicArea(memory, handoff.PanicOffsetPhases+8*physmem.Address(phase), b[:])
}

// SetState writes how far the hand-off came into the panic area.
func (h *Host) SetState(memory physmem.Writer, state handoff.State) error {
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], uint32(state))
	return h.writePanicArea(memory, handoff.PanicOffsetState, b[:])
}

func (h *Host) writePanicArea(memory physmem.Writer, offset physmem.Address, b []byte) error {
	area := h.Block.Range(handoff.PartPanicArea)
	if area.IsEmpty() {
		return errors.New("write to the panic area: there is none")
	}
	_, err := memory.WritePhysical(b, area.Start+offset)
	return err
}

// PanicMessage is what the host said when it panicked, or why it did.
func (h *Host) PanicMessage() string {
	switch {
	case h.Panic == nil:
		return ""
	case h.Panic.Message == "":
		return h.Panic.Reason.String()
	}
	return h.Panic.Message
}

// PanicTime is when the host panicked, in nanoseconds since 1970 UTC: 0 if
// nobody knows.
func (h *Host) PanicTime() int64 {
	c := h.Block.Clock
	if h.Panic == nil || c.Kilohertz == 0 || c.Wall == 0 {
		return 0
	}
	counts := h.Panic.Phases[handoff.PhaseEntered] - c.Counter
	if counts > 1<<62 { // the counter was set back, or nobody wrote it
		return c.Wall
	}
	return c.Wall + int64(counts/c.Kilohertz)*1e6 + int64(counts%c.Kilohertz*1e6/c.Kilohertz)
}
