package minidump

import (
	"context"
	"fmt"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// Severity is how bad a finding is.
type Severity uint8

const (
	// SeverityInfo is worth knowing and wrong in no way.
	SeverityInfo Severity = iota + 1
	// SeverityWarning breaks a rule, or loses something that can be done
	// without.
	SeverityWarning
	// SeverityError costs memory of the dump, or makes reading it unsafe.
	SeverityError
)

// String returns "info", "warning" or "error".
func (s Severity) String() string {
	switch s {
	case SeverityInfo:
		return "info"
	case SeverityWarning:
		return "warning"
	case SeverityError:
		return "error"
	}
	return "unknown"
}

// Code names a rule. Codes are stable.
type Code string

// The rules that Verify checks.
const (
	CodeHeaderPadding     Code = "header_padding"      // page 0 is not zero behind the header
	CodeHeaderField       Code = "header_field"        // a field makes no sense
	CodeSectionPadding    Code = "section_padding"     // a section is not zero behind its end
	CodeFileCut           Code = "file_cut"            // the file ends too early
	CodeTrailingData      Code = "trailing_data"       // the file goes on behind the last page
	CodeStructure         Code = "structure"           // Open could not use something
	CodeDumpAvailEmpty    Code = "dump_avail_empty"    // there is no memory
	CodeDumpAvailTail     Code = "dump_avail_tail"     // data behind the terminator
	CodeDumpAvailShared   Code = "dump_avail_shared"   // two ranges share a page
	CodeBitmapSize        Code = "bitmap_size"         // not what dump_avail asks for
	CodeStrayBits         Code = "stray_bits"          // bits outside of dump_avail
	CodeMessageBuffer     Code = "message_buffer"      // struct msgbuf contradicts the section
	CodeMessageChecksum   Code = "message_checksum"    // the ring's sum is wrong
	CodeTableMissing      Code = "table_missing"       // a page table is not in the dump
	CodeTableOutside      Code = "table_outside"       // a page table would lie outside of memory
	CodeLeafOutside       Code = "leaf_outside"        // a mapping of no memory; devices have such
	CodeEntryReserved     Code = "entry_reserved_bits" // an entry has bits set that must be clear
	CodeUnreadable        Code = "unreadable"          // reading the file failed
	CodeNotes             Code = "notes"               // the dump notes are damaged
	CodeNotesUnknown      Code = "notes_unknown"       // records that this program does not know
	CodeRecordedHole      Code = "recorded_hole"       // memory that the notes give up
	CodeHoleOutside       Code = "hole_outside"        // a recorded hole in no page of the dump
	CodeHoleNotZero       Code = "hole_not_zero"       // a recorded hole that has content
	CodeMark              Code = "mark"                // the dumper distrusted something
	CodeLeftOut           Code = "left_out"            // the dumper made the dump smaller
	CodeSegmentAlignment  Code = "segment_alignment"   // a full dump's segment is not at pages
	CodeSegmentOverlap    Code = "segment_overlap"     // segments of a full dump share bytes of the file
	CodeNothingTranslated Code = "no_page_tables"      // virtual addresses cannot be checked
)

// Finding is one thing that Verify has to say.
type Finding struct {
	Severity Severity
	Code     Code
	Section  Section
	Offset   int64         // in the file
	Length   int64         // bytes of the file it is about; 0 where that makes no sense
	Range    physmem.Range // physical memory it is about; empty where none is
	Detail   string
	Err      error // where an error was met
}

// String prints the finding on one line.
func (f Finding) String() string {
	s := fmt.Sprintf("%v: %s: %v at %#x", f.Severity, f.Code, f.Section, f.Offset)
	if !f.Range.IsEmpty() {
		s += fmt.Sprintf(", memory %v", f.Range)
	}
	return s + ": " + f.Detail
}

// Report is what Verify found.
type Report struct {
	Findings []Finding
	// Counts are the findings of each code, those included that found no room
	// in Findings.
	Counts map[Code]uint64
	// Worst is the worst severity of all; 0 if nothing was found.
	Worst Severity
	// Pages that were read, and those of them that are zero.
	Pages, ZeroPages uint64
	// Entries of page tables that were checked.
	Entries uint64
}

// Good reports whether nothing worse than SeverityInfo was found.
func (r *Report) Good() bool { return r.Worst <= SeverityInfo }

// VerifyOptions change what Verify does. The zero value is useful.
type VerifyOptions struct {
	// SkipPages leaves out reading the pages' content, by which read errors
	// (and the checksums of a compressed container) are found.
	SkipPages bool
	// SkipTables leaves out the page tables.
	SkipTables bool
	// MaxFindings is how many findings of one code are kept; 0 means 16.
	MaxFindings int
	// Progress, if not nil, is called with how many bytes were checked.
	Progress Progress
}

const defaultMaxFindings = 16

// verifier is one run of Verify.
type verifier struct {
	*Reader
	ctx     context.Context
	options VerifyOptions
	report  *Report
}

// Verify checks every structural rule of the dump and every checksum that
// there is, in constant memory. It returns what it found, and an error only if
// ctx ended, together with what was found until then.
func (r *Reader) Verify(ctx context.Context, options VerifyOptions) (*Report, error) {
	if options.MaxFindings <= 0 {
		options.MaxFindings = defaultMaxFindings
	}
	v := &verifier{Reader: r, ctx: ctx, options: options, report: &Report{Counts: make(map[Code]uint64)}}
	steps := []func() error{v.verifyOpening, v.verifySize}
	if r.format == FormatMinidump {
		steps = append(steps, v.verifyHeader, v.verifyMessages, v.verifyDumpAvail, v.verifyBitmap, v.verifyNotes, v.verifyTables)
	} else {
		steps = append(steps, v.verifySegments)
	}
	for _, step := range append(steps, v.verifyPages) {
		if err := ctx.Err(); err != nil {
			return v.report, err
		}
		if err := step(); err != nil {
			return v.report, err
		}
	}
	return v.report, nil
}

// add takes a finding in.
func (v *verifier) add(f Finding) {
	n := v.report.Counts[f.Code]
	v.report.Counts[f.Code] = n + 1
	v.report.Worst = max(v.report.Worst, f.Severity)
	if n < uint64(v.options.MaxFindings) {
		v.report.Findings = append(v.report.Findings, f)
	}
}

// verifyOpening reports what Open met.
func (v *verifier) verifyOpening() error {
	for _, err := range v.problems {
		f := Finding{Severity: SeverityError, Code: CodeStructure, Detail: err.Error(), Err: err}
		if format, ok := err.(*FormatError); ok {
			f.Section, f.Offset = format.Section, format.Offset
			if format.Err == ErrTruncated && format.Field == "file size" {
				continue // verifySize says it
			}
		}
		if err == v.notesErr {
			continue // verifyNotes says it
		}
		v.add(f)
	}
	return nil
}

// verifySize compares the size of the file with what it should be.
func (v *verifier) verifySize() error {
	expected := v.ExpectedSize()
	switch {
	case v.size < expected:
		s, _ := v.layout.Find(v.size)
		first := physmem.Range{}
		for h := range v.Holes() {
			if h.Reason == HoleBeyondEnd {
				first = h.Range
				break
			}
		}
		v.add(Finding{Severity: SeverityError, Code: CodeFileCut, Section: s, Offset: v.size, Length: expected - v.size, Range: first,
			Detail: fmt.Sprintf("the file has %d bytes, of %d", v.size, expected)})
	case v.size > expected:
		v.add(Finding{Severity: SeverityWarning, Code: CodeTrailingData, Section: SectionPages, Offset: expected, Length: v.size - expected,
			Detail: fmt.Sprintf("the file has %d bytes, %d were expected", v.size, expected)})
	}
	return nil
}
