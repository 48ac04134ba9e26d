package minidump

import (
	"encoding/binary"
	"fmt"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// WithAMD64Paging gives Open the page-table root of a full amd64 dump.
func WithAMD64Paging(p amd64.Paging) Option { return func(o *options) { o.paging = p } }

// WithARM64Paging gives Open the page-table root of a full arm64 dump, which
// nothing else tells.
func WithARM64Paging(p arm64.Paging) Option { return func(o *options) { o.paging = p } }

// Symbols of FreeBSD's amd64 kernel.
const (
	symbolKernelBase    = "kernbase"  // its address is KERNBASE
	symbolRoot4         = "KPML4phys" // holds the physical address of the PML4
	symbolRoot5         = "KPML5phys" // of the PML5, or 0
	symbolMessageBuffer = "msgbufp"   // points to struct msgbuf
)

// amd64KernelBase is KERNBASE, where FreeBSD's amd64 kernel is linked
// (amd64/include/vmparam.h).
const amd64KernelBase = 0xffffffff80000000

// maxKernelLoad is how far into physical memory a kernel is looked for that
// does not tell where it was loaded.
const maxKernelLoad = 4 << 30

// newTableSpace makes the address space of a full dump, which goes through the
// machine's own page tables.
func newTableSpace(r *Reader) *addressSpace {
	return newAddressSpace(r, PathTables, func() (walker, error) {
		if r.options.paging == nil {
			if err := r.findPaging(); err != nil {
				return nil, err
			}
		}
		switch p := r.options.paging.(type) {
		case amd64.Paging:
			if r.header.Architecture == AMD64 {
				w, err := amd64.NewWalker(r, nil, p)
				return &amd64Walker{w, r, PathTables}, err
			}
		case arm64.Paging:
			if r.header.Architecture == ARM64 {
				w, err := arm64.NewWalker(r, nil, p)
				return &arm64Walker{w, r, PathTables}, err
			}
		}
		return nil, fmt.Errorf("paging of another architecture than %v: %w", r.header.Architecture, ErrNoPageTable)
	})
}

// findPaging finds the page-table root by the kernel's symbols.
//
// KPML4phys lies at its address less KERNBASE, plus where the kernel was
// loaded: 0 until FreeBSD 13, and any multiple of 2 MiB since. So each is
// tried, and the first is taken whose tables map KPML4phys where it was read.
func (r *Reader) findPaging() error {
	if r.header.Architecture != AMD64 || r.options.symbols == nil {
		return fmt.Errorf("full %v dump: %w", r.header.Architecture, ErrNoPageTable)
	}
	base, ok := r.options.symbols.SymbolAddress(symbolKernelBase)
	if !ok {
		base = amd64KernelBase
	}
	tried := 0
	for _, kind := range []struct {
		symbol string
		levels int
	}{{symbolRoot5, 5}, {symbolRoot4, 4}} {
		address, ok := r.options.symbols.SymbolAddress(kind.symbol)
		if !ok || address < base {
			continue
		}
		for load := uint64(0); load < maxKernelLoad; load += amd64LargeSize {
			tried++
			if p, ok := r.tryRoot(address, address-base+load, kind.levels); ok {
				r.options.paging = p
				return nil
			}
		}
	}
	return fmt.Errorf("full amd64 dump: %s is not among %d places: %w", symbolRoot4, tried, ErrNoPageTable)
}

// tryRoot takes the word at physical for the root of tables that map virtual
// there, and reports whether they do.
func (r *Reader) tryRoot(virtual, physical uint64, levels int) (amd64.Paging, bool) {
	var word [8]byte
	if _, err := r.ReadPhysical(word[:], physmem.Address(physical)); err != nil {
		return amd64.Paging{}, false
	}
	p := amd64.Paging{Root: physmem.Address(binary.LittleEndian.Uint64(word[:])), Levels: levels}
	if p.Root == 0 {
		return p, false
	}
	w, err := amd64.NewWalker(r, nil, p)
	if err != nil {
		return p, false
	}
	found, _, err := w.Translate(virtual)
	return p, err == nil && uint64(found) == physical
}

// fullMessageBuffer reads the message buffer through the kernel's msgbufp.
func (r *Reader) fullMessageBuffer() (*Messages, error) {
	if r.options.symbols == nil {
		return nil, fmt.Errorf("full dump without the kernel's symbols: %w", ErrNoMessageBuffer)
	}
	pointer, ok := r.options.symbols.SymbolAddress(symbolMessageBuffer)
	if !ok {
		return nil, fmt.Errorf("full dump: no symbol %s: %w", symbolMessageBuffer, ErrNoMessageBuffer)
	}
	var word [8]byte
	if _, err := r.ReadVirtual(word[:], pointer); err != nil {
		return nil, fmt.Errorf("%s: %w", symbolMessageBuffer, err)
	}
	var fields [messageBufferFields]byte
	at := binary.LittleEndian.Uint64(word[:])
	if _, err := r.ReadVirtual(fields[:], at); err != nil {
		return nil, fmt.Errorf("struct msgbuf: %w", err)
	}
	state, ok := parseMessageBufferState(fields[:], binary.LittleEndian, 8)
	if !ok {
		return nil, fmt.Errorf("struct msgbuf at %#x has no magic: %w", at, ErrNoMessageBuffer)
	}
	if state.Size > maxMessageBuffer {
		return nil, fmt.Errorf("struct msgbuf at %#x: %d bytes: %w", at, state.Size, ErrTooLarge)
	}
	ring := make([]byte, state.Size)
	if n, err := r.ReadVirtual(ring, binary.LittleEndian.Uint64(fields[:])); err != nil {
		if n == 0 {
			return nil, fmt.Errorf("message buffer: %w", err)
		}
		return newMessages(ring[:n], MessageBufferState{}, false), fmt.Errorf("message buffer: %w", err)
	}
	return newMessages(ring, state, true), nil
}
