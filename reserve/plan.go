package reserve

import (
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Plan is a reservation laid out and filled in, not yet written. It holds the
// contents of all sealed parts, about the size of the image.
type Plan struct {
	earlier *Earlier
	block   handoff.Block
	report  Report
	// content is what each part begins with; the rest of a part is zeros.
	content [handoff.MaxParts][]byte
}

// layoutOrder is the order of the parts in a reservation. What the rescue
// program may use up comes last.
var layoutOrder = [...]handoff.Part{
	handoff.PartBlock, handoff.PartPanicArea, handoff.PartRecords, handoff.PartTrampoline,
	handoff.PartTrampolineRAM, handoff.PartTables, handoff.PartEntryStack, handoff.PartPanicStack,
	handoff.PartISTStacks, handoff.PartEnvironment, handoff.PartMetadata, handoff.PartImage,
	handoff.PartBitmap, handoff.PartIndex, handoff.PartProgram,
}

const (
	hostWrites = handoff.AccessWrite | handoff.AccessHostWrite
	identity   = handoff.AccessIdentity | handoff.AccessSupervisor
)

// access of each part; the image's is that of its segments.
var access = [handoff.MaxParts]handoff.Access{
	handoff.PartPanicArea:     hostWrites,
	handoff.PartRecords:       hostWrites,
	handoff.PartTrampoline:    handoff.AccessExecute | identity,
	handoff.PartTrampolineRAM: handoff.AccessWrite | identity,
	handoff.PartTables:        handoff.AccessWrite,
	handoff.PartEntryStack:    handoff.AccessWrite,
	handoff.PartPanicStack:    hostWrites,
	handoff.PartISTStacks:     hostWrites,
	handoff.PartBitmap:        handoff.AccessWrite,
	handoff.PartIndex:         handoff.AccessWrite,
	handoff.PartProgram:       handoff.AccessWrite,
}

// New plans a reservation. It first looks whether an earlier boot left a valid
// one at the same place in memory (Plan.Earlier); nothing is written. The
// same request gives the same plan. All that can be wrong with a request is
// found here; a reservation that is too small is a *TooSmallError.
func New(memory physmem.Reader, request Request) (*Plan, error) {
	earlier, err := findEarlier(memory, request.Reservation.Start)
	if err != nil {
		return nil, fmt.Errorf("plan reservation %v: %w", request.Reservation, err)
	}
	p := &planner{Request: request.withDefaults(), plan: &Plan{earlier: earlier}}
	for _, step := range []func() error{
		p.check, p.gather, p.layOut, p.describe, p.build, p.seal,
	} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("plan reservation %v: %w", request.Reservation, err)
		}
	}
	return p.plan, nil
}

// Earlier is what an earlier boot left, nil if nothing. Populate overwrites it.
func (p *Plan) Earlier() *Earlier { return p.earlier }

// SetRecords sets what the records area begins with, instead of the request's.
// Only now is it known what an earlier boot left.
func (p *Plan) SetRecords(records []byte) error {
	if size := p.block.Parts[handoff.PartRecords].Size; uint64(len(records)) > size {
		return fmt.Errorf("%d bytes of records in an area of %d", len(records), size)
	}
	p.content[handoff.PartRecords] = records
	return nil
}

// Block is a copy of the plan's hand-off block.
func (p *Plan) Block() handoff.Block { return p.block }

// Report says what the plan costs.
func (p *Plan) Report() Report { return p.report }

// planner is a plan on its way.
type planner struct {
	Request
	plan   *Plan
	memory physmem.Ranges // what is handed over
	tables uint64         // bytes
}

// check looks at the request's own values.
func (p *planner) check() error {
	r := p.Reservation
	switch {
	case r.IsEmpty() || !r.Start.IsAligned(handoff.PageSize) || !r.End.IsAligned(handoff.PageSize):
		return errors.New("it is empty or not in whole pages")
	case r.Start == 0:
		return errors.New("page 0 cannot be part of it: the trampoline is mapped at its physical address")
	case uint64(r.End) > handoff.DirectMapLimit:
		return fmt.Errorf("it lies beyond the direct map's %#x bytes", handoff.DirectMapLimit)
	case p.Image == nil:
		return errors.New("there is no image")
	case p.CPUs > handoff.MaxCPUs:
		return fmt.Errorf("%d CPUs, at most %d", p.CPUs, handoff.MaxCPUs)
	case p.PagingLevels != 4 && p.PagingLevels != 5:
		return fmt.Errorf("%d levels of page tables, want 4 or 5", p.PagingLevels)
	}
	for name, v := range map[string]uint64{"records": p.RecordsSize, "panic stack": p.PanicStackSize, "IST stack": p.ISTStackSize} {
		if v%handoff.PageSize != 0 || v > maxRecords {
			return fmt.Errorf("%s of %#x bytes: not in whole pages, or above %#x", name, v, maxRecords)
		}
	}
	if uint64(len(p.Records)) > p.RecordsSize {
		return fmt.Errorf("%d bytes of records in an area of %d", len(p.Records), p.RecordsSize)
	}
	if tables := handoff.InterruptMemory(p.Interrupts); tables.Overlaps(r) {
		return fmt.Errorf("an interrupt controller writes to tables in it, %v", tables.Intersect(physmem.Ranges{r}))
	}
	p.memory = physmem.NewRanges(p.Memory...).Minus(physmem.NewRanges(r)).AlignInward(handoff.PageSize)
	if p.memory.IsEmpty() {
		return errors.New("the host has no memory to dump from")
	}
	if end := p.memory.Bounds().End; uint64(end) > handoff.DirectMapLimit {
		return fmt.Errorf("the host has memory up to %v, the direct map ends at %#x", end, handoff.DirectMapLimit)
	}
	return nil
}

// gather makes the contents that do not depend on where they will lie.
func (p *planner) gather() error {
	content := &p.plan.content
	var err error
	if content[handoff.PartImage], err = p.Image.Bytes(); err != nil {
		return err
	}
	if content[handoff.PartEnvironment], err = p.Environment.AppendBinary(nil); err != nil {
		return err
	}
	if content[handoff.PartPanicArea], err = handoff.AppendPanicArea(nil, p.CPUs); err != nil {
		return err
	}
	content[handoff.PartRecords] = p.Records
	for i, f := range p.Firmware {
		if uint64(len(f.Data)) > maxMetadata-uint64(len(content[handoff.PartMetadata])) {
			return fmt.Errorf("firmware table %d of %d bytes: more than %d bytes of metadata", i, len(f.Data), maxMetadata)
		}
		content[handoff.PartMetadata] = append(content[handoff.PartMetadata], align16(f.Data)...)
	}
	return nil
}

// align16 pads data so that what follows is aligned.
func align16(data []byte) []byte {
	return append(data[:len(data):len(data)], make([]byte, -len(data)&15)...)
}

// Populate writes the plan to memory and reads it back. The block's header goes
// first to zeros and is written last: a reservation that was interrupted is not
// a valid one. A seal that does not hold afterwards is a *BrokenError, bad
// memory most likely.
func (p *Plan) Populate(memory physmem.Memory) error {
	if err := p.populate(memory); err != nil {
		return fmt.Errorf("populate reservation %v: %w", p.block.Reservation, err)
	}
	return nil
}

func (p *Plan) populate(memory physmem.Memory) error {
	base := p.block.Reservation.Start
	block := p.content[handoff.PartBlock]
	if err := write(memory, base, nil, handoff.HeaderLength); err != nil {
		return err
	}
	for _, part := range layoutOrder[1:] {
		e := p.block.Parts[part]
		if err := write(memory, base+physmem.Address(e.Offset), p.content[part], e.Size); err != nil {
			return fmt.Errorf("%v: %w", part, err)
		}
	}
	sections := block[handoff.HeaderLength:]
	if err := write(memory, base+handoff.HeaderLength, sections, uint64(len(sections))); err != nil {
		return err
	}
	if err := write(memory, base, block[:handoff.HeaderLength], handoff.HeaderLength); err != nil {
		return err
	}
	_, err := Open(memory, base, StageBoth)
	return err
}

// write writes content and then zeros, length bytes in all.
func write(memory physmem.Writer, at physmem.Address, content []byte, length uint64) error {
	if len(content) > 0 {
		if _, err := memory.WritePhysical(content, at); err != nil {
			return err
		}
	}
	var zeros [16 << 10]byte
	for done := uint64(len(content)); done < length; {
		n := min(length-done, uint64(len(zeros)))
		if _, err := memory.WritePhysical(zeros[:n], at+physmem.Address(done)); err != nil {
			return err
		}
		done += n
	}
	return nil
}
