package main

import (
	"cmp"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/reserve"
)

const elfTypeCore = uint16(elf.ET_CORE)

// maxFound is how many reservations are looked into. A machine has two, a file
// made to annoy one in every page.
const maxFound = 16

// fileMemory is a machine's memory in a file.
type fileMemory struct {
	*physmem.File
	where physmem.Ranges // what may be other than zero
	raw   bool
}

// found is a block in a file.
type found struct {
	address physmem.Address
	memory  physmem.Reader
}

// rawMemory takes offsets for physical addresses.
func rawMemory(in input) fileMemory {
	all := physmem.Range{End: physmem.Address(in.size)}
	memory, err := physmem.NewFile(in, physmem.FileExtent{Range: all})
	if err != nil { // larger than any physical memory
		return fileMemory{raw: true}
	}
	return fileMemory{memory, dataRanges(in), true}
}

// dataRanges is where a file has data, in whole pages. A file system that
// cannot tell has it everywhere.
func dataRanges(in input) physmem.Ranges {
	all := physmem.Ranges{{End: physmem.Address(in.size)}}
	if in.data == nil {
		return all
	}
	var list []physmem.Range
	for at := int64(0); at < in.size; {
		start, end, err := in.data.NextData(at)
		if errors.Is(err, io.EOF) || err == nil && start >= in.size {
			break
		}
		if err != nil || end <= at {
			return all
		}
		list = append(list, physmem.Range{Start: physmem.Address(start), End: physmem.Address(min(end, in.size))}.AlignOutward(handoff.PageSize))
		at = end
	}
	return physmem.NewRanges(list...).Intersect(all)
}

// coreMemory is the memory of an ELF core with physical addresses, as QEMU's
// dump-guest-memory, Linux's kdump and dumper convert write it. Of segments
// that overlap the lowest counts.
func coreMemory(in input) (fileMemory, error) {
	file, err := elf.NewFile(in)
	if err != nil {
		return fileMemory{}, fmt.Errorf("%w: %w", errNotOurs, err)
	}
	slices.SortStableFunc(file.Progs, func(a, b *elf.Prog) int { return cmp.Compare(a.Paddr, b.Paddr) })
	var extents []physmem.FileExtent
	var list []physmem.Range
	end := physmem.Address(0)
	for _, s := range file.Progs {
		r, ok := physmem.NewRange(physmem.Address(s.Paddr), s.Filesz)
		if s.Type != elf.PT_LOAD || !ok || r.IsEmpty() || r.Start < end {
			continue
		}
		end = r.End
		extents, list = append(extents, physmem.FileExtent{Range: r, Offset: int64(s.Off)}), append(list, r)
	}
	memory, err := physmem.NewFile(in, extents...)
	if err != nil {
		return fileMemory{}, fmt.Errorf("%w: %w", errNotOurs, err)
	}
	return fileMemory{File: memory, where: physmem.NewRanges(list...)}, nil
}

// addMemory adds the facts of every block in a memory.
func (f *inspection) addMemory(in input, memory fileMemory) error {
	f.Kind = kindMemory
	if memory.File == nil {
		return errNotOurs
	}
	rescue := false
	for _, address := range reserve.Search(memory, memory.where) {
		if len(f.Reservations) == maxFound {
			f.Omitted++
			continue
		}
		fact, err := gatherReservation(found{address, memory})
		if err != nil {
			return err
		}
		fact.FileOffset = -1
		if memory.raw {
			fact.FileOffset = int64(address)
		}
		f.Reservations = append(f.Reservations, fact)
		rescue = rescue || fact.Role == handoff.RoleRescue.String()
	}
	if memory.raw && !rescue {
		f.addMoved(in, memory.where)
	}
	if len(f.Reservations) == 0 {
		return errNotOurs
	}
	return nil
}

// addMoved looks in a raw file for blocks that lie at another offset than their
// physical address: a reservation in a file of its own, or RAM behind a gap for
// devices that the file does not have. A host's heap may still hold a copy of
// a block; behind that lies no panic area.
func (f *inspection) addMoved(in input, where physmem.Ranges) {
	var start [8]byte
	for _, r := range where.AlignOutward(handoff.PageSize) {
		for at := r.Start; at < r.End; at += handoff.PageSize {
			if n, _ := in.ReadAt(start[:], int64(at)); n < len(start) || binary.LittleEndian.Uint64(start[:]) != handoff.Magic {
				continue
			}
			if len(f.Reservations) == maxFound {
				return
			}
			f.addMovedAt(in, int64(at))
		}
	}
}

func (f *inspection) addMovedAt(in input, offset int64) {
	header := make([]byte, handoff.HeaderLength)
	if _, err := in.ReadAt(header, offset); err != nil && !errors.Is(err, io.EOF) {
		return
	}
	length, err := handoff.Length(header)
	if err != nil || length > handoff.MaxBlockLength {
		return
	}
	data := make([]byte, length)
	if n, _ := in.ReadAt(data, offset); n < len(data) {
		return
	}
	block, err := handoff.Parse(data)
	if err != nil || block.Reservation.Start == physmem.Address(offset) {
		return // the last was found before
	}
	have := min(uint64(in.size-offset), block.Reservation.Size())
	memory, err := physmem.NewFile(in, physmem.FileExtent{
		Range: physmem.Range{Start: block.Reservation.Start, End: block.Reservation.Start + physmem.Address(have)}, Offset: offset,
	})
	if err != nil {
		return
	}
	fact, err := gatherReservation(found{block.Reservation.Start, memory})
	if err != nil || offset != 0 && block.Role == handoff.RoleRescue && fact.Panic == nil {
		return
	}
	fact.FileOffset = offset
	if offset == 0 {
		f.Kind = kindReservation
		if !fact.Complete {
			f.Kind = kindBlock
		}
	}
	f.Reservations = append(f.Reservations, fact)
}
