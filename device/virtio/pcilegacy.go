package virtio

import (
	"github.com/seed64aab995/rescuekernel/device"
)

// LegacyPCI is the legacy interface of a PCI device (4.1.4.8), from before
// version 1. Its MSI-X must be off.
type LegacyPCI struct {
	registers  device.Registers
	deviceType uint32
}

var _ Transport = (*LegacyPCI)(nil)

// NewLegacyPCI takes the registers of BAR 0. The type of device is in the
// PCI subsystem ID.
func NewLegacyPCI(r device.Registers, deviceType uint32) *LegacyPCI {
	return &LegacyPCI{r, deviceType}
}

// Type implements Transport.
func (l *LegacyPCI) Type() uint32 { return l.deviceType }

// Legacy implements Transport.
func (l *LegacyPCI) Legacy() bool { return true }

// Status implements Transport.
func (l *LegacyPCI) Status() uint8 { return l.registers.Read8(LegacyStatus) }

// SetStatus implements Transport.
func (l *LegacyPCI) SetStatus(v uint8) { l.registers.Write8(LegacyStatus, v) }

// Features implements Transport.
func (l *LegacyPCI) Features() uint64 { return uint64(l.registers.Read32(LegacyDeviceFeatures)) }

// SetFeatures implements Transport.
func (l *LegacyPCI) SetFeatures(features uint64) {
	l.registers.Write32(LegacyDriverFeatures, uint32(features))
}

// QueueSize implements Transport.
func (l *LegacyPCI) QueueSize(queue uint16) uint16 {
	l.registers.Write16(LegacyQueueSelect, queue)
	return l.registers.Read16(LegacyQueueSize)
}

// FixedQueueSize implements Transport: the driver cannot choose.
func (l *LegacyPCI) FixedQueueSize() bool { return true }

// SetQueue implements Transport.
func (l *LegacyPCI) SetQueue(queue uint16, _ uint16, at QueueAddresses) error {
	if err := checkLegacyAddress(at); err != nil {
		return err
	}
	l.registers.Write16(LegacyQueueSelect, queue)
	l.registers.Write32(LegacyQueueAddress, uint32(at.Descriptors>>legacyPageFrameShift))
	return nil
}

// Notify implements Transport.
func (l *LegacyPCI) Notify(queue uint16) { l.registers.Write16(LegacyQueueNotify, queue) }

// Config implements Transport.
func (l *LegacyPCI) Config() device.Registers { return configuration{l.registers, LegacyConfig} }

// Generation implements Transport.
func (l *LegacyPCI) Generation() uint32 { return 0 }
