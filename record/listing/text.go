package listing

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/seed64aab995/rescuekernel/record"
)

// timeLayout is how times are shown: UTC, to the millisecond.
const timeLayout = "2006-01-02T15:04:05.000Z"

// WriteText writes a line for each entry: restart (its first 8 digits), sequence
// number, time, class, source, and what was said.
func WriteText(w io.Writer, entries []Entry) error {
	width := [2]int{}
	for i := range entries {
		width[0] = max(width[0], len(entries[i].Class))
		width[1] = max(width[1], len(entries[i].Source))
	}
	for i := range entries {
		e := &entries[i]
		_, err := fmt.Fprintf(w, "%s %4d  %s  %-*s  %-*s  %s\n", e.RestartID.String()[:8], e.Sequence, when(e.Time), width[0], plain(e.Class), width[1], plain(e.Source), e.summary())
		if err != nil {
			return fmt.Errorf("list records: %w", err)
		}
	}
	return nil
}

// WriteDetail writes all that is known of an entry, a line a field.
func WriteDetail(w io.Writer, e Entry) error {
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-12s %s\n", name, value)
		}
	}
	line("record", fmt.Sprintf("%d of restart %s", e.Sequence, e.RestartID))
	line("class", plain(e.Class))
	line("source", plain(e.Source))
	line("time", strings.TrimSpace(when(e.Time)))
	if e.Uptime != 0 {
		line("uptime", time.Duration(e.Uptime).String())
	}
	if e.CPU != record.NoCPU {
		line("CPU", strconv.FormatUint(uint64(e.CPU), 10))
	}
	line("generation", number(uint64(e.Generation)))
	line("build", plain(e.BuildID))
	line("message", plain(e.Message))
	e.faultLines(line)
	if e.Class == record.ClassLoss || e.Count != 0 {
		line("count", e.count())
	}
	if e.Flags&record.FlagNested != 0 {
		line("nested", "this broke on the panic path")
	}
	line("lacks", strings.Join(e.lacks(), ", "))
	if e.Trace != "" {
		b.WriteString("trace\n")
		for l := range strings.Lines(e.Trace) {
			b.WriteString("  " + plain(strings.TrimRight(l, "\n")) + "\n")
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("show record %d: %w", e.Sequence, err)
	}
	return nil
}

// faultLines shows what a fault of the CPU has.
func (e *Entry) faultLines(line func(name, value string)) {
	line("reason", number(uint64(e.Reason)))
	line("vector", hexadecimal(e.Vector))
	line("error code", hexadecimal(e.ErrorCode))
	line("fault at", hexadecimal(e.FaultAddress))
	line("pc", hexadecimal(e.PC))
	if e.Stopped != 0 || e.NotStopped != 0 {
		line("other CPUs", fmt.Sprintf("%d stopped, %d did not", e.Stopped, e.NotStopped))
	}
	if len(e.Registers) > 0 {
		line("registers", fmt.Sprintf("%d bytes, %v", len(e.Registers), e.Architecture))
	}
	if len(e.Stack) > 0 {
		line("stack", fmt.Sprintf("%d bytes from %#x", len(e.Stack), e.StackAddress))
	}
}

// summary is an entry's message, with what it counts.
func (e *Entry) summary() string {
	s := plain(e.Message)
	if e.Class == record.ClassLoss || e.Count != 0 {
		s = e.count() + ": " + s
	}
	if e.Minimal {
		s += " (minimal)"
	}
	if e.Flags&record.FlagNested != 0 {
		s += " (on the panic path)"
	}
	return s
}

func (e *Entry) count() string {
	n := "unknown"
	if e.Count != record.UnknownCount {
		n = strconv.FormatUint(e.Count, 10)
	}
	if e.First != 0 {
		n += " since " + strconv.FormatUint(e.First, 10)
	}
	return n
}

// lacks names the flags.
func (e *Entry) lacks() (names []string) {
	for _, f := range []struct {
		flag record.Flags
		name string
	}{
		{record.FlagMinimal, "all that comes after the minimal record"},
		{record.FlagMessageCut, "the message's end"},
		{record.FlagNoRegisters, "registers"},
		{record.FlagStackCut, "more of the stack"},
		{record.FlagTraceCut, "the trace's end"},
	} {
		if e.Flags&f.flag != 0 {
			names = append(names, f.name)
		}
	}
	return names
}

func when(nanoseconds int64) string {
	if nanoseconds == 0 {
		return "time not known          "
	}
	return time.Unix(0, nanoseconds).UTC().Format(timeLayout)
}

// plain is text of a record without what a terminal would act on.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '.'
		}
		return r
	}, s)
}

func hexadecimal(v uint64) string {
	if v == 0 {
		return ""
	}
	return "0x" + strconv.FormatUint(v, 16)
}

func number(v uint64) string {
	if v == 0 {
		return ""
	}
	return strconv.FormatUint(v, 10)
}
