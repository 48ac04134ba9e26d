package device

import "github.com/seed64aab995/rescuekernel/device/virtio"

// Where the structures of the modern interface lie in their BAR, as QEMU has
// them, and how far apart queues' notification registers are.
const (
	modernCommon     = 0x0000
	modernISR        = 0x1000
	modernDevice     = 0x2000
	modernNotify     = 0x3000
	modernPartSize   = 0x1000
	modernSize       = 4 * modernPartSize
	notifyMultiplier = 4
)

// modernParts is the memory BAR of the modern interface (4.1.4).
func modernParts(b *Block) parts {
	return parts{
		{modernCommon, virtio.CommonSize, common{b}},
		{modernISR, 1, isr{b}},
		{modernDevice, virtio.BlockConfigSize, deviceConfiguration{b}},
		{modernNotify, modernPartSize, notification{b}},
	}
}

// isr is the ISR status structure (4.1.4.5).
type isr struct{ b *Block }

func (i isr) read(_ uint64, p []byte) error {
	i.b.access()
	p[0] = i.b.readISR()
	return nil
}

func (i isr) write(uint64, []byte) error {
	i.b.access()
	return nil
}

// deviceConfiguration is the device's own configuration (5.2.4).
type deviceConfiguration struct{ b *Block }

func (c deviceConfiguration) read(offset uint64, p []byte) error {
	c.b.access()
	readImage(c.b.configuration[:], offset, p)
	return nil
}

func (c deviceConfiguration) write(uint64, []byte) error {
	c.b.access()
	return nil
}

// notification is the notification structure (4.1.4.4): which queue it is says
// the address. The driver writes the queue's number too, or the register of
// another queue is meant that there is not.
type notification struct{ b *Block }

func (n notification) read(_ uint64, p []byte) error {
	n.b.access()
	clear(p)
	return nil
}

func (n notification) write(offset uint64, p []byte) error {
	n.b.access()
	if offset != 0 || len(p) != 2 && len(p) != 4 {
		return nil
	}
	return n.b.notify(uint16(value(p)))
}

// common is the common configuration structure (4.1.4.3).
type common struct{ *Block }

func (c common) read(offset uint64, p []byte) error {
	c.access()
	var image [virtio.CommonSize]byte
	c.image(image[:])
	readImage(image[:], offset, p)
	return nil
}

// image is the structure as it reads now.
func (c common) image(p []byte) {
	put(p[virtio.CommonDeviceFeatureSelect:][:4], uint64(c.deviceSelect))
	put(p[virtio.CommonDeviceFeature:][:4], half(c.modernFeatures(), c.deviceSelect))
	put(p[virtio.CommonDriverFeatureSelect:][:4], uint64(c.driverSelect))
	put(p[virtio.CommonDriverFeature:][:4], half(c.accepted, c.driverSelect))
	put(p[virtio.CommonConfigVector:][:2], uint64(c.configVector))
	put(p[virtio.CommonQueues:][:2], 1)
	p[virtio.CommonStatus] = c.status
	put(p[virtio.CommonQueueSelect:][:2], uint64(c.queueSelect))
	if c.queueSelect != 0 {
		return // there is no such queue: its size is 0
	}
	q := &c.queue
	put(p[virtio.CommonQueueSize:][:2], uint64(q.size))
	put(p[virtio.CommonQueueVector:][:2], uint64(q.vector))
	if q.enabled {
		p[virtio.CommonQueueEnable] = 1
	}
	put(p[virtio.CommonQueueDescriptors:][:8], q.descriptors)
	put(p[virtio.CommonQueueAvailable:][:8], q.available)
	put(p[virtio.CommonQueueUsed:][:8], q.used)
}

// half is 32 of 64 bits, by number; there is nothing beyond.
func half(v uint64, number uint32) uint64 {
	if number > 1 {
		return 0
	}
	return v >> (32 * number) & 0xffff_ffff
}

func (c common) write(offset uint64, p []byte) error {
	c.access()
	v := value(p)
	switch (field{offset, len(p)}) {
	case field{virtio.CommonDeviceFeatureSelect, 4}:
		c.deviceSelect = uint32(v)
	case field{virtio.CommonDriverFeatureSelect, 4}:
		c.driverSelect = uint32(v)
	case field{virtio.CommonDriverFeature, 4}:
		c.accept(c.driverSelect, uint32(v))
	case field{virtio.CommonConfigVector, 2}:
		c.configVector = vector(v)
	case field{virtio.CommonStatus, 1}:
		c.setStatus(byte(v), false)
	case field{virtio.CommonQueueSelect, 2}:
		c.queueSelect = uint16(v)
	default:
		if c.queueSelect == 0 {
			c.writeQueue(offset, p)
		}
	}
	return nil
}

// writeQueue is a write to the registers of the queue. While it is enabled it
// stays as it is (4.1.4.3.2).
func (c common) writeQueue(offset uint64, p []byte) {
	v := value(p)
	switch (field{offset, len(p)}) {
	case field{virtio.CommonQueueVector, 2}:
		c.queue.vector = vector(v)
	case field{virtio.CommonQueueSize, 2}:
		if !c.queue.enabled {
			c.queue.size = uint16(v)
		}
	case field{virtio.CommonQueueEnable, 2}:
		if v == 1 {
			c.enable()
		}
	default:
		c.place(virtio.CommonQueueDescriptors, offset, p)
	}
}

// enable turns the queue on as the driver has set it up.
func (b *Block) enable() {
	if b.queue.enabled {
		return
	}
	if err := b.queue.check(); err != nil {
		b.fail(err)
		return
	}
	b.queue.enabled = true
	b.queue.nextAvailable, b.queue.nextUsed = 0, 0
}
