package virtio

import (
	"fmt"
	"math"
	"math/bits"
	"time"

	"github.com/seed64aab995/rescuekernel/device"
)

// Block is a virtio block device. It is for one goroutine at a time.
type Block struct {
	transport Transport
	now       func() time.Time
	timeout   time.Duration

	ring     *ring
	memory   device.Region // all that the device may reach
	spare    device.Region
	requests []request
	inFlight int // shown to the device and not answered
	pending  int // pushed and not shown
	failed   error

	size        int64
	sector      int
	maxTransfer int
	bufferSize  int
	features    uint64

	notifications uint64
}

// wantedFeatures are the features that the driver makes use of.
const wantedFeatures = FeatureBlockSizeMax | FeatureBlockReadOnly | FeatureBlockSectorSize | FeatureBlockFlush

// maxTransfer is the most data of one request: a device may have to copy it.
const maxTransfer = MaxBufferSize

// blockQueue is the one queue that is used of a block device (5.2.2).
const blockQueue = 0

// NewBlock resets the device, whatever state it was left in, and starts it. All
// memory is taken and all limits are known when it returns; requests allocate
// nothing unless they fail. Close or a failure resets the device again.
func NewBlock(t Transport, o Options) (*Block, error) {
	if kind := t.Type(); kind != TypeBlock {
		return nil, fmt.Errorf("virtio device of type %d, not a disk: %w", kind, ErrNoDevice)
	}
	o = o.complete()
	b := &Block{transport: t, now: o.Now, timeout: o.Timeout, memory: o.Memory, spare: o.Memory, bufferSize: o.BufferSize}
	var err error
	if b.features, err = negotiate(t, wantedFeatures, o.Now, o.Timeout); err != nil {
		return nil, fmt.Errorf("virtio disk: %w", err)
	}
	if err = b.start(o); err != nil {
		t.SetStatus(0)
		return nil, fmt.Errorf("virtio disk: %w", err)
	}
	return b, nil
}

// start reads the configuration and turns the queue on.
func (b *Block) start(o Options) error {
	if err := b.configure(); err != nil {
		return err
	}
	entries, depth, err := b.queueSize(o.Depth)
	if err != nil {
		return err
	}
	if b.ring, err = newRing(&b.spare, entries); err != nil {
		return err
	}
	if err := b.makeRequests(depth); err != nil {
		return err
	}
	if err := b.transport.SetQueue(blockQueue, entries, b.ring.addresses()); err != nil {
		return err
	}
	status := uint8(StatusAcknowledge | StatusDriver | StatusDriverOK)
	if !b.transport.Legacy() {
		status |= StatusFeaturesOK
	}
	b.transport.SetStatus(status)
	return nil
}

// queueSize chooses the size of the queue, a power of two, and how many requests
// there will be.
func (b *Block) queueSize(depth int) (uint16, int, error) {
	most := b.transport.QueueSize(blockQueue)
	if most <= descriptorsPerRequest || most > MaxQueueSize || b.transport.FixedQueueSize() && most&(most-1) != 0 {
		return 0, 0, fmt.Errorf("queue of %d entries: %w", most, ErrTransport)
	}
	entries := uint16(1) << (bits.Len16(most) - 1)
	depth = min(depth, int(entries)/descriptorsPerRequest)
	if !b.transport.FixedQueueSize() {
		for int(entries/2) >= depth*descriptorsPerRequest {
			entries /= 2
		}
	}
	return entries, depth, nil
}

// configure reads size and limits.
func (b *Block) configure() error {
	var sectors uint64
	var sectorSize, sizeMax uint32
	err := readConfig(b.transport, func(config device.Registers) {
		sectors = uint64(config.Read32(BlockConfigCapacity+4))<<32 | uint64(config.Read32(BlockConfigCapacity))
		sectorSize, sizeMax = SectorUnit, math.MaxUint32
		if b.features&FeatureBlockSectorSize != 0 {
			sectorSize = config.Read32(BlockConfigSectorSize)
		}
		if b.features&FeatureBlockSizeMax != 0 {
			sizeMax = config.Read32(BlockConfigSizeMax)
		}
	})
	switch {
	case err != nil:
		return err
	case sectors > math.MaxInt64/SectorUnit:
		return fmt.Errorf("capacity of %#x sectors: %w", sectors, ErrTransport)
	case sectorSize < SectorUnit || sectorSize > pageSize || sectorSize&(sectorSize-1) != 0:
		return fmt.Errorf("sectors of %d bytes: %w", sectorSize, ErrTransport)
	case sizeMax < sectorSize:
		return fmt.Errorf("requests of at most %d bytes: %w", sizeMax, ErrTransport)
	}
	b.sector = int(sectorSize)
	b.size = int64(sectors) * SectorUnit
	b.maxTransfer = int(min(sizeMax, maxTransfer)) &^ (b.sector - 1)
	b.bufferSize = min(b.bufferSize, b.maxTransfer)
	return nil
}

// Size is the device's size in bytes.
func (b *Block) Size() int64 { return b.size }

// SectorSize is what offsets and lengths must be multiples of, a power of two
// from 512 to 4096.
func (b *Block) SectorSize() int { return b.sector }

// ReadOnly reports whether the device refuses writes.
func (b *Block) ReadOnly() bool { return b.features&FeatureBlockReadOnly != 0 }

// Depth is how many requests can be in flight.
func (b *Block) Depth() int { return len(b.requests) }

// BufferSize is how many bytes one request can hold that go through its buffer.
func (b *Block) BufferSize() int { return b.bufferSize }

// MaxTransfer is how many bytes one request can hold that lie in Options.Memory.
func (b *Block) MaxTransfer() int { return b.maxTransfer }

// Spare is what the driver has left of Options.Memory. Data there are not
// copied.
func (b *Block) Spare() device.Region { return b.spare }

// Notifications is how often the device was notified: what costs a virtual
// machine an exit.
func (b *Block) Notifications() uint64 { return b.notifications }

// Close resets the device, so that it reaches no memory any more. Requests in
// flight are lost. The Block cannot be used afterwards.
func (b *Block) Close() error {
	if b.failed == nil {
		b.abandon(ErrClosed)
	}
	return reset(b.transport, b.now, b.timeout)
}
