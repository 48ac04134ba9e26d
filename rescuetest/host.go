package rescuetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/seed64aab995/rescuekernel/container/target"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/imagebuild"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/rescue"
)

// RescuePackage is the rescue program of a Host that is given none.
const RescuePackage = "github.com/seed64aab995/rescuekernel/cmd/rescue-kernel"

var (
	// ErrNotPanicked says that Rescue was called before Panic.
	ErrNotPanicked = errors.New("the host has not panicked")

	// ErrRefused says that the panic path did not hand over: nothing is armed, a
	// seal was broken, or too many boots in a row have panicked.
	ErrRefused = errors.New("no hand-off")

	// ErrUnsupported says that the panic path does not run on this computer.
	ErrUnsupported = errors.New("the panic path runs on amd64 and arm64 only")

	// ErrFalse says that a dump is not true, or that the rescue program changed the
	// host's memory. Only a defect of ours, or of an Image, can be the cause.
	ErrFalse = errors.New("the dump is false")
)

// Config is the host to make. Its zero value is a useful one.
type Config struct {
	// Architecture of the host; 0 = handoff.AMD64.
	Architecture handoff.Architecture

	// MemorySize is the host's RAM in bytes, whole MiB; 0 = 32 MiB.
	MemorySize uint64

	// Name is the host's name; "" = "rescuetest".
	Name string

	// Rescue is the rescue program, as imagebuild makes it; nil: RescuePackage is
	// built, with the go command, and kept in the user's cache.
	Rescue []byte

	// Source is the directory of a module that has this one, for building; "" = the
	// current one, which is that of the test.
	Source string

	// DiskSize is the size of the labelled disk; 0: any dump of this host fits.
	DiskSize int64

	// Console, if set, is given what the rescue program prints.
	Console io.Writer

	// Memory, if set, is what an earlier host left in RAM at a warm reset (see
	// Dump.Memory): its fault records are found when arming.
	Memory physmem.Reader
}

func (c *Config) complete() error {
	if c.Architecture == 0 {
		c.Architecture = handoff.AMD64
	}
	if c.Architecture != handoff.AMD64 && c.Architecture != handoff.ARM64 {
		return fmt.Errorf("rescuetest: hosts of %v: %w", c.Architecture, machine.ErrUnsupported)
	}
	if c.MemorySize == 0 {
		c.MemorySize = 32 << 20
	}
	if c.MemorySize%(1<<20) != 0 || c.MemorySize < 16<<20 || c.MemorySize > 2<<30 {
		return fmt.Errorf("rescuetest: %d bytes of RAM, want whole MiB from 16 MiB to 2 GiB", c.MemorySize)
	}
	if c.DiskSize < 0 {
		return fmt.Errorf("rescuetest: a disk of %d bytes", c.DiskSize)
	}
	if c.Name == "" {
		c.Name = "rescuetest"
	}
	if c.DiskSize == 0 {
		c.DiskSize = int64(c.MemorySize + c.MemorySize/8 + 16<<20)
	}
	return nil
}

// Host is a host that a test plays. It implements rescue.Platform. Its methods may
// be called from any goroutine, but not while Panic or Rescue run.
type Host struct {
	config Config
	layout layout
	image  []byte
	ram    []byte
	target handoff.Target
	disk   *disk

	mu        sync.Mutex
	tables    tables
	bitmap    *minidump.PageBitmap
	heap      physmem.Address // the next that Allocate gives
	used      physmem.Ranges  // RAM that is not free
	protected physmem.Ranges
	handler   handoff.PanicHandler
	lent      handoff.PanicMachine // functions that the panic area has the addresses of
	written   uint64               // bytes, to the message buffer
	panicked  *handoff.PanicContext
	jump      physmem.Address // the trampoline, 0: no hand-off
}

var _ rescue.Platform = (*Host)(nil)

// New makes a host, and the rescue program if none is given.
func New(c Config) (*Host, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	h := &Host{config: c, image: c.Rescue, ram: make([]byte, c.MemorySize)}
	if h.image == nil {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		defer cancel()
		built, err := imagebuild.Cached(ctx, "", imagebuild.Options{Package: RescuePackage, Directory: c.Source, Architecture: c.Architecture})
		if err != nil {
			return nil, fmt.Errorf("rescuetest: %w", err)
		}
		if h.image, err = os.ReadFile(built.Image); err != nil {
			return nil, fmt.Errorf("rescuetest: %w", err)
		}
	}
	if c.Memory != nil {
		if _, err := c.Memory.ReadPhysical(h.ram, start(c.Architecture)); err != nil {
			return nil, fmt.Errorf("rescuetest: the earlier host's memory: %w", err)
		}
	}
	if err := h.makeMemory(); err != nil {
		return nil, fmt.Errorf("rescuetest: %w", err)
	}
	if err := h.makeDisk(); err != nil {
		return nil, fmt.Errorf("rescuetest: %w", err)
	}
	return h, nil
}

// Close frees what the host holds.
func (h *Host) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ram, h.disk, h.handler = nil, nil, handoff.PanicHandler{}
	return nil
}

// Image is the rescue program, for rescue.Config.
func (h *Host) Image() io.ReaderAt { return sectionOf(h.image) }

// Targets is the labelled disk, for rescue.Config.
func (h *Host) Targets() []handoff.Target { return []handoff.Target{h.target} }

// Device opens the disk of a target, for rescue.Config.Devices.
func (h *Host) Device(t handoff.Target) (rescue.Device, error) {
	if t.Bus != h.target.Bus || t.Address != h.target.Address {
		return nil, fmt.Errorf("rescuetest: no disk at %#x on bus %v: %w", t.Address, t.Bus, os.ErrNotExist)
	}
	return h.disk, nil
}

// makeDisk labels a disk.
func (h *Host) makeDisk() error {
	h.disk = &disk{content: make([]byte, h.config.DiskSize)}
	label, err := target.Prepare(h.disk, target.PrepareOptions{Size: h.config.DiskSize, ID: [16]byte{'r', 'e', 's', 'c', 'u', 'e', 't', 'e', 's', 't'}, Time: time.Unix(0, 0)})
	if err != nil {
		return err
	}
	h.target = handoff.Target{
		Kind: handoff.TargetBlock, DeviceSize: uint64(h.config.DiskSize), Start: uint64(label.Start), Length: uint64(label.Length), Label: label.ID,
		Bus: handoff.BusPCI, Address: 1 << 11, // device 1 of bus 0: emulator/device.Board
	}
	if h.config.Architecture == handoff.ARM64 {
		h.target.Bus, h.target.Address = handoff.BusMMIO, 0x0a00_0000+31*0x200 // the last slot of QEMU's virt
	}
	return nil
}
