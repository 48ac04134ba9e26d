package device

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/device/virtio"
)

// QueueSize is how many descriptors a queue has at most, and in legacy devices
// exactly.
const QueueSize = 256

// errQueue says that a guest's queue is not as a queue must be.
var errQueue = errors.New("malformed queue")

// ring is a split virtqueue as its device sees it (2.7).
type ring struct {
	size                         uint16
	enabled                      bool
	descriptors, available, used uint64
	nextAvailable                uint16 // the next entry to look at
	nextUsed                     uint16 // the index as it was told last
	vector                       uint16 // MSI-X: kept, not used
}

func newRing() ring { return ring{size: QueueSize, vector: virtio.NoVector} }

// placeLegacy puts the parts of a queue where a legacy device has them: one
// behind the other (2.7.2). Address 0 turns the queue off.
func (r *ring) placeLegacy(address, alignment uint64) {
	if address == 0 {
		*r = newRing()
		return
	}
	r.descriptors = address
	r.available = address + virtio.DescriptorSize*uint64(r.size)
	// Behind the available ring there is one more word, for used_event.
	end := r.available + virtio.AvailableRing + virtio.AvailableElement*uint64(r.size) + 2
	r.used = (end + alignment - 1) &^ (alignment - 1)
	r.nextAvailable, r.nextUsed = 0, 0
	r.enabled = true
}

// check is what a device of version 1 wants of a queue that is turned on.
func (r *ring) check() error {
	switch {
	case r.size == 0 || r.size > QueueSize || r.size&(r.size-1) != 0:
		return fmt.Errorf("%w: size %d is no power of two up to %d", errQueue, r.size, QueueSize)
	case r.descriptors%virtio.DescriptorAlignment != 0 || r.available%virtio.AvailableAlignment != 0 || r.used%virtio.UsedAlignment != 0:
		return fmt.Errorf("%w: parts at %#x, %#x, %#x are not aligned", errQueue, r.descriptors, r.available, r.used)
	}
	return nil
}

// waiting is how many requests the driver has made available.
func (r *ring) waiting(d dma) (int, error) {
	index, err := d.read16(r.available + virtio.AvailableIndex)
	if err != nil {
		return 0, fmt.Errorf("available index: %w", err)
	}
	n := index - r.nextAvailable
	if n > r.size {
		return 0, fmt.Errorf("%w: available index %d is %d beyond the last, of %d descriptors", errQueue, index, n, r.size)
	}
	return int(n), nil
}

// segment is a piece of memory of a request.
type segment struct {
	address uint64
	length  uint32
}

// chain is a request's memory.
type chain struct {
	head                uint16
	readable, writable  []segment // by the device
	readBytes, writeLen uint64
}

type descriptor struct {
	segment
	flags, next uint16
}

func readDescriptor(d dma, table uint64, index uint16) (descriptor, error) {
	var b [virtio.DescriptorSize]byte
	if err := d.read(b[:], table+virtio.DescriptorSize*uint64(index)); err != nil {
		return descriptor{}, fmt.Errorf("descriptor %d: %w", index, err)
	}
	return descriptor{
		segment{
			binary.LittleEndian.Uint64(b[virtio.DescriptorAddress:]),
			binary.LittleEndian.Uint32(b[virtio.DescriptorLength:]),
		},
		binary.LittleEndian.Uint16(b[virtio.DescriptorFlags:]),
		binary.LittleEndian.Uint16(b[virtio.DescriptorNext:]),
	}, nil
}

// pop takes the next request into c. The caller knows that one waits.
func (r *ring) pop(d dma, c *chain, indirect bool) error {
	at := r.available + virtio.AvailableRing + virtio.AvailableElement*uint64(r.nextAvailable&(r.size-1))
	head, err := d.read16(at)
	if err != nil {
		return fmt.Errorf("available ring: %w", err)
	}
	r.nextAvailable++
	if head >= r.size {
		return fmt.Errorf("%w: request at descriptor %d of %d", errQueue, head, r.size)
	}
	c.head, c.readable, c.writable, c.readBytes, c.writeLen = head, c.readable[:0], c.writable[:0], 0, 0
	return r.follow(d, c, head, indirect)
}

// follow collects a chain of descriptors. A chain that is longer than the queue
// loops (2.7.5.3.1 forbids such a one for indirect tables too).
func (r *ring) follow(d dma, c *chain, index uint16, indirect bool) error {
	table, size, inside := r.descriptors, uint32(r.size), false
	for range r.size + 1 { // one more for the descriptor of a table
		e, err := readDescriptor(d, table, index)
		if err != nil {
			return err
		}
		if e.flags&virtio.DescriptorIndirect != 0 {
			if !indirect || inside || e.flags&virtio.DescriptorHasNext != 0 || e.length == 0 || e.length%virtio.DescriptorSize != 0 {
				return fmt.Errorf("%w: descriptor %d has a table of %d bytes where there must be none", errQueue, index, e.length)
			}
			table, size, inside, index = e.address, e.length/virtio.DescriptorSize, true, 0
			continue
		}
		if err := c.add(e); err != nil {
			return fmt.Errorf("descriptor %d: %w", index, err)
		}
		if e.flags&virtio.DescriptorHasNext == 0 {
			return nil
		}
		if uint32(e.next) >= size {
			return fmt.Errorf("%w: descriptor %d is followed by %d of %d", errQueue, index, e.next, size)
		}
		index = e.next
	}
	return fmt.Errorf("%w: a chain from descriptor %d does not end in %d", errQueue, c.head, r.size)
}

func (c *chain) add(e descriptor) error {
	if e.length == 0 {
		return fmt.Errorf("%w: no bytes", errQueue)
	}
	if e.flags&virtio.DescriptorDeviceWrites != 0 {
		c.writable = append(c.writable, e.segment)
		c.writeLen += uint64(e.length)
		return nil
	}
	if len(c.writable) > 0 { // 2.7.4.2
		return fmt.Errorf("%w: memory to read from behind memory to write to", errQueue)
	}
	c.readable = append(c.readable, e.segment)
	c.readBytes += uint64(e.length)
	return nil
}

// push hands a request back.
func (r *ring) push(d dma, a Answer) error {
	var b [virtio.UsedElement]byte
	binary.LittleEndian.PutUint32(b[virtio.UsedElementID:], a.ID)
	binary.LittleEndian.PutUint32(b[virtio.UsedElementLength:], a.Length)
	at := r.used + virtio.UsedRing + virtio.UsedElement*uint64(r.nextUsed&(r.size-1))
	if err := d.write(b[:], at); err != nil {
		return fmt.Errorf("used ring: %w", err)
	}
	r.nextUsed++
	if err := d.write16(r.used+virtio.UsedIndex, a.Index); err != nil {
		return fmt.Errorf("used index: %w", err)
	}
	return nil
}

// wantsInterrupt is whether the driver wants to hear of what it got back.
func (r *ring) wantsInterrupt(d dma) bool {
	flags, err := d.read16(r.available + virtio.AvailableFlags)
	return err == nil && flags&virtio.AvailableNoInterrupt == 0
}

// each calls f for the pieces, of at most chunk bytes, of size bytes of
// segments, from skip on.
func each(segments []segment, skip, size uint64, f func(address uint64, n int) error) error {
	for _, s := range segments {
		length := uint64(s.length)
		if skip >= length {
			skip -= length
			continue
		}
		address := s.address + skip
		for left := min(length-skip, size); left > 0; {
			n := min(left, chunk)
			if err := f(address, int(n)); err != nil {
				return err
			}
			address, left, size = address+n, left-n, size-n
		}
		skip = 0
	}
	return nil
}

// place is a write, of 32 or 64 bits, to the addresses of the queue's three
// parts, which are 64 bits each from first on. They stay as they are while the
// queue is on.
func (b *Block) place(first, offset uint64, p []byte) {
	if b.queue.enabled || offset < first || len(p) != 4 && len(p) != 8 || offset%uint64(len(p)) != 0 {
		return
	}
	addresses := []*uint64{&b.queue.descriptors, &b.queue.available, &b.queue.used}
	i := (offset - first) / 8
	if i >= uint64(len(addresses)) {
		return
	}
	var bytes [8]byte
	put(bytes[:], *addresses[i])
	copy(bytes[(offset-first)%8:], p)
	*addresses[i] = value(bytes[:])
}
