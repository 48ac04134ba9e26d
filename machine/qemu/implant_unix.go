//go:build unix

package qemu

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// QEMU's GDB stub sets general and control registers, and loads a segment
// register's hidden part from whatever descriptor table the CPU has. It cannot
// set descriptor tables, task register, model specific and debug registers.
// On a CPU that has not run yet a few instructions in borrowed memory can:
//
//	a table with one code segment lies where GDTR points after reset, at 0
//	the stub turns on long mode with tables of our own, and enters the code
//	the code loads all of these registers, and then spins
//	the stub sets everything else; the hidden parts of segments come from
//	descriptors that our tables show where the new GDTR points
//	the borrowed memory gets back what it held

// Where the code sees the borrowed memory, and what is in it.
const (
	implantBase  uint64          = 0x7e00_0000_0000
	implantPages physmem.Address = 0x10000 // physical: RAM on every board
	implantSize                  = 64 * machine.PageSize
	implantCode                  = 0x0000 // first page: the code
	implantData                  = 0x0800 // what it loads
	implantFX                    = 0x0c00 // and the FXSAVE area
	implantGDT                   = 0x1000 // second page: the table at 0
	implantNext                  = 0x2000 // frames for page tables and descriptors

	// implantSelector is the code's segment, at the end of the page so that
	// no other selector is the same.
	implantSelector = 0xff8
)

var implantTime = 10 * time.Second

// implant gives a CPU that has not run yet what the stub cannot set.
func (m *guest) implant(p *process, cpu int, s *machine.AMD64State) (err error) {
	if m.ran || cpu != 0 || s.Activity != machine.Running {
		return fmt.Errorf("descriptor tables of a CPU that has run, or is not the first: %w", machine.ErrUnsupported)
	}
	borrowed := make([]byte, implantSize)
	if _, err := m.memory.ReadPhysical(borrowed, implantPages); err != nil {
		return err
	}
	defer func() {
		_, back := m.memory.WritePhysical(borrowed, implantPages)
		err = errors.Join(err, back)
	}()
	i := &implanting{memory: m.memory, next: implantPages + implantNext}
	if err := i.prepare(s); err != nil {
		return err
	}
	for _, r := range []struct {
		name  string
		value uint64
	}{
		{"efer", 0x900}, {"cr4", 0x620}, {"cr3", uint64(i.tables.Paging().Root)}, {"cr0", 0x80010033},
		{"cs", implantSelector}, {"rip", implantBase + implantCode},
	} {
		if err := m.set(p, r.name, r.value); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), implantTime)
	defer cancel()
	exit, err := m.RunTo(ctx, implantBase+implantCode+i.spin)
	if err != nil {
		return err
	}
	if exit.Reason != machine.Breakpoint {
		return fmt.Errorf("load descriptor tables: %v", exit)
	}
	if _, err := m.choose(cpu); err != nil {
		return err
	}
	return m.loadSegments(p, s)
}

// loadSegments has the stub load the segment registers, from the descriptors
// that the borrowed tables show.
func (m *guest) loadSegments(p *process, s *machine.AMD64State) error {
	for name, segment := range map[string]machine.Segment{"ds": s.DS, "es": s.ES, "fs": s.FS, "gs": s.GS, "ss": s.SS, "cs": s.CS} {
		if err := m.set(p, name, uint64(segment.Selector)); err != nil {
			return err
		}
	}
	return nil
}

// implanting makes code, tables and descriptors in the borrowed memory.
type implanting struct {
	memory physmem.Memory
	next   physmem.Address
	tables *amd64.Builder
	pages  map[uint64]physmem.Address // virtual pages of the new GDT that were made
	spin   uint64                     // offset of the code's last instruction
}

// AllocateTable implements amd64.Allocator.
func (i *implanting) AllocateTable(size uint64) (physmem.Address, error) {
	at := i.next.AlignUp(size)
	if at+physmem.Address(size) > implantPages+implantSize {
		return 0, fmt.Errorf("no borrowed memory left: %w", machine.ErrUnsupported)
	}
	i.next = at + physmem.Address(size)
	_, err := i.memory.WritePhysical(make([]byte, size), at)
	return at, err
}

func (i *implanting) prepare(s *machine.AMD64State) error {
	var err error
	if i.tables, err = amd64.NewBuilder(i.memory, i, amd64.Paging{}); err != nil {
		return err
	}
	i.tables.AllowWriteExecute = true
	i.pages = make(map[uint64]physmem.Address)
	code := physmem.Range{Start: implantPages, End: implantPages + machine.PageSize}
	if err := i.tables.Map(code, implantBase, amd64.Write|amd64.Execute, 0); err != nil {
		return err
	}
	table := physmem.Range{Start: implantPages + implantGDT, End: implantPages + implantGDT + machine.PageSize}
	if err := i.tables.Map(table, 0, amd64.Write, 0); err != nil {
		return err
	}
	page := make([]byte, machine.PageSize)
	binary.LittleEndian.PutUint64(page[implantSelector:], uint64(amd64.SegmentKernelCode))
	if _, err := i.memory.WritePhysical(page, table.Start); err != nil {
		return err
	}
	for _, segment := range []machine.Segment{s.CS, s.DS, s.ES, s.FS, s.GS, s.SS, s.TR, s.LDTR} {
		if err := i.descriptor(s.GDTR, segment); err != nil {
			return err
		}
	}
	return i.writeCode(s)
}

// descriptor writes a segment's descriptor to where the new table has it.
func (i *implanting) descriptor(table machine.DescriptorTable, segment machine.Segment) error {
	if segment.Selector&^3 == 0 {
		return nil
	}
	if segment.Selector&4 != 0 {
		return fmt.Errorf("selector %#x of a local table: %w", segment.Selector, machine.ErrUnsupported)
	}
	low, high := descriptorWords(segment)
	words := []uint64{low}
	if segment.Access&machine.AccessCodeData == 0 {
		words = append(words, high)
	}
	for n, w := range words {
		if err := i.word(table.Base+uint64(segment.Selector&^7)+8*uint64(n), w); err != nil {
			return err
		}
	}
	return nil
}

// word writes eight bytes to a virtual address of the new descriptor table.
func (i *implanting) word(va, w uint64) error {
	if va%8 != 0 {
		return fmt.Errorf("descriptor table at an odd address: %w", machine.ErrUnsupported)
	}
	page := va &^ (machine.PageSize - 1)
	frame, ok := i.pages[page]
	if !ok {
		var err error
		if frame, err = i.AllocateTable(machine.PageSize); err != nil {
			return err
		}
		r := physmem.Range{Start: frame, End: frame + machine.PageSize}
		if err := i.tables.Map(r, page, amd64.Write, 0); err != nil {
			return fmt.Errorf("descriptor table at %#x: %w", va, err)
		}
		i.pages[page] = frame
	}
	_, err := i.memory.WritePhysical(binary.LittleEndian.AppendUint64(nil, w), frame+physmem.Address(va-page))
	return err
}

// descriptorWords packs a segment (Intel SDM 3A 3.4.5; 7.2.3 for the second
// word of system segments). A busy task state segment becomes an available
// one, which LTR wants.
func descriptorWords(s machine.Segment) (low, high uint64) {
	limit, access := uint64(s.Limit), uint64(s.Access)
	if s.Access&machine.AccessPages != 0 {
		limit >>= 12
	}
	const busyTSS, availableTSS = 0xb, 0x9
	if s.Access&(machine.AccessCodeData|machine.AccessTypeMask) == busyTSS {
		access = access&^0xf | availableTSS
	}
	low = limit&0xffff | limit>>16&0xf<<48 | s.Base&0xffffff<<16 | s.Base>>24&0xff<<56 | access&0xf0ff<<40
	return low, s.Base >> 32
}
