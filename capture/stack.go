package capture

import (
	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// MaxStack is how much of a stack is copied.
const MaxStack = 32 << 10

// Stack copies the stack of the CPU that panicked, from its stack pointer up:
// MaxStack bytes, or up to the first page that is not mapped, not readable or
// redacted. It is empty if there is none.
func (h *Host) Stack() (address uint64, data []byte) {
	s := minidump.Source{Architecture: architecture(h.Block.Architecture)}
	h.describeMemory(&s)
	allowed := s.Readable.Minus(physmem.NewRanges(h.Block.Redactions...))
	address, translate := h.stackPointer(allowed)
	if translate == nil {
		return 0, nil
	}
	for at := address; len(data) < MaxStack && at >= address; {
		physical, err := translate(at)
		if err != nil {
			break
		}
		n := min(4096-int(at%4096), MaxStack-len(data))
		piece := physmem.Range{Start: physical, End: physical + physmem.Address(n)}
		if !allowed.ContainsRange(piece) {
			break
		}
		data = append(data, make([]byte, n)...)
		if m, err := h.memory.ReadPhysical(data[len(data)-n:], physical); err != nil || m < n {
			data = data[:len(data)-n]
			break
		}
		at += uint64(n)
	}
	return address, data
}

// stackPointer is the stack pointer of the CPU that panicked and how it is
// translated; nil if the registers do not tell.
func (h *Host) stackPointer(allowed physmem.Ranges) (uint64, func(uint64) (physmem.Address, error)) {
	state := h.panicked()
	switch a := architecture(h.Block.Architecture); {
	case minidump.AMD64.CanDump() && a == minidump.AMD64:
		var cpu amd64.CPUState
		if cpu.UnmarshalBinary(state) != nil {
			return 0, nil
		}
		paging, err := cpu.Paging(cpu.RSP)
		if err != nil {
			return 0, nil
		}
		w, err := amd64.NewWalker(h.memory, allowed, paging)
		if err != nil {
			return 0, nil
		}
		return cpu.RSP, func(va uint64) (physmem.Address, error) { p, _, err := w.Translate(va); return p, err }
	case minidump.ARM64.CanDump() && a == minidump.ARM64:
		var cpu arm64.CPUState
		if cpu.UnmarshalBinary(state) != nil {
			return 0, nil
		}
		paging, err := cpu.Paging(cpu.SP)
		if err != nil {
			return 0, nil
		}
		w, err := arm64.NewWalker(h.memory, allowed, paging)
		if err != nil {
			return 0, nil
		}
		return cpu.SP, func(va uint64) (physmem.Address, error) { p, _, err := w.Translate(va); return p, err }
	}
	return 0, nil
}
