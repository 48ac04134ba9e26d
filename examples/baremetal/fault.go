package main

import (
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machdep/amd64"
)

// frame is what the runtime's exception handler has saved.
type frame struct {
	vector, errorCode, address uint64 // address is CR2 or FAR
	pc, sp                     uint64
}

// OnPanic implements rescue.Platform.
func (p *platform) OnPanic(h handoff.PanicHandler) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.handler = h
	return nil
}

// Panic implements rescue.Platform: for the host's own use, and where the runtime's
// fatal errors end (its exit hook).
func (p *platform) Panic(message string) {
	p.context.Reason = handoff.ReasonCall
	p.leave(frame{}, message)
}

// fault is for the runtime's exception handler to call, with interrupts off and on a
// stack that is not the one that broke (handler.Stack is memory for it). From here on no
// memory is allocated, no lock is taken, and nothing is written but the reservation.
//
// In a real host this and leave are nosplit, and the context lies in the reservation.
func (p *platform) fault(f frame) {
	p.context.Reason = handoff.ReasonKernelFault
	p.leave(f, "unhandled exception")
}

func (p *platform) leave(f frame, message string) {
	c := &p.context
	p.depth++
	if p.depth > 2 { // a third panic: nothing is left to try
		p.board.Reset()
		return
	}
	if p.depth == 2 { // on the panic path itself: the first context stays as it is
		c.Depth = 2
		c.Second = handoff.SecondPanic{Reason: c.Reason, Vector: f.vector, ErrorCode: f.errorCode, FaultAddress: f.address, PC: f.pc, Stack: f.sp}
	} else {
		p.describe(f, message)
	}
	if p.handler.Run != nil {
		if to := p.handler.Run(c, p.handler.Block, p.handler.PanicArea); to != 0 {
			p.board.Enter(c, to)
			return
		}
	}
	p.board.Reset()
}

// describe fills the context in.
func (p *platform) describe(f frame, message string) {
	c := &p.context
	c.Depth, c.Entered = 1, p.board.Counter()
	c.Vector, c.ErrorCode, c.FaultAddress, c.PC, c.Stack = f.vector, f.errorCode, f.address, f.pc, f.sp
	c.Root = uint64(p.board.Root())
	c.MessageBuffer = p.written
	c.MessageLength = uint32(copy(c.Message[:], message))
	state := amd64.CPUState{Valid: amd64.StateGeneral, RIP: f.pc, RSP: f.sp, RFLAGS: 2, CR2: f.address, CR3: c.Root}
	encoded, err := state.AppendBinary(nil) // a real host writes the words to their offsets (amd64.StateOffset...)
	if err == nil {
		c.StateLength = uint32(copy(c.State[:], encoded))
	}
}
