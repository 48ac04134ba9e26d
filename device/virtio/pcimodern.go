package virtio

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/device"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// ModernParts are the registers of a PCI device of version 1, which its
// capabilities name.
type ModernParts struct {
	Common device.Registers
	Device device.Registers // the device's configuration

	// Notify gives the register that is Offset bytes into the notification
	// structure, 2 bytes wide. Offset is what the device says.
	Notify func(offset uint64) (device.Registers, error)

	// NotifyMultiplier is how far the registers of queues lie apart.
	NotifyMultiplier uint32
}

// ModernPCI is the interface of PCI devices since version 1 (4.1.4).
type ModernPCI struct {
	parts      ModernParts
	deviceType uint32
	queue      uint16 // that notify is for
	notify     device.Registers
}

var _ Transport = (*ModernPCI)(nil)

// NewModernPCI makes a transport of the parts.
func NewModernPCI(parts ModernParts, deviceType uint32) *ModernPCI {
	return &ModernPCI{parts: parts, deviceType: deviceType}
}

// Type implements Transport.
func (m *ModernPCI) Type() uint32 { return m.deviceType }

// Legacy implements Transport.
func (m *ModernPCI) Legacy() bool { return false }

// Status implements Transport.
func (m *ModernPCI) Status() uint8 { return m.parts.Common.Read8(CommonStatus) }

// SetStatus implements Transport.
func (m *ModernPCI) SetStatus(v uint8) { m.parts.Common.Write8(CommonStatus, v) }

// Features implements Transport.
func (m *ModernPCI) Features() uint64 {
	c := m.parts.Common
	c.Write32(CommonDeviceFeatureSelect, 0)
	low := c.Read32(CommonDeviceFeature)
	c.Write32(CommonDeviceFeatureSelect, 1)
	return uint64(c.Read32(CommonDeviceFeature))<<32 | uint64(low)
}

// SetFeatures implements Transport.
func (m *ModernPCI) SetFeatures(features uint64) {
	c := m.parts.Common
	c.Write32(CommonDriverFeatureSelect, 0)
	c.Write32(CommonDriverFeature, uint32(features))
	c.Write32(CommonDriverFeatureSelect, 1)
	c.Write32(CommonDriverFeature, uint32(features>>32))
}

// QueueSize implements Transport.
func (m *ModernPCI) QueueSize(queue uint16) uint16 {
	m.parts.Common.Write16(CommonQueueSelect, queue)
	return m.parts.Common.Read16(CommonQueueSize)
}

// FixedQueueSize implements Transport.
func (m *ModernPCI) FixedQueueSize() bool { return false }

// SetQueue implements Transport. One queue can be notified: the last.
func (m *ModernPCI) SetQueue(queue uint16, size uint16, at QueueAddresses) error {
	c := m.parts.Common
	c.Write16(CommonConfigVector, NoVector)
	c.Write16(CommonQueueSelect, queue)
	offset := uint64(c.Read16(CommonQueueNotifyOffset)) * uint64(m.parts.NotifyMultiplier)
	notify, err := m.parts.Notify(offset)
	if err != nil {
		return fmt.Errorf("notification register of virtio queue %d: %w", queue, err)
	}
	m.queue, m.notify = queue, notify
	c.Write16(CommonQueueSize, size)
	c.Write16(CommonQueueVector, NoVector)
	for _, part := range [3]struct {
		register uint64
		at       physmem.Address
	}{{CommonQueueDescriptors, at.Descriptors}, {CommonQueueAvailable, at.Available}, {CommonQueueUsed, at.Used}} {
		c.Write32(part.register, uint32(part.at))
		c.Write32(part.register+4, uint32(part.at>>32))
	}
	c.Write16(CommonQueueEnable, 1)
	return nil
}

// Notify implements Transport.
func (m *ModernPCI) Notify(queue uint16) {
	if m.notify != nil && queue == m.queue {
		m.notify.Write16(0, queue)
	}
}

// Config implements Transport.
func (m *ModernPCI) Config() device.Registers { return m.parts.Device }

// Generation implements Transport.
func (m *ModernPCI) Generation() uint32 { return uint32(m.parts.Common.Read8(CommonGeneration)) }
