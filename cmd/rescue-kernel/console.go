package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/seed64aab995/rescuekernel/capture"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/kernel"
)

// interval is how often progress is told, in nanoseconds.
const interval = 1e9

// progress is what has been told.
type progress struct {
	start uint64
	last  uint64
	told  int64 // bytes of the dump
}

// progress is capture.Options.Progress: a line a second.
func (p *program) progress(now capture.Progress) {
	p.pat()
	if p.host.Settings.Quiet {
		return
	}
	t := kernel.SinceEntry()
	l := &p.lines
	if l.start == 0 {
		l.start, l.last = t, t
	}
	if t-l.last < interval {
		return
	}
	rate := int64(float64(now.Content-l.told) / float64(t-l.last) * 1e9)
	l.last, l.told = t, now.Content
	p.print("%d%%, %s of %s, %s/s, %s compressed", now.Content*100/max(now.Size, 1), size(now.Content), size(now.Size), size(rate), size(now.Compressed))
}

// attempted is capture.Options.Attempt: what was wrong with a target.
func (p *program) attempted(a capture.Attempt) {
	p.pat()
	switch {
	case a.Err != nil:
		p.print("target %d, %s: %v", a.Index, describe(a.Target), a.Err)
	case a.Cut != nil:
		p.print("target %d, %s: too small: %d pages left out", a.Index, describe(a.Target), a.Cut.Pages)
	}
}

// describe names a target.
func describe(t handoff.Target) string {
	kind := "target of an unknown kind"
	switch t.Kind {
	case handoff.TargetBlock:
		kind = "disk"
	case handoff.TargetSerial:
		kind = "serial line"
	}
	switch t.Bus {
	case handoff.BusPCI:
		return fmt.Sprintf("%s at PCI %04x:%02x:%02x.%x", kind, t.Address>>32&0xffff, t.Address>>16&0xff, t.Address>>11&0x1f, t.Address>>8&7)
	case handoff.BusPort:
		return fmt.Sprintf("%s at port %#x", kind, t.Address)
	}
	return fmt.Sprintf("%s at %#x", kind, t.Address)
}

// report prints the last line.
func (p *program) report() {
	var b strings.Builder
	add := func(key string, value any) { fmt.Fprintf(&b, " %s=%v", key, value) }
	add("status", p.status())
	best := capture.Attempt{Index: -1}
	if p.result.Best >= 0 {
		best = p.result.Attempts[p.result.Best]
	}
	add("target", best.Index)
	add("pages", best.Pages)
	add("content", best.Content)
	add("bytes", best.Compressed)
	holes, marks := uint64(0), 0
	if p.dumper != nil {
		list, omitted := p.dumper.Holes()
		holes, marks = uint64(len(list))+omitted, len(p.dumper.Marks())
	}
	add("holes", holes)
	add("marks", marks)
	add("panic_ns", p.sincePanic())
	add("main_ns", p.times[handoff.PhaseMain])
	add("checked_ns", p.times[handoff.PhaseChecked])
	add("open_ns", p.opened)
	add("first_write_ns", p.times[handoff.PhaseFirstWrite])
	add("done_ns", p.times[handoff.PhaseDone])
	if p.dog.write != nil {
		add("gap_ns", p.dog.longest)
	}
	if stats, err := kernel.Stats(); err == nil {
		add("frames_least", stats.FramesLeast)
	}
	p.print("report%s", b.String())
}

func (p *program) status() string {
	switch {
	case p.result.Whole():
		return "whole"
	case p.result.Best >= 0:
		return "cut"
	case p.result.RecordOnly:
		return "record"
	}
	return "failed"
}

// sincePanic is the time from the panic to the image's first instruction, in
// nanoseconds; 0 if it is not known.
func (p *program) sincePanic() uint64 {
	clock, err := kernel.ClockInfo()
	if err != nil || p.host == nil || p.host.Panic == nil || clock.Kilohertz == 0 {
		return 0
	}
	entered := p.host.Panic.Phases[handoff.PhaseEntered]
	if entered == 0 || entered > clock.Entry {
		return 0
	}
	counts := clock.Entry - entered
	return counts/clock.Kilohertz*1e6 + counts%clock.Kilohertz*1e6/clock.Kilohertz
}

// size prints bytes in the largest binary unit.
func size(n int64) string {
	for _, unit := range []struct {
		name  string
		shift uint
	}{{"GiB", 30}, {"MiB", 20}, {"KiB", 10}} {
		if n >= 1<<unit.shift {
			tenths := (n>>(unit.shift-4)*10 + 8) >> 4
			return fmt.Sprintf("%d.%d %s", tenths/10, tenths%10, unit.name)
		}
	}
	return fmt.Sprintf("%d B", n)
}

// printable makes text of the host harmless for a terminal.
func printable(text string) string {
	q := strconv.QuoteToASCII(text)
	return q[1 : len(q)-1]
}
