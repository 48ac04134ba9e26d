package kvm

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	gokvm "github.com/bobuhiro11/gokvm/kvm"

	"github.com/seed64aab995/rescuekernel/machine"
)

// xsaveSize is struct kvm_xsave: an XSAVE area whose first 512 bytes are the
// FXSAVE image and whose header follows (Intel SDM 1 13.4).
const (
	xsaveSize   = 4096
	xstateBV    = 512
	xstateX87   = 1 << 0
	xstateSSE   = 1 << 1
	fxsaveMXCSR = 24
)

var (
	ioctlGetXSAVE = gokvm.IIOR(0xa4, xsaveSize)
	ioctlSetXSAVE = gokvm.IIOW(0xa5, xsaveSize)
)

const (
	nmiPendingValid = 1 << 0 // KVM_VCPUEVENT_VALID_NMI_PENDING
)

// State copies a CPU's registers.
func (m *guest) State(cpu int) (machine.State, error) {
	c, err := m.cpu(cpu)
	if err != nil {
		return nil, err
	}
	s := &machine.AMD64State{Activity: c.activity}
	if m.config.InterruptController {
		if s.Activity, err = c.kernelActivity(); err != nil {
			return nil, fmt.Errorf("kvm: %w", err)
		}
	}
	for _, get := range []func(*machine.AMD64State) error{c.getGeneral, c.getSystem, c.getDebug, c.getMSRs, c.getXCR, c.getXSAVE, c.getEvents} {
		if err := get(s); err != nil {
			return nil, fmt.Errorf("kvm: state of CPU %d: %w", cpu, err)
		}
	}
	return s, nil
}

// SetState gives a CPU its registers.
func (m *guest) SetState(cpu int, state machine.State) error {
	c, err := m.cpu(cpu)
	if err != nil {
		return err
	}
	s, ok := state.(*machine.AMD64State)
	if !ok {
		return fmt.Errorf("kvm: a state of %v: %w", state.Architecture(), machine.ErrUnsupported)
	}
	// System registers come first: they decide what is valid in the others.
	for _, set := range []func(*machine.AMD64State) error{c.setSystem, c.setGeneral, c.setDebugRegisters, c.setMSRs, c.setXCR, c.setXSAVE, c.setEvents, c.setActivity} {
		if err := set(s); err != nil {
			return fmt.Errorf("kvm: set state of CPU %d: %w", cpu, err)
		}
	}
	return nil
}

func (c *vcpu) getGeneral(s *machine.AMD64State) error {
	r, err := gokvm.GetRegs(c.fd)
	if err != nil {
		return fmt.Errorf("general registers: %w", err)
	}
	s.Registers = [16]uint64{r.RAX, r.RCX, r.RDX, r.RBX, r.RSP, r.RBP, r.RSI, r.RDI, r.R8, r.R9, r.R10, r.R11, r.R12, r.R13, r.R14, r.R15}
	s.RIP, s.RFLAGS = r.RIP, r.RFLAGS
	return nil
}

func (c *vcpu) setGeneral(s *machine.AMD64State) error {
	g := &s.Registers
	err := gokvm.SetRegs(c.fd, &gokvm.Regs{
		RAX: g[0], RCX: g[1], RDX: g[2], RBX: g[3], RSP: g[4], RBP: g[5], RSI: g[6], RDI: g[7],
		R8: g[8], R9: g[9], R10: g[10], R11: g[11], R12: g[12], R13: g[13], R14: g[14], R15: g[15],
		RIP: s.RIP, RFLAGS: s.RFLAGS,
	})
	if err != nil {
		return fmt.Errorf("general registers: %w", err)
	}
	return nil
}

// segmentFields pairs KVM's segments with ours.
func segmentFields(k *gokvm.Sregs, s *machine.AMD64State) ([]*gokvm.Segment, []*machine.Segment) {
	return []*gokvm.Segment{&k.CS, &k.DS, &k.ES, &k.FS, &k.GS, &k.SS, &k.TR, &k.LDT},
		[]*machine.Segment{&s.CS, &s.DS, &s.ES, &s.FS, &s.GS, &s.SS, &s.TR, &s.LDTR}
}

func (c *vcpu) getSystem(s *machine.AMD64State) error {
	k, err := gokvm.GetSregs(c.fd)
	if err != nil {
		return fmt.Errorf("system registers: %w", err)
	}
	theirs, ours := segmentFields(k, s)
	for i := range ours {
		*ours[i] = segmentFromKVM(*theirs[i])
	}
	s.GDTR = machine.DescriptorTable{Base: k.GDT.Base, Limit: k.GDT.Limit}
	s.IDTR = machine.DescriptorTable{Base: k.IDT.Base, Limit: k.IDT.Limit}
	s.CR0, s.CR2, s.CR3, s.CR4, s.CR8, s.EFER = k.CR0, k.CR2, k.CR3, k.CR4, k.CR8, k.EFER
	return nil
}

func (c *vcpu) setSystem(s *machine.AMD64State) error {
	k, err := gokvm.GetSregs(c.fd) // for the APIC base, which is not ours to set
	if err != nil {
		return fmt.Errorf("system registers: %w", err)
	}
	theirs, ours := segmentFields(k, s)
	for i := range ours {
		*theirs[i] = segmentToKVM(*ours[i])
	}
	k.GDT = gokvm.Descriptor{Base: s.GDTR.Base, Limit: s.GDTR.Limit}
	k.IDT = gokvm.Descriptor{Base: s.IDTR.Base, Limit: s.IDTR.Limit}
	k.CR0, k.CR2, k.CR3, k.CR4, k.CR8, k.EFER = s.CR0, s.CR2, s.CR3, s.CR4, s.CR8, s.EFER
	k.InterruptBitmap = [4]uint64{}
	if err := gokvm.SetSregs(c.fd, k); err != nil {
		return fmt.Errorf("system registers: %w", err)
	}
	c.data().CR8 = s.CR8 // without an in-kernel APIC this is what KVM_RUN takes
	return nil
}

func segmentFromKVM(k gokvm.Segment) machine.Segment {
	a := uint32(k.Typ) | uint32(k.S)<<4 | uint32(k.DPL)<<5 | uint32(k.Present)<<7 | uint32(k.AVL)<<12 |
		uint32(k.L)<<13 | uint32(k.DB)<<14 | uint32(k.G)<<15 | uint32(k.Unusable)<<16
	return machine.Segment{Selector: k.Selector, Base: k.Base, Limit: k.Limit, Access: a}
}

func segmentToKVM(s machine.Segment) gokvm.Segment {
	bit := func(shift int) uint8 { return uint8(s.Access >> shift & 1) }
	return gokvm.Segment{
		Base: s.Base, Limit: s.Limit, Selector: s.Selector,
		Typ: uint8(s.Access & machine.AccessTypeMask), S: bit(4), DPL: uint8(s.Access >> machine.AccessDPLShift & 3), Present: bit(7),
		AVL: bit(12), L: bit(13), DB: bit(14), G: bit(15), Unusable: bit(16),
	}
}

func (c *vcpu) getDebug(s *machine.AMD64State) error {
	var d gokvm.DebugRegs
	if err := gokvm.GetDebugRegs(c.fd, &d); err != nil {
		return fmt.Errorf("debug registers: %w", err)
	}
	s.DR, s.DR6, s.DR7 = d.DB, d.DR6, d.DR7
	return nil
}

func (c *vcpu) setDebugRegisters(s *machine.AMD64State) error {
	if err := gokvm.SetDebugRegs(c.fd, &gokvm.DebugRegs{DB: s.DR, DR6: s.DR6, DR7: s.DR7}); err != nil {
		return fmt.Errorf("debug registers: %w", err)
	}
	return nil
}

func (c *vcpu) getXCR(s *machine.AMD64State) error {
	var x gokvm.XCRS
	if err := gokvm.GetXCRS(c.fd, &x); err != nil {
		return fmt.Errorf("XCR0: %w", err)
	}
	if x.NrXRCS > 0 {
		s.XCR0 = x.Registers[0].Value
	}
	return nil
}

func (c *vcpu) setXCR(s *machine.AMD64State) error {
	if s.XCR0 == 0 {
		return nil
	}
	x := gokvm.XCRS{NrXRCS: 1}
	x.Registers[0].Value = s.XCR0
	if err := gokvm.SetXCRS(c.fd, &x); err != nil {
		return fmt.Errorf("XCR0 %#x: %w", s.XCR0, err)
	}
	return nil
}

func (c *vcpu) getXSAVE(s *machine.AMD64State) error {
	area, err := c.xsave()
	if err != nil {
		return err
	}
	copy(s.FXSAVE[:], area)
	return nil
}

func (c *vcpu) xsave() ([]byte, error) {
	area := make([]byte, xsaveSize)
	if _, err := gokvm.Ioctl(c.fd, ioctlGetXSAVE, uintptr(unsafe.Pointer(&area[0]))); err != nil {
		return nil, fmt.Errorf("XSAVE area: %w", err)
	}
	return area, nil
}

// setXSAVE replaces x87 and SSE state. An all-zero image is none.
func (c *vcpu) setXSAVE(s *machine.AMD64State) error {
	if s.FXSAVE == [512]byte{} {
		return nil
	}
	area, err := c.xsave()
	if err != nil {
		return err
	}
	copy(area, s.FXSAVE[:])
	bv := binary.LittleEndian.Uint64(area[xstateBV:])
	binary.LittleEndian.PutUint64(area[xstateBV:], bv|xstateX87|xstateSSE)
	if _, err := gokvm.Ioctl(c.fd, ioctlSetXSAVE, uintptr(unsafe.Pointer(&area[0]))); err != nil {
		return fmt.Errorf("XSAVE area: %w", err)
	}
	return nil
}

func (c *vcpu) getEvents(s *machine.AMD64State) error {
	var e gokvm.VCPUEvents
	if err := gokvm.GetVCPUEvents(c.fd, &e); err != nil {
		return fmt.Errorf("events: %w", err)
	}
	s.NMIBlocked = e.N.Masked != 0
	s.NMIPending = e.N.Pending != 0 || e.N.Inject != 0 || c.nmi.Load()
	return nil
}

func (c *vcpu) setEvents(s *machine.AMD64State) error {
	e := gokvm.VCPUEvents{Flags: nmiPendingValid}
	if s.NMIBlocked {
		e.N.Masked = 1
	}
	if s.NMIPending {
		e.N.Pending = 1
	}
	c.nmi.Store(false)
	if err := gokvm.SetVCPUEvents(c.fd, &e); err != nil {
		return fmt.Errorf("events: %w", err)
	}
	return nil
}

// setActivity is how a CPU is turned on and off. KVM refuses MP states without
// its interrupt controller; there the machine keeps them.
func (c *vcpu) setActivity(s *machine.AMD64State) error {
	c.activity = s.Activity
	state := map[machine.Activity]uint32{
		machine.Running: gokvm.MPStateRunnable, machine.Waiting: gokvm.MPStateHalted, machine.Off: gokvm.MPStateUninitialized,
	}[s.Activity]
	if !c.hasAPIC {
		return nil
	}
	if err := gokvm.SetMPState(c.fd, &gokvm.MPState{State: state}); err != nil {
		return fmt.Errorf("activity: %w", err)
	}
	return nil
}
