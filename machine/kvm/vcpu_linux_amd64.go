package kvm

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"unsafe"

	gokvm "github.com/bobuhiro11/gokvm/kvm"
	"golang.org/x/sys/unix"

	"github.com/seed64aab995/rescuekernel/machine"
)

// ioctl numbers that gokvm has no function for (Linux include/uapi/linux/kvm.h).
var (
	ioctlRun           = gokvm.IIO(0x80)
	ioctlNMI           = gokvm.IIO(0x9a)
	ioctlSetGuestDebug = gokvm.IIOW(0x9b, unsafe.Sizeof(guestDebug{}))
)

// vcpu is a CPU and the thread that runs it. KVM wants a CPU's ioctls from one
// thread, and a signal needs to know whom to stop.
type vcpu struct {
	index int
	fd    uintptr
	area  []byte // struct kvm_run and what it points to
	bus   *machine.Bus

	jobs   chan func()
	thread atomic.Int32 // that is in run, or will be

	debug guestDebug // what KVM was told last

	stopping atomic.Bool // leave run at the next chance
	nmi      atomic.Bool // sent, not given to KVM yet: as on the wire, two are one

	activity machine.Activity // set by the machine while the CPU stands still
	hasAPIC  bool             // KVM keeps the activity
}

func newVCPU(vmFD uintptr, index, size int, bus *machine.Bus) (*vcpu, error) {
	c := &vcpu{index: index, bus: bus, jobs: make(chan func())}
	started := make(chan error)
	go c.serve(vmFD, size, started)
	if err := <-started; err != nil {
		return nil, err
	}
	if index != 0 {
		c.activity = machine.Off
	}
	return c, nil
}

// serve is the CPU's thread.
func (c *vcpu) serve(vmFD uintptr, size int, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	started <- c.create(vmFD, size)
	for job := range c.jobs {
		job()
	}
}

func (c *vcpu) create(vmFD uintptr, size int) error {
	fd, err := gokvm.CreateVCPU(vmFD, c.index)
	if err != nil {
		close(c.jobs)
		return fmt.Errorf("create: %w", err)
	}
	c.area, err = unix.Mmap(int(fd), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		close(c.jobs)
		return errors.Join(fmt.Errorf("map run area: %w", err), unix.Close(int(fd)))
	}
	c.fd = fd
	return nil
}

func (c *vcpu) close() error {
	close(c.jobs)
	return errors.Join(unix.Munmap(c.area), unix.Close(int(c.fd)))
}

// data is struct kvm_run as gokvm knows it.
func (c *vcpu) data() *gokvm.RunData { return (*gokvm.RunData)(unsafe.Pointer(&c.area[0])) }

// setImmediateExit sets or clears kvm_run.immediate_exit, with which KVM_RUN
// returns at once. It is the second byte of a word that is 0 otherwise, and it
// is set by other threads.
func (c *vcpu) setImmediateExit(on uint32) {
	atomic.StoreUint32((*uint32)(unsafe.Pointer(&c.area[0])), on<<8)
}

// interrupt makes the CPU's thread leave KVM_RUN soon, whether it is in it or
// about to enter it. The signal is one that Go's runtime ignores.
func (c *vcpu) interrupt() {
	c.setImmediateExit(1)
	_ = unix.Tgkill(unix.Getpid(), int(c.thread.Load()), unix.SIGURG)
}

// stop makes run return.
func (c *vcpu) stop() {
	c.stopping.Store(true)
	c.interrupt()
}

// run lets the CPU run until it stops itself or is stopped: then the exit is
// nil. The thread that calls it must be locked to its goroutine.
func (c *vcpu) run() (*machine.Exit, error) {
	c.thread.Store(int32(unix.Gettid()))
	for {
		if err := c.deliverNMI(); err != nil {
			return nil, err
		}
		if c.stopping.Load() {
			return nil, nil
		}
		_, err := gokvm.Ioctl(c.fd, ioctlRun, 0)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
			// A signal of interrupt or of Go's own, or a CPU that got its SIPI.
			// First cleared, then looked: an interrupt in between is not lost.
			c.setImmediateExit(0)
			continue
		case err != nil:
			return nil, fmt.Errorf("run CPU %d: %w", c.index, err)
		}
		exit := c.handle()
		if exit == nil {
			continue
		}
		if err := c.complete(); err != nil {
			return nil, err
		}
		return c.locate(exit)
	}
}

// sendNMI makes the CPU take an NMI. One that comes before the last was taken
// is none: a caller that sends without end holds up the guest, but not run.
func (c *vcpu) sendNMI() {
	if c.nmi.CompareAndSwap(false, true) {
		c.interrupt()
	}
}

func (c *vcpu) deliverNMI() error {
	if !c.nmi.Swap(false) {
		return nil
	}
	if _, err := gokvm.Ioctl(c.fd, ioctlNMI, 0); err != nil {
		return fmt.Errorf("NMI to CPU %d: %w", c.index, err)
	}
	return nil
}

// complete lets KVM finish the instruction whose exit was handled, so that the
// registers are those after it (Linux api.rst, KVM_RUN, the note on pending
// operations).
func (c *vcpu) complete() error {
	switch gokvm.ExitType(c.data().ExitReason) {
	case gokvm.EXITIO, gokvm.EXITMMIO:
	default:
		return nil
	}
	c.setImmediateExit(1)
	_, err := gokvm.Ioctl(c.fd, ioctlRun, 0)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("complete access of CPU %d: %w", c.index, err)
	}
	return nil
}

// locate adds to an exit which CPU it was, and where.
func (c *vcpu) locate(exit *machine.Exit) (*machine.Exit, error) {
	exit.CPU = c.index
	regs, err := gokvm.GetRegs(c.fd)
	if err != nil {
		return nil, fmt.Errorf("registers of CPU %d: %w", c.index, err)
	}
	exit.PC = regs.RIP
	return exit, nil
}
