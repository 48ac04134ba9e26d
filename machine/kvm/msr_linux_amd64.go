package kvm

import (
	"fmt"
	"unsafe"

	gokvm "github.com/bobuhiro11/gokvm/kvm"

	"github.com/seed64aab995/rescuekernel/machine"
)

// msrBlock is struct kvm_msrs with room for the registers below.
type msrBlock struct {
	Count   uint32
	_       uint32
	Entries [7]gokvm.MSREntry
}

var (
	ioctlGetMSRs = gokvm.IIOWR(0x88, 8)
	ioctlSetMSRs = gokvm.IIOW(0x89, 8)
)

const msrTSC = 0x10

// msrFields pairs model specific registers with the state's fields. gokvm's
// own SetMSRs does not say how many KVM took.
func msrFields(s *machine.AMD64State) ([]uint32, []*uint64) {
	return []uint32{gokvmMSR(gokvm.MSRKERNELGSBASE), gokvmMSR(gokvm.MSRSTAR), gokvmMSR(gokvm.MSRLSTAR), gokvmMSR(gokvm.MSRCSTAR), gokvmMSR(gokvm.MSRFMASK), gokvmMSR(gokvm.MSRPAT), msrTSC},
		[]*uint64{&s.KernelGSBase, &s.STAR, &s.LSTAR, &s.CSTAR, &s.FMASK, &s.PAT, &s.TSC}
}

func gokvmMSR(m gokvm.MSR) uint32 { return uint32(m) }

func (c *vcpu) getMSRs(s *machine.AMD64State) error {
	numbers, fields := msrFields(s)
	block := msrBlock{Count: uint32(len(numbers))}
	for i, n := range numbers {
		block.Entries[i].Index = n
	}
	n, err := gokvm.Ioctl(c.fd, ioctlGetMSRs, uintptr(unsafe.Pointer(&block)))
	if err != nil {
		return fmt.Errorf("MSRs: %w", err)
	}
	for i := range int(n) { // KVM stops at the first that it does not have
		*fields[i] = block.Entries[i].Data
	}
	return nil
}

// setMSRs writes the registers but for a TSC of 0, which means to let it run.
func (c *vcpu) setMSRs(s *machine.AMD64State) error {
	numbers, fields := msrFields(s)
	if s.TSC == 0 {
		numbers = numbers[:len(numbers)-1]
	}
	block := msrBlock{Count: uint32(len(numbers))}
	for i, n := range numbers {
		block.Entries[i] = gokvm.MSREntry{Index: n, Data: *fields[i]}
	}
	n, err := gokvm.Ioctl(c.fd, ioctlSetMSRs, uintptr(unsafe.Pointer(&block)))
	if err != nil {
		return fmt.Errorf("MSRs: %w", err)
	}
	if int(n) < len(numbers) {
		return fmt.Errorf("MSR %#x: KVM refuses the value %#x", numbers[n], *fields[n])
	}
	return nil
}
