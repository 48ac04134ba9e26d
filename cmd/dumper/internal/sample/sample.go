// Package sample makes up a machine that has panicked, for whoever has no dump
// of a real one at hand.
//
// It has 16 MiB of RAM in two ranges, an amd64 kernel of a few functions at
// KernelBase, mapped by page tables of its own, a direct map, a log, a heap
// with something in it, a page that must not be dumped, and one CPU, whose
// registers and stack show how it came to panic. New gives the same dump every
// time.
package sample

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Virtual addresses of the machine.
const (
	KernelBase    = uint64(0xffff_ff00_0000_0000)
	DirectMapBase = uint64(0xffff_f800_0000_0000)
)

// Physical memory of the machine. The kernel's 2 MiB are mapped at KernelBase.
const (
	lowEnd  = physmem.Address(0x9f000)
	start   = physmem.Address(0x100000)
	kernel  = physmem.Address(0x200000)
	tables  = physmem.Address(0x400000)
	heap    = physmem.Address(0x600000)
	secret  = physmem.Address(0xa00000)
	end     = physmem.Address(0x1000000)
	notes   = end - 0x4000
	logRing = kernel + 0x100000
	stack   = KernelBase + 0x180000
)

// machine is the machine's memory while it is made.
type machine struct {
	memory *physmem.Sparse
	bits   []uint64
	pages  *minidump.PageBitmap
	next   physmem.Address // of the next page table
}

// AllocateTable implements amd64.Allocator.
func (m *machine) AllocateTable(size uint64) (physmem.Address, error) {
	at := m.next.AlignUp(size)
	m.next = at + physmem.Address(size)
	m.pages.SetRange(physmem.Range{Start: at, End: m.next})
	return at, nil
}

// New makes the machine and opens its dump.
func New() (*minidump.Dumper, error) {
	ranges := []physmem.Range{{Start: 0, End: lowEnd}, {Start: start, End: end}}
	available, err := minidump.NewDumpAvail(amd64.PageSize, ranges)
	if err != nil {
		return nil, fmt.Errorf("sample: %w", err)
	}
	m := &machine{memory: physmem.NewSparse(ranges), bits: make([]uint64, available.NumWords()), next: tables}
	if m.pages, err = minidump.NewPageBitmap(available, m.bits); err != nil {
		return nil, fmt.Errorf("sample: %w", err)
	}
	paging, err := m.fill()
	if err != nil {
		return nil, fmt.Errorf("sample: %w", err)
	}
	return minidump.NewDumper(m.source(available, paging))
}

// fill writes the machine's memory.
func (m *machine) fill() (amd64.Paging, error) {
	builder, err := amd64.NewBuilder(m.memory, m, amd64.Paging{})
	if err != nil {
		return amd64.Paging{}, err
	}
	kernelRange := physmem.Range{Start: kernel, End: kernel + 2<<20}
	text := physmem.Range{Start: kernel, End: kernel + 0x4000}
	rest := physmem.Range{Start: text.End, End: kernelRange.End}
	for _, mapping := range []struct {
		r           physmem.Range
		va          uint64
		permissions amd64.Permissions
	}{
		{text, KernelBase, amd64.Execute},
		{rest, KernelBase + text.Size(), amd64.Write},
		{physmem.Range{Start: 0, End: end}, DirectMapBase, amd64.Write},
	} {
		if err := builder.Map(mapping.r, mapping.va, mapping.permissions, 0); err != nil {
			return amd64.Paging{}, err
		}
	}
	m.pages.SetRange(physmem.Range{Start: 0, End: 0x1000})
	m.pages.SetRange(kernelRange)
	m.pages.SetRange(physmem.Range{Start: heap, End: heap + 2<<20})
	m.pages.SetRange(physmem.Range{Start: secret, End: secret + 0x2000})
	for _, piece := range []struct {
		at   physmem.Address
		data []byte
	}{
		{kernel, code()}, {kernel + 0x3000, []byte("sample 1.0 (a made-up kernel)\x00")},
		{physmem.Address(stack - KernelBase + uint64(kernel)), frames()},
		{logRing, []byte(log)}, {heap, ledger()}, {secret, []byte("a secret that no dump has")},
	} {
		if _, err := m.memory.WritePhysical(piece.data, piece.at); err != nil {
			return amd64.Paging{}, err
		}
	}
	return builder.Paging(), nil
}

// source describes the machine to the dumper, as a rescue program does.
func (m *machine) source(available *minidump.DumpAvail, paging amd64.Paging) minidump.Source {
	bitmap := make([]byte, 0, 8*len(m.bits))
	for _, word := range m.bits {
		bitmap = binary.LittleEndian.AppendUint64(bitmap, word)
	}
	ring := physmem.NewExtentReader(m.memory, []physmem.Range{{Start: logRing, End: logRing + 0x3fb8}})
	state := amd64.CPUState{Valid: amd64.StateGeneral | amd64.StateControl, RIP: KernelBase + 0x25, RSP: stack - 0x20, RBP: stack,
		RAX: 0, RDI: 0xdead, RFLAGS: 0x10046, CR0: 0x80050033, CR2: 0xdead, CR3: uint64(paging.Root), CR4: 0x6f0}
	encoded, _ := state.AppendBinary(nil) // it never fails for what Valid names
	return minidump.Source{
		Architecture: minidump.AMD64, Memory: m.memory, Readable: physmem.NewRanges(available.Ranges()...),
		Redact: physmem.Ranges{{Start: secret, End: secret + 0x2000}},
		Bitmap: bytes.NewReader(bitmap), AMD64: paging,
		KernelBase: KernelBase, KernelEnd: KernelBase + 1<<30,
		DirectMapBase: DirectMapBase, DirectMapEnd: DirectMapBase + 1<<30,
		MessageBuffer: minidump.MessageBuffer{Content: ring, Positioned: true, Position: uint64(len(log))},
		NotesArea:     physmem.Range{Start: notes, End: end},
		Notes: minidump.Notes{
			HostName: "sample", Version: "sample 1.0", Panic: "page fault at 0xdead in ledger_add", BuildID: []byte("sample-1.0"),
			CPUs: []minidump.CPUNote{{Flags: minidump.CPUPanicked, Architecture: minidump.AMD64, State: encoded}},
		},
	}
}

const log = `sample 1.0: a made-up kernel on a made-up machine
memory: 16 MiB in 2 ranges
clerks: 4 are at work
ledger: 262144 entries
panic: page fault at 0xdead in ledger_add
cpu 0: handing over to the rescue kernel
`

// code is three functions, each of which calls the next: main, clerk and
// ledger_add, which reads what is not there.
func code() []byte {
	return []byte{
		0x55, 0x48, 0x89, 0xe5, 0xe8, 0x07, 0, 0, 0, 0x5d, 0xc3, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, // push rbp; mov rbp,rsp; call +0x10; pop rbp; ret
		0x55, 0x48, 0x89, 0xe5, 0xe8, 0x07, 0, 0, 0, 0x5d, 0xc3, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc,
		0x55, 0x48, 0x89, 0xe5, 0x90, 0x48, 0x8b, 0x07, 0x5d, 0xc3, // ...; mov rax,[rdi]; pop rbp; ret
	}
}

// frames are the frames of ledger_add, clerk and main.
func frames() []byte {
	var b []byte
	for _, word := range []uint64{
		stack + 0x20, KernelBase + 0x19, 0, 0, // ledger_add's, called by clerk
		stack + 0x40, KernelBase + 0x09, 0, 0, // clerk's, called by main
		0, 0,
	} {
		b = binary.LittleEndian.AppendUint64(b, word)
	}
	return b
}

// ledger is half a heap of entries that look like something.
func ledger() []byte {
	random := rand.New(rand.NewPCG(64, 995))
	clerks := []string{"anna", "bruno", "clara", "dario"}
	var b strings.Builder
	for entry := 0; b.Len() < 1<<20; entry++ {
		fmt.Fprintf(&b, "%06d %s %d;", entry, clerks[random.IntN(len(clerks))], random.IntN(1000))
	}
	return []byte(b.String()[:1<<20])
}
