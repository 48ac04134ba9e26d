package qemu

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/seed64aab995/rescuekernel/machine"
)

// interruptFlag is RFLAGS.IF.
const interruptFlag = 1 << 9

// monitorValue is the hexadecimal number behind a name in the monitor's "info
// registers", as in "DR7=0000000000000400".
func monitorValue(text, name string) (uint64, bool) {
	_, after, ok := strings.Cut(text, name)
	if !ok {
		return 0, false
	}
	digits := strings.FieldsFunc(after, func(r rune) bool { return !strings.ContainsRune("0123456789abcdef", r) })
	if len(digits) == 0 {
		return 0, false
	}
	v, err := strconv.ParseUint(digits[0], 16, 64)
	return v, err == nil
}

// parseMonitor takes segments, descriptor tables, debug registers and the
// activity out of "info registers" (QEMU target/i386/cpu-dump.c).
func parseMonitor(text string, s *machine.AMD64State) error {
	for name, segment := range map[string]*machine.Segment{
		"ES =": &s.ES, "CS =": &s.CS, "SS =": &s.SS, "DS =": &s.DS, "FS =": &s.FS, "GS =": &s.GS, "LDT=": &s.LDTR, "TR =": &s.TR,
	} {
		words, err := monitorWords(text, name, 4)
		if err != nil {
			return err
		}
		*segment = machine.Segment{
			Selector: uint16(words[0]), Base: words[1], Limit: uint32(words[2]),
			// QEMU keeps the descriptor's second word; the access rights are
			// its bits 8 to 15 and 20 to 23.
			Access: uint32(words[3]>>8) & 0xf0ff,
		}
	}
	for name, table := range map[string]*machine.DescriptorTable{"GDT=": &s.GDTR, "IDT=": &s.IDTR} {
		words, err := monitorWords(text, name, 2)
		if err != nil {
			return err
		}
		*table = machine.DescriptorTable{Base: words[0], Limit: uint16(words[1])}
	}
	for i, name := range []string{"DR0=", "DR1=", "DR2=", "DR3=", "DR6=", "DR7="} {
		v, ok := monitorValue(text, name)
		if !ok {
			return fmt.Errorf("monitor's registers have no %s", name)
		}
		*[]*uint64{&s.DR[0], &s.DR[1], &s.DR[2], &s.DR[3], &s.DR6, &s.DR7}[i] = v
	}
	if strings.Contains(text, "HLT=1") {
		s.Activity = machine.Waiting
	}
	return nil
}

// monitorWords are the hexadecimal numbers behind a name at the start of a
// line.
func monitorWords(text, name string, n int) ([]uint64, error) {
	_, after, ok := strings.Cut(text, "\n"+name)
	if !ok {
		return nil, fmt.Errorf("monitor's registers have no %q", name)
	}
	line, _, _ := strings.Cut(after, "\n")
	fields := strings.Fields(line)
	if len(fields) < n {
		return nil, fmt.Errorf("monitor's %q has %d words, not %d", name, len(fields), n)
	}
	words := make([]uint64, n)
	for i := range words {
		v, err := strconv.ParseUint(fields[i], 16, 64)
		if err != nil {
			return nil, fmt.Errorf("monitor's %q: %w", name, err)
		}
		words[i] = v
	}
	return words, nil
}
