package reserve

import (
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/trampoline"
)

// Trampoline makes the code that takes the CPU from the host to the image.
type Trampoline interface {
	// Sizes says how many bytes of code, of data (descriptor tables) and of
	// stack there will be. The first two are sealed.
	Sizes() (code, data, stack int)
	// Build makes code and data for these addresses, and says at which offset
	// of the code the freeze point is.
	Build(TrampolineAddresses) (code, data []byte, entry int, err error)
}

// TrampolineAddresses is all that a trampoline has to know. Code, data and
// stack are mapped at their physical addresses in the host's tables and in the
// image's.
type TrampolineAddresses struct {
	Code         physmem.Address // of the first byte of code, page aligned
	Data         physmem.Address // of the first byte of data, page aligned
	StackTop     physmem.Address // of the trampoline's own stack
	Root4        physmem.Address // the image's page tables for CR4.LA57 = 0
	Root5        physmem.Address // for LA57 = 1; 0 = there are none
	Block        physmem.Address // for RDI or X0
	BlockVirtual uint64          // for RSI or X1
	Entry        uint64          // of the image
	EntryStack   uint64          // for RSP or SP
}

// amd64Trampoline is package trampoline's, which has its descriptor tables in
// the page of its code.
type amd64Trampoline struct{}

func (amd64Trampoline) Sizes() (code, data, stack int) {
	return trampoline.PageSize, 0, trampoline.StackSize
}

func (amd64Trampoline) Build(a TrampolineAddresses) (code, data []byte, entry int, err error) {
	code, err = trampoline.PatchAMD64(trampoline.AMD64{
		Page: a.Code, Stack: a.StackTop, Root4: a.Root4, Root5: a.Root5,
		Entry: a.Entry, EntryStack: a.EntryStack, Block: a.Block, BlockVA: a.BlockVirtual,
	})
	return code, nil, trampoline.FreezePoint, err
}

// arm64Trampoline is package trampoline's, which needs no stack.
type arm64Trampoline struct{ conduit handoff.Conduit }

func (arm64Trampoline) Sizes() (code, data, stack int) { return trampoline.PageSize, 0, 0 }

func (t arm64Trampoline) Build(a TrampolineAddresses) (code, data []byte, entry int, err error) {
	code, err = trampoline.PatchARM64(trampoline.ARM64{
		Page: a.Code, Root: a.Root4, Entry: a.Entry, EntryStack: a.EntryStack,
		Block: a.Block, BlockVA: a.BlockVirtual, Conduit: t.conduit,
	})
	return code, nil, trampoline.FreezePoint, err
}
