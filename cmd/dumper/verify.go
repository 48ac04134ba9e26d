package main

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/seed64aab995/rescuekernel/container"
	"github.com/seed64aab995/rescuekernel/container/kerneldump"
	"github.com/seed64aab995/rescuekernel/container/seekable"
	"github.com/seed64aab995/rescuekernel/minidump"
)

func newVerify(p *program) *cobra.Command {
	var asJSON, quick bool
	c := &cobra.Command{
		Use:   "verify FILE",
		Short: "Check that a dump is whole and sound",
		Long: `Verify checks every structural rule of a dump and every checksum that it and
what it is wrapped in have: sizes, padding, dump_avail, bits outside of it, page
tables that point outside, dump notes; and it reads every page. --quick leaves
out reading the pages.

It prints what it finds, one line each, and exits with 0 where nothing is wrong,
5 where the dump is sound but was cut, and 4 where it is damaged.`,
		Example: `  dumper verify vmcore.0
  dumper verify --json vmcore.0.zst | jq '.findings[] | .code'`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			d, err := p.openContainer(args[0], false)
			if err != nil {
				return err
			}
			defer func() { _ = d.Close() }()
			report, err := p.verify(c.Context(), d, quick)
			if err != nil {
				return err
			}
			judged := judge(report)
			if asJSON {
				if err := p.json(verifyJSON(d, report, judged)); err != nil {
					return err
				}
			} else {
				p.showReport(d, report, judged)
			}
			if judged != exitDone {
				return verdict(judged)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVar(&quick, "quick", false, "do not read the pages")
	return c
}

// Codes of findings about what a dump is wrapped in.
const (
	codeContainer minidump.Code = "container"
	codeFrame     minidump.Code = "frame"
)

// verify checks what the dump is wrapped in, and the dump. All frames of zstd
// are checked, whatever is in them, so that damage has a frame's name.
func (p *program) verify(ctx context.Context, d *dump, quick bool) (*minidump.Report, error) {
	report, err := p.verifyDump(ctx, d, quick)
	if err != nil {
		return nil, err
	}
	frames := d.container.Frames()
	everyFrame := frames != nil && !quick
	for _, problem := range d.container.Problems() {
		var frame *seekable.FrameError
		if everyFrame && errors.As(problem, &frame) {
			continue // VerifyFrames tells it again
		}
		addFinding(report, codeContainer, problem, 0)
	}
	if !everyFrame {
		return report, nil
	}
	broken, err := frames.VerifyFrames(ctx, nil)
	for _, frame := range broken {
		addFinding(report, codeFrame, frame, frame.Offset)
	}
	return report, err
}

// verifyDump checks the dump. That it cannot be opened is a finding too, if it
// is because of what is in it.
func (p *program) verifyDump(ctx context.Context, d *dump, quick bool) (*minidump.Report, error) {
	if err := p.openReader(d); err != nil {
		code := exitCode(ctx, err)
		if code != exitDamaged && code != exitIncomplete {
			return nil, err
		}
		report := &minidump.Report{Counts: map[minidump.Code]uint64{}}
		addFinding(report, minidump.CodeStructure, err, 0)
		return report, nil
	}
	progress := p.progress("verify")
	defer progress.end()
	return d.Verify(ctx, minidump.VerifyOptions{SkipPages: quick, Progress: progress.update})
}

func addFinding(report *minidump.Report, code minidump.Code, err error, offset int64) {
	report.Findings = append(report.Findings, minidump.Finding{
		Severity: minidump.SeverityError, Code: code, Offset: offset, Detail: err.Error(), Err: err})
	report.Counts[code]++
	report.Worst = minidump.SeverityError
}

// incomplete reports whether a finding is of what is missing, not of what is
// wrong.
func incomplete(f *minidump.Finding) bool {
	if cutCodes[f.Code] {
		return true
	}
	for _, target := range []error{
		minidump.ErrBeyondEnd, minidump.ErrTruncated, seekable.ErrCut, seekable.ErrMissing,
		kerneldump.ErrNoTrailingHeader, container.ErrUnknownEnd, io.ErrUnexpectedEOF,
	} {
		if errors.Is(f.Err, target) {
			return true
		}
	}
	return false
}

// cutCodes are the findings of a dump that is sound as far as it goes.
var cutCodes = map[minidump.Code]bool{minidump.CodeFileCut: true, minidump.CodeLeftOut: true}

// judge turns a report into an exit code. Zstd that was cut has no seek table
// either, which alone would be damage.
func judge(report *minidump.Report) int {
	code := exitDone
	cut := slices.ContainsFunc(report.Findings, func(f minidump.Finding) bool { return errors.Is(f.Err, seekable.ErrCut) })
	for _, f := range report.Findings {
		switch {
		case f.Severity <= minidump.SeverityInfo:
		case incomplete(&f), cut && errors.Is(f.Err, seekable.ErrSeekTable):
			code = max(code, exitIncomplete)
		default:
			return exitDamaged
		}
	}
	return code
}

var verdictWords = map[int]string{exitDone: "sound", exitIncomplete: "incomplete", exitDamaged: "damaged"}

type findingFact struct {
	Severity string      `json:"severity"`
	Code     string      `json:"code"`
	Section  string      `json:"section"`
	Offset   hexadecimal `json:"offset"`
	Length   int64       `json:"length"`
	Range    *rangeFact  `json:"range"`
	Detail   string      `json:"detail"`
}

type verifyFact struct {
	File      string            `json:"file"`
	Verdict   string            `json:"verdict"`
	Pages     uint64            `json:"pages_read"`
	ZeroPages uint64            `json:"zero_pages"`
	Entries   uint64            `json:"table_entries"`
	Counts    map[string]uint64 `json:"counts"`
	Findings  []findingFact     `json:"findings"`
}

func verifyJSON(d *dump, report *minidump.Report, judged int) verifyFact {
	fact := verifyFact{
		File: d.name, Verdict: verdictWords[judged], Pages: report.Pages, ZeroPages: report.ZeroPages,
		Entries: report.Entries, Counts: map[string]uint64{}, Findings: []findingFact{},
	}
	for code, n := range report.Counts {
		fact.Counts[string(code)] = n
	}
	for _, f := range report.Findings {
		one := findingFact{
			Severity: f.Severity.String(), Code: string(f.Code), Section: f.Section.String(),
			Offset: hexadecimal(f.Offset), Length: f.Length, Detail: f.Detail,
		}
		if !f.Range.IsEmpty() {
			one.Range = &rangeFact{hexadecimal(f.Range.Start), hexadecimal(f.Range.End)}
		}
		fact.Findings = append(fact.Findings, one)
	}
	return fact
}

func (p *program) showReport(d *dump, report *minidump.Report, judged int) {
	shown := map[minidump.Code]uint64{}
	for _, f := range report.Findings {
		p.printf("%s\n", printable(f.String()))
		shown[f.Code]++
	}
	for _, f := range report.Findings {
		if more := report.Counts[f.Code] - shown[f.Code]; more > 0 && more < report.Counts[f.Code] {
			p.printf("%v: %s: and %d more\n", f.Severity, f.Code, more)
			report.Counts[f.Code] = shown[f.Code] // say it once
		}
	}
	p.printf("%s: %s; %s read, %d of them zero; %d table entries checked\n", printable(d.name), verdictWords[judged],
		plural(report.Pages, "page"), report.ZeroPages, report.Entries)
}
