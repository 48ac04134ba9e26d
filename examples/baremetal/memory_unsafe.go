package main

import (
	"fmt"
	"unsafe"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// bytes is memory as the CPU sees it. The board has mapped it.
func (p *platform) bytes(r physmem.Range) []byte {
	at, err := p.board.Window(r)
	if err != nil {
		return nil
	}
	return unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&at))), r.Size())
}

// words are the first words of memory.
func words(memory []byte, n int) []uint64 {
	return unsafe.Slice((*uint64)(unsafe.Pointer(&memory[0])), n)
}

// Memory implements rescue.Platform.
func (p *platform) Memory() (physmem.Memory, error) { return window{p}, nil }

// window is all RAM, through the board's window.
type window struct{ p *platform }

func (w window) piece(operation string, size int, a physmem.Address) ([]byte, error) {
	r, ok := physmem.NewRange(a, uint64(size))
	if !ok || !w.p.board.RAM().ContainsRange(r) {
		return nil, &physmem.AccessError{Operation: operation, Range: r, Err: physmem.ErrOutside}
	}
	if memory := w.p.bytes(r); memory != nil {
		return memory, nil
	}
	return nil, fmt.Errorf("%s %v: not in the window", operation, r)
}

func (w window) ReadPhysical(p []byte, a physmem.Address) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	memory, err := w.piece("read", len(p), a)
	return copy(p, memory), err
}

func (w window) WritePhysical(p []byte, a physmem.Address) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	memory, err := w.piece("write", len(p), a)
	return copy(memory, p), err
}

// ViewPhysical lends memory, so that fault records can be written to it later.
func (w window) ViewPhysical(r physmem.Range) []byte {
	memory, err := w.piece("view", int(r.Size()), r.Start)
	if err != nil {
		return nil
	}
	return memory
}
