package rescue

import (
	"unsafe"

	"github.com/seed64aab995/rescuekernel/handoff"
)

// Everything in the files whose names begin with panic runs while the host
// panics, on a stack in the reservation. It is nosplit, loads and stores by
// address, and calls nothing outside of it but assembly, package record and what
// the kernel lends. It writes to the panic area and the records, and to nothing
// else.

// pointer makes a pointer of an address in the direct map, which is no memory
// of Go's.
//
//go:nosplit
func pointer(p uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&p)) }

//go:nosplit
func load8(p uintptr) byte { return *(*byte)(pointer(p)) }

//go:nosplit
func load32(p uintptr) uint32 { return *(*uint32)(pointer(p)) }

//go:nosplit
func load64(p uintptr) uint64 { return *(*uint64)(pointer(p)) }

//go:nosplit
func store32(p uintptr, v uint32) { *(*uint32)(pointer(p)) = v }

//go:nosplit
func store64(p uintptr, v uint64) { *(*uint64)(pointer(p)) = v }

//go:nosplit
func copyBytes(to, from, n uintptr) {
	for i := uintptr(0); i < n; i++ {
		*(*byte)(pointer(to + i)) = load8(from + i)
	}
}

//go:nosplit
func stamp(panicArea uintptr, phase handoff.Phase) {
	store64(panicArea+handoff.PanicOffsetPhases+8*uintptr(phase), counter())
}

// order is the address of one of the panic area's orders.
//
//go:nosplit
func order(area, offset uintptr) uintptr { return area + handoff.PanicOffsetOrders + offset }

// writeMinimal writes what is known at once: reason, own registers, message.
//
//go:nosplit
func writeMinimal(c *handoff.PanicContext, area uintptr) {
	store64(area+handoff.PanicOffsetPhases+8*uintptr(handoff.PhaseEntered), c.Entered)
	store32(area+handoff.PanicOffsetReason, uint32(c.Reason))
	store32(area+handoff.PanicOffsetCPU, c.CPU)
	store64(area+handoff.PanicOffsetVector, c.Vector)
	store64(area+handoff.PanicOffsetErrorCode, c.ErrorCode)
	store64(area+handoff.PanicOffsetFaultAddress, c.FaultAddress)
	store64(area+handoff.PanicOffsetPC, c.PC)
	store64(area+handoff.PanicOffsetExitCode, c.ExitCode)
	copyBytes(area+handoff.PanicOffsetMessage, uintptr(unsafe.Pointer(&c.Message)), messageLength(c))
	store32(area+handoff.PanicOffsetMessageLength, uint32(messageLength(c)))
	writeRegisters(c, area+handoff.PanicOffsetRegisters)
	store32(area+handoff.PanicOffsetState, uint32(handoff.StateEntered))
}

//go:nosplit
func messageLength(c *handoff.PanicContext) uintptr {
	if c.MessageLength > handoff.MaxPanicMessage {
		return handoff.MaxPanicMessage
	}
	return uintptr(c.MessageLength)
}

//go:nosplit
func stateLength(c *handoff.PanicContext) uintptr {
	if c.StateLength > handoff.MaxPanicState {
		return handoff.MaxPanicState
	}
	return uintptr(c.StateLength)
}

// writeRest writes what the rescue program needs to find its way in the host.
//
//go:nosplit
func writeRest(c *handoff.PanicContext, area uintptr) {
	store64(area+handoff.PanicOffsetRoot, c.Root)
	store64(area+handoff.PanicOffsetRootLower, c.RootLower)
	store64(area+handoff.PanicOffsetMessageBuffer, c.MessageBuffer)
	store32(area+handoff.PanicOffsetState, uint32(handoff.StateCaptured))
	stamp(area, handoff.PhaseCaptured)
}

// writeRegisters fills a register slot. Its valid word comes last.
//
//go:nosplit
func writeRegisters(c *handoff.PanicContext, slot uintptr) {
	store32(slot+handoff.SlotOffsetCPU, c.CPU)
	store64(slot+handoff.SlotOffsetTime, c.Entered)
	copyBytes(slot+handoff.SlotOffsetState, uintptr(unsafe.Pointer(&c.State)), stateLength(c))
	store32(slot+handoff.SlotOffsetLength, uint32(stateLength(c)))
	store32(slot+handoff.SlotOffsetValid, 1)
}

// writeTombstone records a panic on the panic path.
//
//go:nosplit
func writeTombstone(c *handoff.PanicContext, area uintptr) {
	s := &c.Second
	store32(area+handoff.PanicOffsetNested, load32(area+handoff.PanicOffsetNested)+1)
	t := area + handoff.PanicOffsetTombstone
	store32(t+handoff.TombstoneOffsetCPU, s.CPU)
	store64(t+handoff.TombstoneOffsetPC, s.PC)
	store64(t+handoff.TombstoneOffsetStack, s.Stack)
	store64(t+handoff.TombstoneOffsetFaultAddress, s.FaultAddress)
	store64(t+handoff.TombstoneOffsetVector, s.Vector)
	store64(t+handoff.TombstoneOffsetErrorCode, s.ErrorCode)
	store64(t+handoff.TombstoneOffsetTime, counter())
	store32(t+handoff.TombstoneOffsetReason, uint32(s.Reason))
}
