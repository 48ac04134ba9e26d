package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/reserve"
)

// gatherBlock tells what a block says.
func gatherBlock(b *handoff.Block) reservationFact {
	f := reservationFact{
		Range: newRange(b.Reservation), FileOffset: -1, Role: b.Role.String(), Architecture: b.Architecture.String(),
		Version: fmt.Sprintf("%d.%d", handoff.VersionMajor, b.Minor), Complete: true,
		Problems: []string{}, Parts: []partFact{}, Seals: []sealFact{}, Broken: []string{}, Targets: []targetFact{}, Environment: map[string]string{},
		Image: newLayout(b.Image), FreezePoint: hexadecimal(at(b, b.TrampolineEntry)), Root4: hexadecimal(at(b, b.Tables.Root4)),
		PagingLevels: b.PagingLevels, Limits: limitsFact{b.Limits.Memory, b.Limits.GCPercent, b.Limits.ZstdWindow},
		Memory: newRanges(b.Memory), MemorySize: physmem.NewRanges(b.Memory...).Size(), Redactions: newRanges(b.Redactions),
		Interrupts: newInterrupts(b.Interrupts), PCI: newPCI(b.PCI), Firmware: newFirmware(b.Firmware),
	}
	if b.Tables.Root5 != 0 {
		f.Root5 = hexadecimal(at(b, b.Tables.Root5))
	}
	for part, e := range b.Parts {
		if e.Size != 0 {
			f.Parts = append(f.Parts, partFact{
				Name: handoff.Part(part).String(), Offset: hexadecimal(e.Offset), Start: hexadecimal(at(b, e.Offset)),
				Size: e.Size, Used: e.Used(), Access: e.Access.String(), Seal: sealNone,
			})
		}
	}
	slices.SortFunc(f.Parts, func(a, b partFact) int { return cmp.Compare(a.Offset, b.Offset) })
	for _, t := range b.Targets {
		f.Targets = append(f.Targets, newTarget(t))
	}
	if b.Role == handoff.RoleHost {
		f.Boot = &bootFact{Protocol: "none"}
		return f
	}
	h := b.Host
	f.Host = &hostFact{
		Name: h.Name, Version: h.Version, BuildID: h.BuildID, PageSize: h.PageSize, CPUs: h.CPUs,
		KernelBase: hexadecimal(h.KernelBase), KernelEnd: hexadecimal(h.KernelEnd), DirectMap: hexadecimal(h.DirectMapBase), DirectMapEnd: hexadecimal(h.DirectMapEnd),
		Bitmap: newRegion(b.Bitmap), DumpAvail: newRegion(b.DumpAvail), MessageBuffer: newRegion(b.MessageBuffer),
	}
	f.addSeals(b)
	return f
}

func at(b *handoff.Block, offset uint64) physmem.Address { return b.At(offset, 0).Start }

// addSeals lists the seals of both stages, not yet checked.
func (f *reservationFact) addSeals(b *handoff.Block) {
	for _, s := range b.Seals {
		f.Seals = append(f.Seals, sealFact{Stage: 1, Part: s.Part.String(), Name: s.Part.String(), Verdict: sealUnknown, Want: fmt.Sprintf("%08x", s.CRC)})
	}
	for _, d := range b.Digests {
		f.Seals = append(f.Seals, sealFact{Stage: 2, Part: d.Part.String(), Name: d.Kind.String(), Verdict: sealUnknown, Want: fmt.Sprintf("%x", d.SHA256)})
	}
}

// gatherReservation tells all about a block that was found and what lies around
// it, as far as the file has it.
func gatherReservation(in found) (reservationFact, error) {
	header := make([]byte, handoff.HeaderLength)
	if _, err := in.memory.ReadPhysical(header, in.address); err != nil {
		return reservationFact{}, err
	}
	length, err := handoff.Length(header)
	if err != nil {
		return reservationFact{}, err
	}
	data := make([]byte, min(length, handoff.MaxBlockLength))
	if _, err := in.memory.ReadPhysical(data, in.address); err != nil {
		return reservationFact{}, err
	}
	block, err := handoff.Parse(data)
	if err != nil {
		return reservationFact{}, err
	}
	f := gatherBlock(block)
	if block.Role == handoff.RoleHost {
		f.gatherBoot(in.memory, block)
		return f, nil
	}
	r, err := reserve.Open(in.memory, in.address, reserve.StageBoth)
	var broken *reserve.BrokenError
	if err != nil && !errors.As(err, &broken) {
		f.problem("seals", err)
		r = &reserve.Reservation{Block: block} // what can be read is read below
	}
	f.gatherParts(in.memory, block)
	if f.Complete {
		f.judge(broken)
		f.readFirmware(r)
		environment, err := r.Environment()
		if err != nil {
			f.problem("environment", err)
		}
		for _, v := range environment {
			f.Environment[v.Name] = v.Value
		}
	}
	return f, nil
}

// problem notes why something could not be told. What the file does not have is
// said once.
func (f *reservationFact) problem(what string, err error) {
	if errors.Is(err, physmem.ErrOutside) || errors.Is(err, io.ErrUnexpectedEOF) {
		if f.Complete {
			f.Complete = false
			f.Problems = append(f.Problems, fmt.Sprintf("the file does not have all of the reservation: %v", err))
		}
		return
	}
	f.Problems = append(f.Problems, fmt.Sprintf("%s: %v", what, err))
}

// gatherParts reads the panic area and the image's build id.
func (f *reservationFact) gatherParts(memory physmem.Reader, b *handoff.Block) {
	area := b.Range(handoff.PartPanicArea)
	data := make([]byte, min(area.Size(), handoff.PanicAreaSize(int(min(b.CPUs, handoff.MaxCPUs)))))
	if _, err := memory.ReadPhysical(data, area.Start); err != nil {
		f.problem("panic area", err)
	} else if parsed, err := handoff.ParsePanicArea(data); err != nil {
		f.problem("panic area", err)
	} else {
		f.Panic = gatherPanic(b, parsed)
	}
	f.gatherImage(memory, b)
}

// gatherImage reads the build id, which lies on the image's first page.
func (f *reservationFact) gatherImage(memory physmem.Reader, b *handoff.Block) {
	image := b.Range(handoff.PartImage)
	if image.Size() > reserve.MaxImageSize {
		return
	}
	data := make([]byte, min(image.Size(), handoff.PageSize))
	if _, err := memory.ReadPhysical(data, image.Start); err == nil {
		f.Image.setBuild(data)
	}
}

// gatherBoot reads who booted a host image.
func (f *reservationFact) gatherBoot(memory physmem.Reader, b *handoff.Block) {
	f.gatherImage(memory, b)
	area := make([]byte, handoff.BootOffsetTime)
	if _, err := memory.ReadPhysical(area, b.Range(handoff.PartPanicArea).Start); err != nil {
		return
	}
	names := map[handoff.BootProtocol]string{
		handoff.BootNone: "none", handoff.BootLinux: "linux64", handoff.BootPVH: "pvh", handoff.BootFDT: "fdt", handoff.BootEFI: "efi",
	}
	protocol := handoff.BootProtocol(little32(area[handoff.BootOffsetProtocol:]))
	name, ok := names[protocol]
	if !ok {
		name = fmt.Sprint(uint32(protocol))
	}
	f.Boot = &bootFact{name, hexadecimal(little64(area[handoff.BootOffsetPointer:]))}
}

// judge gives each seal its verdict. broken is what reserve found.
func (f *reservationFact) judge(broken *reserve.BrokenError) {
	ran := f.Panic != nil && f.Panic.ran()
	for i := range f.Seals {
		f.Seals[i].Verdict = sealHolds
	}
	if broken != nil {
		f.judgeBroken(broken, ran)
	}
	rank := map[string]int{sealNone: 0, sealHolds: 1, sealChanged: 2, sealBroken: 3}
	for _, s := range f.Seals {
		for i := range f.Parts {
			if p := &f.Parts[i]; p.Name == s.Part && rank[s.Verdict] > rank[p.Seal] {
				p.Seal = s.Verdict
			}
		}
	}
}

func (f *reservationFact) judgeBroken(broken *reserve.BrokenError, ran bool) {
	for _, b := range broken.Seals {
		for i := range f.Seals {
			s := &f.Seals[i]
			if (s.Stage == 1) != (b.Stage == reserve.StageFirst) || s.Name != b.Name || s.Want != b.Want {
				continue
			}
			s.Got, s.Verdict = b.Got, sealBroken
			if ran && s.Stage == 1 {
				s.Verdict = sealChanged
				continue
			}
			f.Broken = append(f.Broken, b.Name)
			break
		}
	}
}
