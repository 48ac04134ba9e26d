package device

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/seed64aab995/rescuekernel/device/virtio"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// BlockConfig says what a disk is.
type BlockConfig struct {
	// Disk is its name, size and storage.
	Disk machine.Disk

	// Memory is what the device reaches by DMA: the machine's RAM.
	Memory physmem.Memory

	// Interrupt, where not nil, is told the level of the device's interrupt line
	// when it changes. Message signalled interrupts are not sent.
	Interrupt func(asserted bool)

	// Sleep lets time pass for Faults.Delay; nil is time.Sleep. A machine of
	// virtual time has its own.
	Sleep func(time.Duration)

	Faults Faults
}

// Block is a virtio block device: what all of its transports have in common. It
// is used by one transport.
type Block struct {
	config   BlockConfig
	dma      dma
	line     func() bool // whether the transport lets interrupts through
	function *Function   // of a PCI device
	msix     int         // where it has the MSI-X capability
	counters counters
	problem  atomic.Pointer[error]

	offered       uint64 // features
	accepted      uint64
	deviceSelect  uint32 // which 32 features are read
	driverSelect  uint32 // which are written
	status        byte
	isr           byte // (4.1.4.5)
	asserted      bool
	storming      bool
	legacy        bool // the driver set the status through a legacy interface
	queue         ring
	queueSelect   uint16
	configVector  uint16
	configuration [virtio.BlockConfigSize]byte
	pending       bool // the machine was stopped with requests left
	pageSize      uint64
	alignment     uint64

	chain  chain // reused
	buffer []byte
}

// Bits of the interrupt status (4.1.4.5, 4.2.2).
const (
	interruptQueue         = 1 << 0
	interruptConfiguration = 1 << 1
)

// checkDisk refuses what no device can be made of.
func checkDisk(d machine.Disk) error {
	switch {
	case d.Storage == nil:
		return fmt.Errorf("%q has no storage", d.Name)
	case d.Size <= 0 || d.Size%virtio.SectorUnit != 0:
		return fmt.Errorf("%q of %d bytes is not whole sectors of %d", d.Name, d.Size, virtio.SectorUnit)
	}
	return nil
}

// NewBlock makes a disk as after power-on.
func NewBlock(config BlockConfig) (*Block, error) {
	d := config.Disk
	if err := checkDisk(d); err != nil {
		return nil, fmt.Errorf("disk %w", err)
	}
	if config.Memory == nil {
		return nil, fmt.Errorf("disk %q has no memory to reach", d.Name)
	}
	if config.Sleep == nil {
		config.Sleep = time.Sleep
	}
	b := &Block{
		config: config, dma: dma{config.Memory}, line: func() bool { return true },
		offered: virtio.FeatureVersion1 | virtio.FeatureAnyLayout | virtio.FeatureIndirect |
			virtio.FeatureBlockSegMax | virtio.FeatureBlockSectorSize | virtio.FeatureBlockFlush,
		buffer: make([]byte, chunk),
	}
	if d.ReadOnly {
		b.offered |= virtio.FeatureBlockReadOnly
	}
	c := b.configuration[:]
	binary.LittleEndian.PutUint64(c[virtio.BlockConfigCapacity:], uint64(d.Size/virtio.SectorUnit))
	binary.LittleEndian.PutUint32(c[virtio.BlockConfigSegMax:], QueueSize-2) // all but header and status
	binary.LittleEndian.PutUint32(c[virtio.BlockConfigSectorSize:], virtio.SectorUnit)
	b.clear()
	return b, nil
}

// Disk is what the device was made of.
func (b *Block) Disk() machine.Disk { return b.config.Disk }

// Problem is why the device last needed a reset; nil if it never did. It may be
// called at any time.
func (b *Block) Problem() error {
	if p := b.problem.Load(); p != nil {
		return *p
	}
	return nil
}

// clear is the state after a reset (2.4).
func (b *Block) clear() {
	b.accepted, b.deviceSelect, b.driverSelect = 0, 0, 0
	b.status, b.isr, b.legacy, b.pending = 0, 0, false, false
	b.queue, b.queueSelect, b.configVector = newRing(), 0, virtio.NoVector
	b.pageSize, b.alignment = virtio.LegacyAlignment, virtio.LegacyAlignment
	b.updateLine()
}

// setStatus is a write of the device status by a driver (2.1, 3.1.1).
func (b *Block) setStatus(v byte, legacy bool) {
	if v == 0 {
		b.counters.resets.Add(1)
		b.clear()
		return
	}
	b.legacy = legacy
	if !legacy && v&^b.status&virtio.StatusFeaturesOK != 0 && !b.acceptable() {
		v &^= virtio.StatusFeaturesOK
	}
	b.status = v | b.status&virtio.StatusNeedsReset
}

// acceptable is whether a driver of version 1 has chosen features that are
// offered to it.
func (b *Block) acceptable() bool {
	return b.accepted&^b.modernFeatures() == 0 && b.accepted&virtio.FeatureVersion1 != 0
}

// modernFeatures are those offered to drivers of version 1.
func (b *Block) modernFeatures() uint64 { return b.offered &^ virtio.FeatureAnyLayout }

// legacyFeatures are those offered to legacy drivers.
func (b *Block) legacyFeatures() uint64 { return b.offered & 0xffff_ffff }

// accept takes 32 features that a driver writes. When it has said that that
// is all, they stay.
func (b *Block) accept(half, v uint32) {
	if half > 1 || b.status&virtio.StatusFeaturesOK != 0 {
		return
	}
	shift := 32 * half
	b.accepted = b.accepted&^(0xffff_ffff<<shift) | uint64(v)<<shift
}

// live is whether the device may use its queue.
func (b *Block) live() bool {
	const ready = virtio.StatusDriverOK
	if b.status&(ready|virtio.StatusNeedsReset) != ready || !b.queue.enabled {
		return false
	}
	return b.legacy || b.status&virtio.StatusFeaturesOK != 0
}

// fail puts the device out of order until it is reset (2.1.2).
func (b *Block) fail(err error) {
	b.problem.Store(&err)
	b.status |= virtio.StatusNeedsReset
	b.raise(interruptConfiguration)
}

// raise asks for an interrupt.
func (b *Block) raise(bits byte) {
	b.isr |= bits
	b.counters.interrupts.Add(1)
	b.updateLine()
}

// readISR is a read of the interrupt status that acknowledges (4.1.4.5).
func (b *Block) readISR() byte {
	v := b.isr
	b.isr = 0
	b.updateLine()
	return v
}

// updateLine tells the machine what the interrupt line is now.
func (b *Block) updateLine() {
	asserted := b.isr != 0 && b.line() || b.storming
	if asserted == b.asserted && !b.storming {
		return
	}
	b.asserted = asserted
	if b.config.Interrupt != nil {
		b.config.Interrupt(asserted)
	}
}

// access is the beginning of every access to the device's registers.
func (b *Block) access() {
	b.counters.accesses.Add(1)
	if b.storming {
		b.counters.interrupts.Add(1)
		b.updateLine()
	}
}
