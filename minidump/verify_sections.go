package minidump

import (
	"errors"
	"fmt"
	"io"
	"math/bits"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// verifyHeader checks the fields of the header and the rest of its page.
func (v *verifier) verifyHeader() error {
	h := &v.header
	field := func(ok bool, severity Severity, name string, value uint64, detail string) {
		if !ok {
			v.add(Finding{Severity: severity, Code: CodeHeaderField, Detail: fmt.Sprintf("%s is %#x, %s", name, value, detail)})
		}
	}
	page := uint64(h.PageSize)
	aligned := func(name string, value uint64) {
		field(value%page == 0, SeverityWarning, name, value, "not a multiple of the page size")
	}
	if h.HasDumpAvail() {
		aligned("bitmapsize", uint64(h.BitmapSize))
		aligned("dumpavailsize", uint64(h.DumpAvailSize))
	}
	// libkvm subtracts 8 from an unsigned remainder, and would run away.
	field(h.BitmapSize%bitmapUnit == 0, SeverityError, "bitmapsize", uint64(h.BitmapSize), "not a multiple of 8")
	aligned("pmapsize", uint64(h.PageTableSize))
	aligned("kernbase", h.KernelBase)
	aligned("dmapbase", h.DirectMapBase)
	aligned("dmapphys", h.DirectMapPhysical)
	field(h.DirectMapEnd >= h.DirectMapBase, SeverityError, "dmapend", h.DirectMapEnd, "below dmapbase")
	if h.Architecture == AMD64 {
		field(h.KernelBase >= h.DirectMapEnd || h.KernelBase < h.DirectMapBase, SeverityWarning, "kernbase", h.KernelBase, "inside of the direct map")
	}
	field(h.Architecture != ARM64 || h.Flags&^FlagPageSizeMask == 0, SeverityInfo, "flags", uint64(h.Flags), "has bits that are not known")

	start := int64(h.Size())
	if _, ok := v.NotesPointer(); ok {
		v.verifyZero(CodeHeaderPadding, SectionHeader, start, NotesPointerOffset)
		start = NotesPointerOffset + NotesPointerSize
	}
	v.verifyZero(CodeHeaderPadding, SectionHeader, start, int64(h.PageSize))
	return nil
}

// verifyZero checks that a part of the file is zero, as far as there is a file.
func (v *verifier) verifyZero(code Code, s Section, from, to int64) {
	first, n, err := v.nonZero(from, min(to, v.size))
	v.unreadable(s, from, err)
	if n > 0 {
		severity := SeverityWarning
		if code == CodeDumpAvailTail {
			severity = SeverityInfo // the rescue kernel's dumper copies raw memory
		}
		v.add(Finding{Severity: severity, Code: code, Section: s, Offset: first, Length: n, Detail: fmt.Sprintf("%d bytes are not zero", n)})
	}
}

// nonZero counts the bytes of a part of the file that are not zero, and says
// where the first is.
func (v *verifier) nonZero(from, to int64) (first, n int64, err error) {
	buffer := make([]byte, 64<<10)
	for at := from; at < to; at += int64(len(buffer)) {
		block := buffer[:min(int64(len(buffer)), to-at)]
		if m, err := v.file.ReadAt(block, at); m < len(block) {
			return first, n, err
		}
		if isZero(block) {
			continue
		}
		for i, b := range block {
			if b == 0 {
				continue
			}
			if n == 0 {
				first = at + int64(i)
			}
			n++
		}
	}
	return first, n, nil
}

// unreadable reports an error of reading the file.
func (v *verifier) unreadable(s Section, offset int64, err error) {
	if err != nil && !errors.Is(err, io.EOF) {
		v.add(Finding{Severity: SeverityError, Code: CodeUnreadable, Section: s, Offset: offset, Detail: err.Error(), Err: err})
	}
}

// verifyMessages checks the message buffer's structure and checksum.
func (v *verifier) verifyMessages() error {
	e := v.layout.Sections[SectionMessageBuffer]
	m, err := v.MessageBuffer()
	if err != nil && !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrNoMessageBuffer) {
		v.add(Finding{Severity: SeverityWarning, Code: CodeMessageBuffer, Section: SectionMessageBuffer, Offset: e.Offset, Detail: err.Error(), Err: err})
	}
	if m == nil || m.Order != OrderKnown {
		return nil
	}
	at := e.Offset + int64(len(m.Ring))
	if want := m.State.Size * sequenceRounds; m.State.Modulus != want {
		v.add(Finding{Severity: SeverityWarning, Code: CodeMessageBuffer, Section: SectionMessageBuffer, Offset: at,
			Detail: fmt.Sprintf("modulus of the sequence numbers is %#x, expected %#x", m.State.Modulus, want)})
	}
	if sum := m.Checksum(); sum != m.State.Checksum {
		// A panic in the middle of a message leaves this behind.
		v.add(Finding{Severity: SeverityWarning, Code: CodeMessageChecksum, Section: SectionMessageBuffer, Offset: e.Offset, Length: int64(len(m.Ring)),
			Detail: fmt.Sprintf("the ring's bytes sum up to %#x, struct msgbuf says %#x", sum, m.State.Checksum)})
	}
	return nil
}

// verifyDumpAvail checks the ranges and what is behind them.
func (v *verifier) verifyDumpAvail() error {
	e := v.layout.Sections[SectionDumpAvail]
	if v.available.Pages() == 0 && v.size >= e.End() { // of a file that was cut there verifySize tells
		v.add(Finding{Severity: SeverityError, Code: CodeDumpAvailEmpty, Section: SectionDumpAvail, Offset: e.Offset, Detail: "there is no memory in it"})
	}
	if v.available.IsFlat() {
		return nil
	}
	for i := 1; i < len(v.available.ranges); i++ {
		a, b := &v.available.ranges[i-1], &v.available.ranges[i]
		if page := b.firstPage; a.hasPage(page) {
			start := physmem.Address(page << v.available.shift)
			v.add(Finding{Severity: SeverityInfo, Code: CodeDumpAvailShared, Section: SectionDumpAvail, Offset: e.Offset,
				Range:  physmem.Range{Start: start, End: start + physmem.Address(v.header.PageSize)},
				Detail: fmt.Sprintf("the page has two bits, %d and %d", a.bit(page), b.bit(page))})
		}
	}
	width := int64(16)
	if v.header.Architecture == ARM {
		width = 8
	}
	if !v.available.damaged {
		v.verifyZero(CodeDumpAvailTail, SectionDumpAvail, e.Offset+width*int64(v.available.NumRanges()+1), e.End())
	}
	return nil
}

// verifyBitmap checks the bitmap's size and its bits behind the last page.
func (v *verifier) verifyBitmap() error {
	e := v.layout.Sections[SectionBitmap]
	total := v.available.Pages()
	if want := v.available.BitmapSize(); !v.available.IsFlat() && uint64(e.Used) != want && !v.available.damaged {
		severity := SeverityInfo
		if uint64(e.Used)*8 < total {
			severity = SeverityError
		}
		v.add(Finding{Severity: severity, Code: CodeBitmapSize, Section: SectionBitmap, Offset: e.Offset, Length: e.Used,
			Detail: fmt.Sprintf("bitmapsize is %#x, dump_avail makes %#x", e.Used, want)})
	}
	if v.available.damaged {
		return nil // nobody knows where it ends
	}
	return v.verifyStrayBits(total, e)
}

// verifyStrayBits looks for set bits behind the first total.
func (v *verifier) verifyStrayBits(total uint64, e Extent) error {
	order := v.header.ByteOrder()
	buffer := make([]byte, 64<<10)
	var stray, first uint64
	end := min(e.End(), v.size)
	for at := e.Offset + int64(total/64*8); at+8 <= end; at += int64(len(buffer)) {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		block := buffer[:min(int64(len(buffer)), (end-at)&^7)]
		if n, err := v.file.ReadAt(block, at); n < len(block) {
			v.unreadable(SectionBitmap, at, err)
			return nil
		}
		for i := 0; i < len(block); i += 8 {
			word := order.Uint64(block[i:])
			base := uint64(at-e.Offset+int64(i)) * 8
			if base < total {
				word &^= 1<<(total-base) - 1
			}
			if word != 0 && stray == 0 {
				first = base + uint64(bits.TrailingZeros64(word))
			}
			stray += uint64(bits.OnesCount64(word))
		}
	}
	if stray > 0 {
		v.add(Finding{Severity: SeverityError, Code: CodeStrayBits, Section: SectionBitmap, Offset: e.Offset + int64(first/64*8), Length: 8,
			Detail: fmt.Sprintf("%d bits are set outside of dump_avail's %d, the first is %d", stray, total, first)})
	}
	return nil
}

// verifyNotes checks the dump notes, and lists what they say.
func (v *verifier) verifyNotes() error {
	if v.notesErr != nil && !errors.Is(v.notesErr, ErrNoNotes) {
		err := v.notesErr
		if v.size < v.layout.Sections[SectionBitmap].End() {
			err = fmt.Errorf("%w ahead of what tells where they are: %w", ErrTruncated, err)
		}
		v.add(Finding{Severity: SeverityError, Code: CodeNotes, Offset: NotesPointerOffset, Range: v.notesPointer.Range(),
			Detail: err.Error(), Err: err})
	}
	if v.notes == nil {
		return nil
	}
	if n := v.notes.Unknown; n > 0 {
		v.add(Finding{Severity: SeverityInfo, Code: CodeNotesUnknown, Range: v.notesPointer.Range(), Detail: fmt.Sprintf("%d records of unknown types", n)})
	}
	for _, m := range v.notes.Marks {
		v.add(Finding{Severity: SeverityWarning, Code: CodeMark, Range: v.notesPointer.Range(), Detail: m.Part + ": " + m.Detail})
	}
	if c := v.notes.Cut; c != nil {
		v.add(Finding{Severity: SeverityWarning, Code: CodeLeftOut, Range: v.notesPointer.Range(), Detail: fmt.Sprintf("%d pages, %v: %s", c.Pages, c.Reason, c.Detail)})
	}
	for _, h := range v.holes {
		v.add(Finding{Severity: SeverityInfo, Code: CodeRecordedHole, Section: SectionPages, Range: h.Range, Detail: h.Reason.String()})
		if bit, ok := v.available.Index(h.Range.Start); h.Reason != HoleLeftOut && h.Reason != HoleOutside && (!ok || !v.bitmap.Test(bit)) {
			v.add(Finding{Severity: SeverityWarning, Code: CodeHoleOutside, Section: SectionPages, Range: h.Range, Detail: "the dump does not have its first page anyway"})
		}
	}
	return nil
}

// verifySegments checks the segments of a full dump.
func (v *verifier) verifySegments() error {
	full := v.store.(*fullPages)
	page := uint64(v.header.PageSize)
	var last int64
	for _, s := range full.segments {
		if !s.memory.Start.IsAligned(page) || uint64(s.offset)%page != 0 {
			v.add(Finding{Severity: SeverityWarning, Code: CodeSegmentAlignment, Section: SectionPages, Offset: s.offset, Length: int64(s.memory.Size()), Range: s.memory,
				Detail: "not at a page"})
		}
		if s.offset < last {
			v.add(Finding{Severity: SeverityWarning, Code: CodeSegmentOverlap, Section: SectionPages, Offset: s.offset, Length: int64(s.memory.Size()), Range: s.memory,
				Detail: fmt.Sprintf("begins before %#x, where another ends", last)})
		}
		last = max(last, s.offset+int64(s.memory.Size()))
	}
	return nil
}

// verifyPages reads all pages, and checks that recorded holes are zero.
func (v *verifier) verifyPages() error {
	if v.options.SkipPages {
		return nil
	}
	return v.scanPages(v.ctx, v.options.Progress, func(address physmem.Address, data []byte, err error) {
		v.report.Pages++
		if err != nil {
			offset, _ := v.Locate(address)
			page := physmem.Range{Start: address, End: address + physmem.Address(v.header.PageSize)}
			v.add(Finding{Severity: SeverityError, Code: CodeUnreadable, Section: SectionPages, Offset: offset, Length: int64(page.Size()), Range: page, Detail: err.Error(), Err: err})
			return
		}
		if isZero(data) {
			v.report.ZeroPages++
			return
		}
		if n, hole := beforeHole(v.holes, address, uint64(len(data))); n < uint64(len(data)) {
			from := max(hole.Range.Start, address)
			to := min(hole.Range.End, address+physmem.Address(len(data)))
			if !isZero(data[from-address : to-address]) {
				v.add(Finding{Severity: SeverityWarning, Code: CodeHoleNotZero, Section: SectionPages, Range: physmem.Range{Start: from, End: to}, Detail: hole.Reason.String()})
			}
		}
	})
}
