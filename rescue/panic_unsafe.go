package rescue

import (
	"unsafe"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Everything in this file runs while the host panics, on a stack in the
// reservation. It is nosplit, loads and stores by address, and calls nothing
// outside of it but assembly. It writes to the panic area and to nothing else.

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

// headerBroken is the bit of the block's header in the mask of broken seals.
const headerBroken = 1 << 63

// panicHardware is the panic routine for a CPU with an instruction for CRC-32C,
// panicPlain that for others. Which it is was chosen when arming.
//
//go:nosplit
func panicHardware(c *handoff.PanicContext, block, panicArea uintptr) physmem.Address {
	if !writePanic(c, panicArea) {
		return 0
	}
	return leave(block, panicArea, checkSeals(block, true))
}

//go:nosplit
func panicPlain(c *handoff.PanicContext, block, panicArea uintptr) physmem.Address {
	if !writePanic(c, panicArea) {
		return 0
	}
	return leave(block, panicArea, checkSeals(block, false))
}

// writePanic writes what is known, small things first. It reports whether there
// is any sense in going on.
//
//go:nosplit
func writePanic(c *handoff.PanicContext, area uintptr) bool {
	if load64(area+handoff.PanicOffsetMagic) != handoff.PanicMagic {
		return false
	}
	if c.Depth > 1 {
		return writeTombstone(c, area)
	}
	store64(area+handoff.PanicOffsetPhases+8*uintptr(handoff.PhaseEntered), c.Entered)
	store32(area+handoff.PanicOffsetReason, uint32(c.Reason))
	store32(area+handoff.PanicOffsetCPU, c.CPU)
	store64(area+handoff.PanicOffsetVector, c.Vector)
	store64(area+handoff.PanicOffsetErrorCode, c.ErrorCode)
	store64(area+handoff.PanicOffsetFaultAddress, c.FaultAddress)
	store64(area+handoff.PanicOffsetPC, c.PC)
	store64(area+handoff.PanicOffsetExitCode, c.ExitCode)
	length := uintptr(c.MessageLength)
	if length > handoff.MaxPanicMessage {
		length = handoff.MaxPanicMessage
	}
	copyBytes(area+handoff.PanicOffsetMessage, uintptr(unsafe.Pointer(&c.Message)), length)
	store32(area+handoff.PanicOffsetMessageLength, uint32(length))
	store32(area+handoff.PanicOffsetState, uint32(handoff.StateEntered))

	store64(area+handoff.PanicOffsetRoot, c.Root)
	store64(area+handoff.PanicOffsetRootLower, c.RootLower)
	store64(area+handoff.PanicOffsetMessageBuffer, c.MessageBuffer)
	writeRegisters(c, area+handoff.PanicOffsetRegisters)
	store32(area+handoff.PanicOffsetState, uint32(handoff.StateCaptured))
	stamp(area, handoff.PhaseCaptured)
	return true
}

// writeRegisters fills a register slot. Its valid word comes last.
//
//go:nosplit
func writeRegisters(c *handoff.PanicContext, slot uintptr) {
	length := uintptr(c.StateLength)
	if length > handoff.MaxPanicState {
		length = handoff.MaxPanicState
	}
	store32(slot+handoff.SlotOffsetCPU, c.CPU)
	store64(slot+handoff.SlotOffsetTime, c.Entered)
	copyBytes(slot+handoff.SlotOffsetState, uintptr(unsafe.Pointer(&c.State)), length)
	store32(slot+handoff.SlotOffsetLength, uint32(length))
	store32(slot+handoff.SlotOffsetValid, 1)
}

// writeTombstone records a panic on the panic path. What the first one had
// completed is used; a fault while the seals were checked would come again.
//
//go:nosplit
func writeTombstone(c *handoff.PanicContext, area uintptr) bool {
	state := handoff.State(load32(area + handoff.PanicOffsetState))
	store32(area+handoff.PanicOffsetNested, load32(area+handoff.PanicOffsetNested)+1)
	t := area + handoff.PanicOffsetTombstone
	store32(t+handoff.TombstoneOffsetCPU, c.CPU)
	store64(t+handoff.TombstoneOffsetPC, c.PC)
	store64(t+handoff.TombstoneOffsetStack, c.Stack)
	store64(t+handoff.TombstoneOffsetFaultAddress, c.FaultAddress)
	store64(t+handoff.TombstoneOffsetVector, c.Vector)
	store64(t+handoff.TombstoneOffsetErrorCode, c.ErrorCode)
	store64(t+handoff.TombstoneOffsetTime, counter())
	store32(t+handoff.TombstoneOffsetReason, uint32(c.Reason))
	return state < handoff.StateCaptured
}

// leave says where to go on: at the trampoline, whose address the sealed header
// has, or nowhere.
//
//go:nosplit
func leave(block, area uintptr, broken uint64) physmem.Address {
	store64(area+handoff.PanicOffsetBrokenSeals, broken)
	stamp(area, handoff.PhaseSealed)
	if broken != 0 {
		store32(area+handoff.PanicOffsetState, uint32(handoff.StateRefused))
		return 0
	}
	store32(area+handoff.PanicOffsetState, uint32(handoff.StateSealed))
	stamp(area, handoff.PhaseTrampoline)
	return physmem.Address(load64(block+handoff.OffsetReservation) + load64(block+handoff.OffsetTrampoline))
}
