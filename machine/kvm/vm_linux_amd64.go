package kvm

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	gokvm "github.com/bobuhiro11/gokvm/kvm"
	"golang.org/x/sys/unix"

	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/internal/ram"
)

// devicePath is KVM's device.
const devicePath = "/dev/kvm"

// tssAddress is where Intel's KVM hides three pages for real mode: in the hole
// below 4 GiB, where no RAM is by default (Linux api.rst, KVM_SET_TSS_ADDR).
const tssAddress = 0xfffbd000

// maxCPUID is more entries than any KVM has.
const maxCPUID = 256

// CPUID leaves that are changed.
const (
	leafFeatures   = 0x1
	leafTopology   = 0xb
	leafTopologyV2 = 0x1f
	leafHypervisor = 0x40000000
	leafTiming     = 0x40000010 // EAX = TSC kHz, as VMware, KVM and others have it
)

// vm is what lives from a reset to the next: the kernel's VM and its CPUs.
type vm struct {
	kvm  *os.File
	fd   uintptr
	open bool
	cpus []*vcpu
}

// openKVM opens KVM's device, or says why that cannot be.
func openKVM() (*os.File, error) {
	f, err := os.OpenFile(devicePath, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", machine.ErrUnavailable, err)
	}
	version, err := gokvm.GetAPIVersion(f.Fd())
	if err != nil || version != 12 { // 12 for ever (Linux api.rst, KVM_GET_API_VERSION)
		return nil, errors.Join(fmt.Errorf("%w: %s has API version %d (%v), not 12", machine.ErrUnavailable, devicePath, version, err), f.Close())
	}
	return f, nil
}

// newVM makes a VM over memory. On error nothing is left.
func newVM(kvmFile *os.File, memory *ram.RAM, config machine.Config, bus *machine.Bus) (*vm, error) {
	fd, err := gokvm.CreateVM(kvmFile.Fd())
	if err != nil {
		return nil, fmt.Errorf("%w: create VM: %w", machine.ErrUnavailable, err)
	}
	v := &vm{kvm: kvmFile, fd: fd, open: true}
	if err := v.setUp(memory, config, bus); err != nil {
		return nil, errors.Join(err, v.close())
	}
	return v, nil
}

func (v *vm) setUp(memory *ram.RAM, config machine.Config, bus *machine.Bus) error {
	if err := gokvm.SetTSSAddr(v.fd, tssAddress); err != nil {
		return fmt.Errorf("set TSS address: %w", err)
	}
	if config.InterruptController {
		if err := gokvm.CreateIRQChip(v.fd); err != nil {
			return fmt.Errorf("create interrupt controller: %w", err)
		}
	}
	for i, r := range memory.Ranges() {
		m := memory.Mapping(i)
		err := gokvm.SetUserMemoryRegion(v.fd, &gokvm.UserspaceMemoryRegion{
			Slot: uint32(i), GuestPhysAddr: uint64(r.Start), MemorySize: r.Size(),
			UserspaceAddr: uint64(uintptr(unsafe.Pointer(&m[0]))),
		})
		if err != nil {
			return fmt.Errorf("give RAM %v to the VM (the 12 KiB at %#x are KVM's): %w", r, uint64(tssAddress), err)
		}
	}
	size, err := gokvm.GetVCPUMMmapSize(v.kvm.Fd())
	if err != nil {
		return fmt.Errorf("size of a CPU's run area: %w", err)
	}
	for i := range config.CPUs {
		c, err := newVCPU(v.fd, i, int(size), bus)
		if err != nil {
			return fmt.Errorf("CPU %d: %w", i, err)
		}
		c.hasAPIC = config.InterruptController
		v.cpus = append(v.cpus, c)
		if err := v.setCPUID(c); err != nil {
			return fmt.Errorf("CPU %d: %w", i, err)
		}
	}
	return nil
}

// setCPUID gives a CPU what KVM supports, its own number, and the TSC's
// frequency.
func (v *vm) setCPUID(c *vcpu) error {
	id := gokvm.CPUID{Nent: maxCPUID, Entries: make([]gokvm.CPUIDEntry2, maxCPUID)}
	if err := gokvm.GetSupportedCPUID(v.kvm.Fd(), &id); err != nil {
		return fmt.Errorf("supported CPUID: %w", err)
	}
	var entries []gokvm.CPUIDEntry2
	for _, e := range id.Entries[:id.Nent] {
		switch e.Function {
		case leafFeatures:
			e.Ebx = e.Ebx&0x00ffffff | uint32(c.index)<<24
		case leafTopology, leafTopologyV2:
			e.Edx = uint32(c.index)
		case leafHypervisor:
			e.Eax = leafTiming // the highest leaf
		case leafTiming:
			continue
		}
		entries = append(entries, e)
	}
	khz, err := gokvm.GetTSCKHz(c.fd)
	if err == nil {
		entries = append(entries, gokvm.CPUIDEntry2{Function: leafTiming, Eax: uint32(khz), Ebx: 1_000_000})
	}
	if err := gokvm.SetCPUID2(c.fd, &gokvm.CPUID{Nent: uint32(len(entries)), Entries: entries}); err != nil {
		return fmt.Errorf("set CPUID: %w", err)
	}
	return nil
}

// close ends the CPUs' threads and closes what the kernel holds.
func (v *vm) close() error {
	var errs []error
	for _, c := range v.cpus {
		errs = append(errs, c.close())
	}
	v.cpus = nil
	if v.open {
		v.open = false
		errs = append(errs, unix.Close(int(v.fd)))
	}
	return errors.Join(errs...)
}
