//go:build unix

package qemu

import (
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/machine"
)

// amd64Fields pairs GDB's names with the state's fields. Control registers
// come in an order in which each value is valid: long mode is on before paging
// is, and CR3 is there before paging.
func amd64Fields(s *machine.AMD64State) ([]string, []*uint64) {
	names := []string{
		"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
		"rip", "eflags", "fs_base", "gs_base", "k_gs_base", "efer", "cr3", "cr4", "cr0", "cr2", "cr8",
	}
	var fields []*uint64
	for i := range s.Registers {
		fields = append(fields, &s.Registers[i])
	}
	return names, append(fields, &s.RIP, &s.RFLAGS, &s.FS.Base, &s.GS.Base, &s.KernelGSBase, &s.EFER, &s.CR3, &s.CR4, &s.CR0, &s.CR2, &s.CR8)
}

// stateAMD64 reads what the GDB stub has, and from the monitor the hidden parts
// of segments, the descriptor tables and the debug registers.
func (m *guest) stateAMD64(p *process, cpu int) (*machine.AMD64State, error) {
	s := &machine.AMD64State{}
	text, err := p.qmp.monitor("info registers", cpu)
	if err != nil {
		return nil, err
	}
	if err := parseMonitor(text, s); err != nil {
		return nil, err
	}
	names, fields := amd64Fields(s)
	for i, name := range names {
		if *fields[i], err = m.get(p, name); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// setAMD64 writes the registers that differ.
func (m *guest) setAMD64(p *process, cpu int, s *machine.AMD64State) error {
	old, err := m.stateAMD64(p, cpu)
	if err != nil {
		return err
	}
	if refusal := refuseAMD64(old, s); refusal != nil {
		if err := m.implant(p, cpu, s); err != nil {
			return errors.Join(refusal, err)
		}
		if old, err = m.stateAMD64(p, cpu); err != nil {
			return err
		}
		if err := refuseAMD64(old, s); err != nil {
			return err
		}
	}
	names, fields := amd64Fields(s)
	_, current := amd64Fields(old)
	for i, name := range names {
		if *fields[i] == *current[i] {
			continue
		}
		if err := m.set(p, name, *fields[i]); err != nil {
			return err
		}
	}
	return nil
}

// refuseAMD64 names the first thing in a state that the GDB stub cannot set.
// Of a segment that no selector names, the hidden part has no meaning.
func refuseAMD64(old, s *machine.AMD64State) error {
	same := func(a, b machine.Segment) bool {
		return a == b || a.Selector == b.Selector && a.Selector&^3 == 0
	}
	based := func(a, b machine.Segment) bool { // but for the base, which the stub sets
		a.Base = b.Base
		return same(a, b)
	}
	for _, c := range []struct {
		name string
		same bool
	}{
		{"GDTR", old.GDTR == s.GDTR}, {"IDTR", old.IDTR == s.IDTR}, {"CS", same(old.CS, s.CS)}, {"SS", same(old.SS, s.SS)},
		{"DS", same(old.DS, s.DS)}, {"ES", same(old.ES, s.ES)}, {"TR", same(busy(old.TR), busy(s.TR))}, {"LDTR", same(old.LDTR, s.LDTR)},
		{"FS", based(old.FS, s.FS)}, {"GS", based(old.GS, s.GS)},
		{"DR0 to DR3", old.DR == s.DR}, {"DR7", old.DR7 == s.DR7}, {"activity", old.Activity == s.Activity},
	} {
		if !c.same {
			return fmt.Errorf("another %s: %w", c.name, machine.ErrUnsupported)
		}
	}
	return nil
}

// busy is a task register as it is once it was loaded. QEMU marks the
// descriptor in memory as busy, but not the hidden part.
func busy(tr machine.Segment) machine.Segment {
	const availableTSS, busyBit = 0x9, 0x2
	if tr.Access&(machine.AccessCodeData|machine.AccessTypeMask) == availableTSS {
		tr.Access |= busyBit
	}
	return tr
}
