package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// showInspection prints what a file is.
func (p *program) showInspection(f *inspection) {
	p.printf("%s: %s of %s\n", printable(f.File), f.title(), size(f.Size))
	if f.Image != nil {
		p.printf("\n")
		p.showImage(f.Image)
	}
	for i := range f.Reservations {
		p.printf("\n")
		p.showReservation(&f.Reservations[i])
	}
	if f.Omitted > 0 {
		p.printf("\nand %d more\n", f.Omitted)
	}
}

func (f *inspection) title() string {
	switch f.Kind {
	case kindImage:
		return "image for package kernel, a file"
	case kindBootImage:
		return "boot image, a file"
	case kindReservation:
		return "reservation, a file"
	case kindBlock:
		return "hand-off block, a file"
	}
	return "memory, a file"
}

func (p *program) showImage(f *imageFact) {
	symbols := "with symbols"
	if f.Stripped {
		symbols = "stripped"
	}
	list := []field{
		{"image", f.Architecture + ", " + symbols},
		{"build id", printable(f.GoBuildID)},
		{"", f.BuildID + " (GNU)"},
		{"entry", fmt.Sprintf("%#x %s", uint64(f.Entry), printable(f.EntrySymbol))},
	}
	for i, s := range f.Segments {
		name := "segments"
		if i > 0 {
			name = ""
		}
		text := fmt.Sprintf("[%#x, %#x) %s %s", uint64(s.Start), uint64(s.End), s.Access, size(int64(s.File)))
		if s.Memory > s.File {
			text += fmt.Sprintf(", %s in memory", size(int64(s.Memory)))
		}
		list = append(list, field{name, text})
	}
	list = append(list, field{"loaded", fmt.Sprintf("%s, %s with its zero pages", size(int64(f.Loaded)), size(int64(f.Memory)))})
	if f.Least > 0 {
		list = append(list, field{"reservation", fmt.Sprintf("at least %s in a host of %s; %s for the program",
			size(int64(f.Least)), size(int64(f.HostMemory)), size(int64(f.Limit)))})
	}
	p.fields(list)
}

func (p *program) showReservation(f *reservationFact) {
	list := []field{{f.Role, fmt.Sprintf("%v %s, %s, ABI %s", physical(f.Range), size(int64(f.Range.End-f.Range.Start)), f.Architecture, f.Version)}}
	if f.FileOffset >= 0 && f.FileOffset != int64(f.Range.Start) {
		list = append(list, field{"in the file", fmt.Sprintf("at offset %#x", f.FileOffset)})
	}
	list = append(list, field{"image", fmt.Sprintf("entry %#x, pages [%#x, %#x)", uint64(f.Image.Entry), uint64(f.Image.LinkBase), uint64(f.Image.MemoryEnd))})
	if f.Image.GoBuildID != "" {
		list = append(list, field{"build id", printable(f.Image.GoBuildID)})
	}
	if f.Boot != nil && f.Boot.Pointer != 0 {
		list = append(list, field{"booted by", fmt.Sprintf("%s, what it handed over is at %#x", f.Boot.Protocol, uint64(f.Boot.Pointer))})
	}
	list = append(list, f.hostLines()...)
	for _, problem := range f.Problems {
		list = append(list, field{"problem", printable(problem)})
	}
	p.fields(list)
	p.printf("\n")
	p.showParts(f.Parts)
	if f.Panic != nil {
		p.printf("\n")
		p.showPanic(f.Panic)
	}
}

func physical(r rangeFact) physmem.Range {
	return physmem.Range{Start: physmem.Address(r.Start), End: physmem.Address(r.End)}
}

// hostLines are what a rescue program's block says of its host and itself.
func (f *reservationFact) hostLines() []field {
	if f.Host == nil {
		return nil
	}
	h := f.Host
	list := []field{
		{"freeze point", fmt.Sprintf("%#x", uint64(f.FreezePoint))},
		{"host", fmt.Sprintf("%s %s, %s in %s, %s", printable(h.Name), printable(h.Version), size(int64(f.MemorySize)), plural(len(f.Memory), "range"), plural(uint64(h.CPUs), "CPU"))},
	}
	if h.BuildID != "" {
		list = append(list, field{"host build", printable(h.BuildID)})
	}
	list = append(list,
		field{"limits", fmt.Sprintf("memory %s, GOGC %d, zstd window %s", size(int64(f.Limits.Memory)), f.Limits.GCPercent, size(int64(f.Limits.ZstdWindow)))},
		field{"targets", f.targetLine()})
	if len(f.Interrupts) > 0 {
		list = append(list, field{"interrupts", f.interruptLine()})
	}
	list = append(list, f.firmwareLines()...)
	list = append(list,
		field{"environment", f.environmentLine()})
	return append(list, field{"seals", f.sealLine()})
}

func (f *reservationFact) targetLine() string {
	var texts []string
	for _, t := range f.Targets {
		texts = append(texts, fmt.Sprintf("%s %s %#x, %s at %#x", t.Kind, t.Bus, uint64(t.Address), size(int64(t.Length)), t.Start))
	}
	if len(texts) == 0 {
		return "none"
	}
	return strings.Join(texts, "; ")
}

// interruptLine sums up the tables: those that lie in one place, once.
func (f *reservationFact) interruptLine() string {
	var texts []string
	for _, t := range f.Interrupts {
		text := fmt.Sprintf("%s %v", t.Kind, physical(t.Memory))
		if !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	return strings.Join(texts, "; ")
}

func (f *reservationFact) environmentLine() string {
	if !f.Complete {
		return "not in this file"
	}
	var texts []string
	for _, name := range slices.Sorted(maps.Keys(f.Environment)) {
		texts = append(texts, name+"="+f.Environment[name])
	}
	if len(texts) == 0 {
		return "empty"
	}
	return printable(strings.Join(texts, " "))
}

func (f *reservationFact) sealLine() string {
	switch {
	case !f.Complete:
		return "not checked"
	case len(f.Broken) > 0:
		return "BROKEN: " + strings.Join(f.Broken, ", ")
	case f.Panic != nil && f.Panic.ran():
		return "hold (of the second stage: the rescue program has taken over)"
	}
	return "hold"
}

func (p *program) showParts(parts []partFact) {
	wide := 0
	for _, part := range parts {
		wide = max(wide, len(part.Access))
	}
	for _, part := range parts {
		seal := ""
		switch part.Seal {
		case sealHolds:
			seal = "seal holds"
		case sealBroken:
			seal = "SEAL BROKEN"
		case sealChanged:
			seal = "changed since the hand-off"
		}
		line := fmt.Sprintf("  %#-10x %9s  %-15s  %-*s  %s", uint64(part.Start), size(int64(part.Size)), part.Name, wide, part.Access, seal)
		p.printf("%s\n", strings.TrimRight(line, " "))
	}
}

func (p *program) showPanic(f *panicFact) {
	list := []field{{"state", f.State}}
	if f.Reason != handoff.ReasonNone.String() {
		list = append(list, field{"panic", fmt.Sprintf("%s on CPU %d at %#x: %s", f.Reason, f.CPU, uint64(f.PC), printable(f.Message))})
		list = append(list, f.causeLines()...)
	}
	if len(f.BrokenSeals) > 0 {
		list = append(list, field{"refused", "the host found broken seals: " + strings.Join(f.BrokenSeals, ", ")})
	}
	if f.NotStopped > 0 {
		list = append(list, field{"not stopped", plural(uint64(f.NotStopped), "CPU")})
	}
	if t := f.Tombstone; t != nil {
		list = append(list, field{"second panic", fmt.Sprintf("%s on CPU %d at %#x, stack %#x", t.Reason, t.CPU, uint64(t.PC), uint64(t.Stack))})
	}
	if f.Row > 1 {
		list = append(list, field{"in a row", plural(uint64(f.Row), "panic")})
	}
	for _, n := range f.Notifiers {
		switch n.outcome {
		case handoff.OutcomeFaulted, handoff.OutcomeTimedOut, handoff.OutcomeBegun:
			list = append(list, field{"notifier", fmt.Sprintf("%s: %s at %#x", printable(n.Name), n.Outcome, uint64(n.PC))})
		}
	}
	if line := f.phaseLine(true); line != "" {
		list = append(list, field{"panic path", line})
	}
	if line := f.phaseLine(false); line != "" {
		list = append(list, field{"phases", line})
	}
	p.fields(list)
	for _, c := range f.Registers {
		p.printf("\ncpu%d\n", c.CPU)
		p.showRegisters(c)
	}
}

func (f *panicFact) causeLines() []field {
	list := []field{}
	switch f.Reason {
	case handoff.ReasonExit.String():
		list = append(list, field{"exit code", fmt.Sprint(f.ExitCode)})
	case handoff.ReasonAbort.String():
		list = append(list, field{"signal", fmt.Sprint(f.ExitCode)})
	case handoff.ReasonUserFault.String(), handoff.ReasonKernelFault.String(), handoff.ReasonDoubleFault.String():
		list = append(list, field{"exception", fmt.Sprintf("vector %d, error code %#x, address %#x", f.Vector, uint64(f.ErrorCode), uint64(f.FaultAddress))})
	}
	return append(list, field{"page tables", fmt.Sprintf("%#x, %d bytes of messages", uint64(f.Root), f.MessageBuffer)})
}

// phaseLine tells the phases of the panic path, or those behind it.
func (f *panicFact) phaseLine(host bool) string {
	var texts []string
	for i, phase := range f.Phases {
		if phase.host != host {
			continue
		}
		name := strings.ReplaceAll(phase.Name, "_", " ")
		switch {
		case i == 0:
			continue // where time begins
		case phase.Nanos == nil:
			texts = append(texts, fmt.Sprintf("%s +%d counts", name, phase.Counter-f.Phases[0].Counter))
		default:
			texts = append(texts, fmt.Sprintf("%s +%v", name, time.Duration(*phase.Nanos).Round(time.Microsecond)))
		}
	}
	return strings.Join(texts, ", ")
}

// unshown are registers that tell little on a screen. JSON has them.
var unshown = regexp.MustCompile(`^([cdefgs]s|tr|ldtr|cr8|xcr0|dr[0-7]|[gi]dt_.*|kernel_gs_base)$`)

func (p *program) showRegisters(c cpuFact) {
	const columns = 4
	shown := slices.DeleteFunc(slices.Clone(c.list), func(r register) bool { return unshown.MatchString(strings.ToLower(r.name)) })
	wide := 0
	for _, r := range shown {
		wide = max(wide, len(r.name))
	}
	for i, r := range shown {
		end := ""
		if i%columns == columns-1 || i == len(shown)-1 {
			end = "\n"
		}
		p.printf("  %-*s %016x%s", wide, r.name, r.value, end)
	}
	if c.Error != "" {
		p.printf("  %s\n", printable(c.Error))
	}
}
