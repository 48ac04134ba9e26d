//go:build unix

package qemu

import (
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
func (m *Machine) stateAMD64(p *process, cpu int) (*machine.AMD64State, error) {
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
func (m *Machine) setAMD64(p *process, cpu int, s *machine.AMD64State) error {
	old, err := m.stateAMD64(p, cpu)
	if err != nil {
		return err
	}
	if err := refuseAMD64(old, s); err != nil {
		return err
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

// refuseAMD64 names the first thing in a state that QEMU cannot be given.
func refuseAMD64(old, s *machine.AMD64State) error {
	for _, c := range []struct {
		name string
		same bool
	}{
		{"GDTR", old.GDTR == s.GDTR}, {"IDTR", old.IDTR == s.IDTR}, {"CS", old.CS == s.CS}, {"SS", old.SS == s.SS},
		{"DS", old.DS == s.DS}, {"ES", old.ES == s.ES}, {"TR", old.TR == s.TR}, {"LDTR", old.LDTR == s.LDTR},
		{"FS", old.FS.Selector == s.FS.Selector}, {"GS", old.GS.Selector == s.GS.Selector},
		{"DR0 to DR3", old.DR == s.DR}, {"DR7", old.DR7 == s.DR7}, {"activity", old.Activity == s.Activity},
	} {
		if !c.same {
			return fmt.Errorf("another %s: %w", c.name, machine.ErrUnsupported)
		}
	}
	return nil
}
