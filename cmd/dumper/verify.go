package main

import (
	"errors"

	"github.com/spf13/cobra"

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
			d, err := p.open(args[0])
			if err != nil {
				return err
			}
			defer func() { _ = d.Close() }()
			progress := p.progress("verify")
			report, err := d.Verify(c.Context(), minidump.VerifyOptions{SkipPages: quick, Progress: progress.update})
			progress.end()
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

// cutCodes are the findings of a dump that is sound as far as it goes.
var cutCodes = map[minidump.Code]bool{minidump.CodeFileCut: true, minidump.CodeLeftOut: true}

// judge turns a report into an exit code.
func judge(report *minidump.Report) int {
	code := exitDone
	for _, f := range report.Findings {
		switch {
		case f.Severity <= minidump.SeverityInfo:
		case cutCodes[f.Code] || errors.Is(f.Err, minidump.ErrBeyondEnd):
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
