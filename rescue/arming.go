package rescue

import (
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/reserve"
)

// arming is one call of Arm.
type arming struct {
	Config
	before handoff.PanicHandler // in force until this one is
	// The arming before: its records go on.
	records *record.Area
	adopted record.Adopted
	facts   handoff.HostFacts
	memory  physmem.Memory
	undo    []func() error

	held           physmem.Range // Ramoops.Region, if the arming before has it
	zone, zoneSize uintptr       // of ramoops, as the host sees it
}

// run arms, or leaves the host as it was.
func (a *arming) run() (*Armed, error) {
	if a.Platform == nil || a.Image == nil {
		return nil, fmt.Errorf("arm: platform and image are required: %w", ErrConfig)
	}
	armed, err := a.arm()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("arm: %w", err), a.unwind())
	}
	return armed, nil
}

// unwind undoes what was done, last first, up to what cannot be undone: memory
// that is still mapped or read-only must not be used again.
func (a *arming) unwind() error {
	for i := len(a.undo) - 1; i >= 0; i-- {
		if err := a.undo[i](); err != nil {
			return fmt.Errorf("undo: %w", err)
		}
	}
	return nil
}

func (a *arming) arm() (*Armed, error) {
	request, err := a.request()
	if err != nil {
		return nil, err
	}
	if err := a.Platform.Reserve(request.Reservation); err != nil {
		return nil, err
	}
	a.undo = append(a.undo, func() error { return a.Platform.Release(request.Reservation) })
	if err := a.openRamoops(); err != nil {
		return nil, err
	}
	plan, err := reserve.New(a.memory, request)
	if err != nil {
		return nil, err
	}
	if earlier := plan.Earlier(); earlier != nil && a.Earlier != nil {
		if err := a.Earlier(earlier); err != nil {
			return nil, fmt.Errorf("what an earlier boot left at %v: %w", request.Reservation, err)
		}
	}
	armed := &Armed{platform: a.Platform, block: plan.Block(), report: plan.Report(), ramoops: a.Ramoops.Region}
	records, adopted, err := a.makeRecords(plan.Earlier(), a.recordsSize())
	if err != nil {
		return nil, err
	}
	if err := plan.SetRecords(records); err != nil {
		return nil, err
	}
	if err := plan.Populate(a.memory); err != nil {
		return nil, err
	}
	if armed.handler, err = a.handler(&armed.block); err != nil {
		return nil, err
	}
	if err := a.writeOrders(&armed.block, armed.handler.Block); err != nil {
		return nil, err
	}
	if armed.records, err = openRecords(a.memory, &armed.block); err != nil {
		return nil, err
	}
	armed.adopted = adopted
	if err := a.close(&armed.block); err != nil {
		return nil, err
	}
	if err := a.Platform.OnPanic(armed.handler); err != nil {
		return nil, err
	}
	// From here on the arming is in force.
	if !a.ImageRange.IsEmpty() {
		if err := a.Platform.Release(a.ImageRange); err != nil {
			a.undo = append(a.undo, func() error { return a.Platform.OnPanic(a.before) })
			return nil, fmt.Errorf("give the image's copy back: %w", err)
		}
	}
	return armed, nil
}

// request collects what the plan is made of.
func (a *arming) request() (reserve.Request, error) {
	var err error
	if a.facts, err = a.Platform.Facts(); err != nil {
		return reserve.Request{}, fmt.Errorf("facts of the host: %w", err)
	}
	if a.memory, err = a.Platform.Memory(); err != nil {
		return reserve.Request{}, fmt.Errorf("memory of the host: %w", err)
	}
	image, err := reserve.OpenImage(a.Image)
	if err != nil {
		return reserve.Request{}, err
	}
	if err := a.checkHost(image); err != nil {
		return reserve.Request{}, err
	}
	if _, err := a.ramoopsZones(); err != nil {
		return reserve.Request{}, err
	}
	ram := a.facts.Map.RAM()
	if a.Place.Size == 0 {
		a.Place.Size = reserve.LeastSize(ram.Size())
	}
	place, err := reserve.Find(a.facts.Map, a.facts.Used.Union(handoff.InterruptMemory(a.facts.Interrupts)).Union(physmem.NewRanges(a.Ramoops.Region)), a.Place)
	if err != nil {
		return reserve.Request{}, err
	}
	allowed := a.Allowed
	if allowed == nil {
		allowed = handoff.DefaultAllowed()
	}
	settings, err := a.variables()
	if err != nil {
		return reserve.Request{}, err
	}
	environment, err := a.Environment.Restrict(append(settings, a.Settings...), allowed)
	if err != nil {
		return reserve.Request{}, fmt.Errorf("environment: %w", err)
	}
	firmware, err := a.firmware(place)
	if err != nil {
		return reserve.Request{}, err
	}
	targets, err := a.checkTargets()
	if err != nil {
		return reserve.Request{}, err
	}
	f := &a.facts
	return reserve.Request{
		Reservation: place, Image: image, Memory: ram, Host: f.Host,
		DumpAvail: f.DumpAvail, Bitmap: f.Bitmap, MessageBuffer: f.MessageBuffer,
		Redactions: a.Redact, Targets: targets, PCI: a.PCI, Environment: environment, Firmware: firmware,
		CPUs: max(int(f.Host.CPUs), a.CPUs), RecordsSize: a.recordsSize(), PagingLevels: f.PagingLevels, GigabytePages: f.GigabytePages,
		Calls: f.Calls, Interrupts: f.Interrupts, Clock: f.Clock, Seed: f.Seed, Limits: a.Limits,
	}, nil
}

// checkHost refuses a host that the image or the trampoline cannot leave.
func (a *arming) checkHost(image *reserve.Image) error {
	f := &a.facts
	if image.Architecture != f.Architecture {
		return fmt.Errorf("the image is for %v, the host is %v: %w", image.Architecture, f.Architecture, ErrHost)
	}
	if f.Architecture == handoff.AMD64 && f.PagingLevels != 4 && f.PagingLevels != 5 {
		return fmt.Errorf("page tables of %d levels: %w", f.PagingLevels, ErrHost)
	}
	for _, r := range f.Map.RAM() {
		if uint64(r.End) > handoff.DirectMapLimit {
			return fmt.Errorf("memory %v reaches beyond %#x, the end of the direct map: %w", r, handoff.DirectMapLimit, ErrHost)
		}
	}
	return nil
}

// close takes the reservation away from the host, but for the pages that a
// panic is written to.
func (a *arming) close(block *handoff.Block) error {
	trampoline, ram := block.Range(handoff.PartTrampoline), block.Range(handoff.PartTrampolineRAM)
	for _, m := range []struct {
		r          physmem.Range
		executable bool
	}{{trampoline, true}, {ram, false}} {
		if err := a.Platform.MapIdentity(m.r, m.executable); err != nil {
			return err
		}
		a.undo = append(a.undo, func() error { return a.Platform.UnmapIdentity(m.r) })
	}
	a.undo = append(a.undo, func() error { return a.Platform.Protect(block.Reservation, true) })
	for _, r := range readOnly(block) {
		if err := a.Platform.Protect(r, false); err != nil {
			return err
		}
	}
	return nil
}

// readOnly is what of the reservation the host must not write once it is
// armed.
func readOnly(block *handoff.Block) physmem.Ranges {
	var writable []physmem.Range
	for part, extent := range block.Parts {
		if extent.Size != 0 && extent.Access&handoff.AccessHostWrite != 0 {
			writable = append(writable, block.Range(handoff.Part(part)))
		}
	}
	return physmem.NewRanges(block.Reservation).Minus(physmem.NewRanges(writable...))
}

// handler is what the host's kernel is told to do at a panic.
func (a *arming) handler(block *handoff.Block) (handoff.PanicHandler, error) {
	at, err := a.Platform.VirtualAddress(block.Reservation)
	if err != nil {
		return handoff.PanicHandler{}, err
	}
	stacks := block.Range(handoff.PartISTStacks)
	third := physmem.Address(stacks.Size() / reserve.ISTStacks / max(uint64(block.CPUs), 1)).AlignDown(handoff.PageSize)
	others := physmem.Range{Start: stacks.Start + reserve.ISTStacks*third, End: stacks.End}
	stack := func(n physmem.Address) physmem.Range {
		return physmem.Range{Start: stacks.Start + n*third, End: stacks.Start + (n+1)*third}
	}
	return handoff.PanicHandler{
		Run: panicRoutine(), Block: at, PanicArea: at + uintptr(block.Parts[handoff.PartPanicArea].Offset),
		Stack: block.Range(handoff.PartPanicStack), NMIStack: stack(0), DoubleFaultStack: stack(1), MachineCheckStack: stack(2),
		OtherStacks: others, OtherStackSize: uint64(reserve.ISTStacks * third),
		NMI: a.NMI,
	}, nil
}
