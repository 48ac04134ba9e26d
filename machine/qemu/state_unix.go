//go:build unix

package qemu

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/seed64aab995/rescuekernel/machine"
)

// choose makes a CPU the one that registers are read of.
func (m *guest) choose(cpu int) (*process, error) {
	p, err := m.live()
	if err != nil {
		return nil, err
	}
	if cpu < 0 || cpu >= m.config.CPUs {
		return nil, fmt.Errorf("qemu: no CPU %d of %d", cpu, m.config.CPUs)
	}
	if m.selected == cpu {
		return p, nil
	}
	if err := p.gdb.ok(fmt.Sprintf("Hg%x", cpu+1)); err != nil {
		return nil, fmt.Errorf("choose CPU %d: %w", cpu, err)
	}
	m.selected = cpu
	return p, nil
}

// get reads a register of the chosen CPU by GDB's name.
func (m *guest) get(p *process, name string) (uint64, error) {
	r, ok := m.registers[name]
	if !ok {
		return 0, fmt.Errorf("register %s: %w", name, machine.ErrUnsupported)
	}
	b, err := p.gdb.readRegister(r.number)
	if err != nil {
		return 0, fmt.Errorf("register %s: %w", name, err)
	}
	var word [8]byte
	copy(word[:], b)
	return binary.LittleEndian.Uint64(word[:]), nil
}

// set writes a register of the chosen CPU.
func (m *guest) set(p *process, name string, v uint64) error {
	r, ok := m.registers[name]
	if !ok || r.bytes > 8 {
		return fmt.Errorf("register %s: %w", name, machine.ErrUnsupported)
	}
	b := binary.LittleEndian.AppendUint64(nil, v)
	if err := p.gdb.writeRegister(r.number, b[:r.bytes]); err != nil {
		return fmt.Errorf("set register %s: %w", name, err)
	}
	return nil
}

// pc is a CPU's instruction pointer.
func (m *guest) pc(cpu int) (uint64, error) {
	p, err := m.choose(cpu)
	if err != nil {
		return 0, err
	}
	if m.options.Architecture == machine.ARM64 {
		return m.get(p, "pc")
	}
	return m.get(p, "rip")
}

// State copies a CPU's registers.
func (m *guest) State(cpu int) (machine.State, error) {
	p, err := m.choose(cpu)
	if err != nil {
		return nil, err
	}
	var s machine.State
	if m.options.Architecture == machine.ARM64 {
		s, err = m.stateARM64(p)
	} else {
		s, err = m.stateAMD64(p, cpu)
	}
	if err != nil {
		return nil, fmt.Errorf("qemu: state of CPU %d: %w", cpu, err)
	}
	return s, nil
}

// SetState gives a CPU its registers, as far as QEMU can.
func (m *guest) SetState(cpu int, state machine.State) error {
	p, err := m.choose(cpu)
	if err != nil {
		return err
	}
	if state.Architecture() != m.options.Architecture {
		return fmt.Errorf("qemu: a state of %v: %w", state.Architecture(), machine.ErrUnsupported)
	}
	switch s := state.(type) {
	case *machine.AMD64State:
		err = m.setAMD64(p, cpu, s)
	case *machine.ARM64State:
		err = m.setARM64(p, s)
	}
	if err != nil {
		return fmt.Errorf("qemu: set state of CPU %d: %w", cpu, err)
	}
	return nil
}

// stateARM64 reads general registers, and every system register that the
// stub's description has beyond.
func (m *guest) stateARM64(p *process) (*machine.ARM64State, error) {
	s := &machine.ARM64State{System: make(map[string]uint64)}
	fields := arm64Fields(s)
	for name, field := range fields {
		v, err := m.get(p, name)
		if err != nil {
			return nil, err
		}
		*field = v
	}
	for _, name := range slices.Sorted(maps.Keys(m.registers)) {
		if _, general := fields[name]; general || m.registers[name].bytes != 8 || name[0] == 'd' {
			continue
		}
		v, err := m.get(p, name)
		if err != nil {
			continue // not readable in this state
		}
		if architectural, ok := arm64Names[name]; ok {
			name = architectural
		}
		s.System[name] = v
	}
	return s, nil
}

// arm64Names are registers of EL1 that QEMU calls as AArch32 does.
var arm64Names = map[string]string{
	"SCTLR": "SCTLR_EL1", "CPACR": "CPACR_EL1", "VBAR": "VBAR_EL1", "CNTKCTL": "CNTKCTL_EL1", "AMAIR0": "AMAIR_EL1",
	"CSSELR": "CSSELR_EL1", "CLIDR": "CLIDR_EL1", "AIDR": "AIDR_EL1",
}

func (m *guest) setARM64(p *process, s *machine.ARM64State) error {
	for name, field := range arm64Fields(s) {
		if err := m.set(p, name, *field); err != nil {
			return err
		}
	}
	return nil
}

// arm64Fields pairs GDB's names with the state's fields.
func arm64Fields(s *machine.ARM64State) map[string]*uint64 {
	fields := map[string]*uint64{"sp": &s.CurSP, "pc": &s.PCReg, "cpsr": &s.PSTATE}
	for i := range s.X {
		fields[fmt.Sprintf("x%d", i)] = &s.X[i]
	}
	return fields
}
