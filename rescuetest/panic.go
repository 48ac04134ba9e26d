package rescuetest

import (
	"fmt"
	"runtime"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Panic implements rescue.Platform: the host panics, by a call. What came of it is
// known when it returns: Rescue goes on from there. A host panics once.
func (h *Host) Panic(message string) {
	_ = h.PanicWith(handoff.PanicContext{Reason: handoff.ReasonCall}, message)
}

// PanicWith panics with a reason and what belongs to it: vector, error code, fault
// address, program counter. What the context leaves open is filled in. It is an error
// if the panic path does not run on this computer, or ErrRefused if there is no
// hand-off.
func (h *Host) PanicWith(c handoff.PanicContext, message string) error {
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		return fmt.Errorf("rescuetest: panic on %s: %w", runtime.GOARCH, ErrUnsupported)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.panicked == nil {
		h.print([]byte("panic: " + message + "\n"))
	}
	c.Depth = 1
	c.MessageLength = uint32(copy(c.Message[:], message))
	c.Root, c.RootLower = h.tables.Root(), 0
	if h.config.Architecture == handoff.ARM64 {
		c.Root, c.RootLower = 0, c.Root // all is in the lower half, TTBR0's
	}
	c.MessageBuffer = h.written
	c.Stack = handoff.DirectMapBase + uint64(h.layout.stack.End) - 64
	if c.PC == 0 {
		c.PC = handoff.KernelBase
	}
	state, err := h.registers(&c)
	if err != nil {
		return fmt.Errorf("rescuetest: %w", err)
	}
	c.StateLength = uint32(copy(c.State[:], state))
	h.panicked = &c
	h.jump = 0
	if h.handler.Run != nil {
		h.jump = h.handler.Run(h.panicked, h.handler.Block, h.handler.PanicArea)
	}
	runtime.KeepAlive(h.ram)
	if h.jump == 0 {
		return fmt.Errorf("rescuetest: %w", ErrRefused)
	}
	return nil
}

// Freeze puts the host at the freeze point: for the test of a Platform of the
// embedder's own, with its own panic path. It has run the PanicHandler it was given
// with c, which returned to, and would now jump there with the page tables of this
// Host. Rescue goes on from there.
func (h *Host) Freeze(c *handoff.PanicContext, to physmem.Address) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.panicked, h.jump = c, to
}

// registers are those of the panicking context, in wire layout.
func (h *Host) registers(c *handoff.PanicContext) ([]byte, error) {
	if h.config.Architecture == handoff.ARM64 {
		s := arm64.CPUState{
			Valid: arm64.StateGeneral, SP: c.Stack, PC: c.PC, PSTATE: arm64.PSTATEEL1h, TTBR0: c.RootLower, MAIR: arm64.MAIRValue,
			ESR: arm64.ESR(c.Vector), FAR: c.FaultAddress,
		}
		for i := range s.X {
			s.X[i] = uint64(i) * 0x0101_0101_0101_0101
		}
		s.X[29], s.X[30] = 0, 0
		return s.AppendBinary(nil)
	}
	s := amd64.CPUState{
		Valid: amd64.StateGeneral | amd64.StateControl, RIP: c.PC, RSP: c.Stack, RFLAGS: 2, RAX: 1, RCX: 2, RDX: 3, RBX: 4, RSI: 6, RDI: 7, R15: 15,
		CR0: cr0, CR2: c.FaultAddress, CR3: c.Root, CR4: cr4, EFER: efer,
	}
	return s.AppendBinary(nil)
}

// PanicArea is what the panic path, and later the rescue program, wrote.
func (h *Host) PanicArea() (*handoff.PanicArea, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r, err := h.panicArea()
	if err != nil {
		return nil, err
	}
	return handoff.ParsePanicArea(h.bytes(r))
}

// panicArea is where the panic area of what is armed lies.
func (h *Host) panicArea() (physmem.Range, error) {
	block, err := h.block()
	if err != nil {
		return physmem.Range{}, err
	}
	return block.Range(handoff.PartPanicArea), nil
}

// block is the hand-off block of what is armed: by this host, or around the freeze
// point.
func (h *Host) block() (*handoff.Block, error) {
	base, err := h.VirtualAddress(h.layout.ram)
	if err == nil && h.handler.Run != nil {
		return handoff.Parse(h.ram[h.handler.Block-base:])
	}
	for at := h.jump.AlignDown(handoff.PageSize); h.jump != 0 && at >= h.layout.ram.Start && at < h.layout.ram.End; at -= handoff.PageSize {
		block, err := handoff.Parse(h.ram[at-h.layout.ram.Start:])
		if err == nil && block.Reservation.Start+physmem.Address(block.TrampolineEntry) == h.jump {
			return block, nil
		}
		if at < handoff.PageSize {
			break
		}
	}
	return nil, fmt.Errorf("rescuetest: nothing is armed: %w", ErrRefused)
}
