package virtio

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/device"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// MMIO is the MMIO transport, versions 1 and 2 (4.2).
type MMIO struct {
	registers  device.Registers
	version    uint32
	deviceType uint32
}

var _ Transport = (*MMIO)(nil)

// NewMMIO looks at registers of MMIOSize bytes. ErrNoDevice: there is none.
func NewMMIO(r device.Registers) (*MMIO, error) {
	if magic := r.Read32(MMIOMagic); magic != MagicValue {
		return nil, fmt.Errorf("magic of virtio MMIO is %#x: %w", magic, ErrNoDevice)
	}
	m := &MMIO{registers: r, version: r.Read32(MMIOVersion), deviceType: r.Read32(MMIODeviceID)}
	switch {
	case m.deviceType == 0:
		return nil, fmt.Errorf("virtio MMIO without a device: %w", ErrNoDevice)
	case m.version != 1 && m.version != 2:
		return nil, fmt.Errorf("virtio MMIO of version %d: %w", m.version, ErrTransport)
	}
	return m, nil
}

// Version is 1 (legacy) or 2.
func (m *MMIO) Version() uint32 { return m.version }

// Type implements Transport.
func (m *MMIO) Type() uint32 { return m.deviceType }

// Legacy implements Transport.
func (m *MMIO) Legacy() bool { return m.version == 1 }

// Status implements Transport.
func (m *MMIO) Status() uint8 { return uint8(m.registers.Read32(MMIOStatus)) }

// SetStatus implements Transport.
func (m *MMIO) SetStatus(v uint8) { m.registers.Write32(MMIOStatus, uint32(v)) }

// Features implements Transport.
func (m *MMIO) Features() uint64 {
	m.registers.Write32(MMIODeviceFeatureSelect, 0)
	features := uint64(m.registers.Read32(MMIODeviceFeatures))
	if m.Legacy() {
		return features
	}
	m.registers.Write32(MMIODeviceFeatureSelect, 1)
	return features | uint64(m.registers.Read32(MMIODeviceFeatures))<<32
}

// SetFeatures implements Transport.
func (m *MMIO) SetFeatures(features uint64) {
	m.registers.Write32(MMIODriverFeatureSelect, 0)
	m.registers.Write32(MMIODriverFeatures, uint32(features))
	if m.Legacy() {
		// What queue addresses count, which must be set before them (4.2.4).
		m.registers.Write32(MMIOGuestPageSize, 1<<legacyPageFrameShift)
		return
	}
	m.registers.Write32(MMIODriverFeatureSelect, 1)
	m.registers.Write32(MMIODriverFeatures, uint32(features>>32))
}

// QueueSize implements Transport.
func (m *MMIO) QueueSize(queue uint16) uint16 {
	m.registers.Write32(MMIOQueueSelect, uint32(queue))
	return uint16(min(m.registers.Read32(MMIOQueueMaximum), MaxQueueSize))
}

// FixedQueueSize implements Transport.
func (m *MMIO) FixedQueueSize() bool { return false }

// SetQueue implements Transport.
func (m *MMIO) SetQueue(queue uint16, size uint16, at QueueAddresses) error {
	r := m.registers
	r.Write32(MMIOQueueSelect, uint32(queue))
	r.Write32(MMIOQueueSize, uint32(size))
	if m.Legacy() {
		if err := checkLegacyAddress(at); err != nil {
			return err
		}
		r.Write32(MMIOQueueAlign, LegacyAlignment)
		r.Write32(MMIOQueueAddress, uint32(at.Descriptors>>legacyPageFrameShift))
		return nil
	}
	for _, part := range [3]struct {
		register uint64
		at       physmem.Address
	}{{MMIOQueueDescriptors, at.Descriptors}, {MMIOQueueAvailable, at.Available}, {MMIOQueueUsed, at.Used}} {
		r.Write32(part.register, uint32(part.at))
		r.Write32(part.register+4, uint32(part.at>>32))
	}
	r.Write32(MMIOQueueReady, 1)
	return nil
}

// checkLegacyAddress checks that a 32-bit page frame number names the queue.
func checkLegacyAddress(at QueueAddresses) error {
	if at.Descriptors >= maxLegacyQueueAddress || !at.Descriptors.IsAligned(LegacyAlignment) {
		return fmt.Errorf("legacy virtio queue at %v: %w", at.Descriptors, ErrMemory)
	}
	return nil
}

// Notify implements Transport.
func (m *MMIO) Notify(queue uint16) { m.registers.Write32(MMIOQueueNotify, uint32(queue)) }

// Config implements Transport.
func (m *MMIO) Config() device.Registers { return configuration{m.registers, MMIOConfig} }

// Generation implements Transport.
func (m *MMIO) Generation() uint32 {
	if m.Legacy() {
		return 0
	}
	return m.registers.Read32(MMIOGeneration)
}
