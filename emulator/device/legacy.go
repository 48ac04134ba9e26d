package device

import "github.com/seed64aab995/rescuekernel/device/virtio"

// legacySize is the I/O window of a legacy interface: registers, with those of
// MSI-X, and the device's configuration, as a power of two.
const legacySize = 128

// legacy is the interface of the first BAR of legacy and transitional devices
// (4.1.4.8).
type legacy struct {
	*Block
	msix func() bool // MSI-X is on: two more registers
}

// configurationAt is where the device's configuration begins.
func (l legacy) configurationAt() uint64 {
	if l.msix() {
		return virtio.LegacyConfigMSIX
	}
	return virtio.LegacyConfig
}

func (l legacy) read(offset uint64, p []byte) error {
	l.access()
	if at := l.configurationAt(); offset >= at {
		readImage(l.configuration[:], offset-at, p)
		return nil
	}
	put(p, l.register(field{offset, len(p)}))
	return nil
}

func (l legacy) register(f field) uint64 {
	switch f {
	case field{virtio.LegacyDeviceFeatures, 4}:
		return l.legacyFeatures()
	case field{virtio.LegacyDriverFeatures, 4}:
		return l.accepted
	case field{virtio.LegacyQueueAddress, 4}:
		if l.queueSelect == 0 && l.queue.enabled {
			return l.queue.descriptors / virtio.LegacyAlignment
		}
	case field{virtio.LegacyQueueSize, 2}:
		if l.queueSelect == 0 {
			return QueueSize
		}
	case field{virtio.LegacyQueueSelect, 2}:
		return uint64(l.queueSelect)
	case field{virtio.LegacyStatus, 1}:
		return uint64(l.status)
	case field{virtio.LegacyISR, 1}:
		return uint64(l.readISR())
	case field{virtio.LegacyConfigVector, 2}:
		return uint64(l.configVector)
	case field{virtio.LegacyQueueVector, 2}:
		return uint64(l.queue.vector)
	}
	return 0
}

func (l legacy) write(offset uint64, p []byte) error {
	l.access()
	if offset >= l.configurationAt() {
		return nil
	}
	v := value(p)
	switch (field{offset, len(p)}) {
	case field{virtio.LegacyDriverFeatures, 4}:
		l.accept(0, uint32(v&l.legacyFeatures()))
	case field{virtio.LegacyQueueAddress, 4}:
		if l.queueSelect == 0 {
			l.queue.placeLegacy(v*virtio.LegacyAlignment, virtio.LegacyAlignment)
		}
	case field{virtio.LegacyQueueSelect, 2}:
		l.queueSelect = uint16(v)
	case field{virtio.LegacyQueueNotify, 2}:
		return l.notify(uint16(v))
	case field{virtio.LegacyStatus, 1}:
		l.setStatus(byte(v), true)
	case field{virtio.LegacyConfigVector, 2}:
		l.configVector = vector(v)
	case field{virtio.LegacyQueueVector, 2}:
		l.queue.vector = vector(v)
	}
	return nil
}

// vectors is how many MSI-X vectors a device has.
const vectors = 2

// vector is what a vector register holds after a write (4.1.5.1.2).
func vector(v uint64) uint16 {
	if v < vectors {
		return uint16(v)
	}
	return virtio.NoVector
}
