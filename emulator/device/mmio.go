package device

import (
	"encoding/binary"

	"github.com/seed64aab995/rescuekernel/device/virtio"
	"github.com/seed64aab995/rescuekernel/machine"
)

// MMIO puts the disk onto the MMIO transport (4.2) of a version, 1 (legacy) or
// 2, with virtio.MMIOSize bytes of registers at a physical address.
func (b *Block) MMIO(base uint64, version uint32) machine.Device {
	return &mmio{Block: b, base: base, version: version}
}

// mmio is the MMIO transport.
type mmio struct {
	*Block
	base    uint64
	version uint32
}

// vendorQEMU is what QEMU's devices say, the only vendor there is.
const vendorQEMU = 0x554d4551

func (m *mmio) isLegacy() bool { return m.version == 1 }

// Window implements machine.Device.
func (m *mmio) Window() machine.Window { return machine.Window{Base: m.base, Size: virtio.MMIOSize} }

// ReadDevice implements machine.Device.
func (m *mmio) ReadDevice(offset uint64, p []byte) error {
	m.access()
	clear(p)
	if offset >= virtio.MMIOConfig {
		readImage(m.configuration[:], offset-virtio.MMIOConfig, p)
		return nil
	}
	if len(p) == 4 {
		binary.LittleEndian.PutUint32(p, m.register(offset))
	}
	return nil
}

func (m *mmio) register(offset uint64) uint32 {
	switch offset {
	case virtio.MMIOMagic:
		return virtio.MagicValue
	case virtio.MMIOVersion:
		return m.version
	case virtio.MMIODeviceID:
		return virtio.TypeBlock
	case virtio.MMIOVendorID:
		return vendorQEMU
	case virtio.MMIODeviceFeatures:
		if m.isLegacy() {
			return uint32(half(m.legacyFeatures(), m.deviceSelect))
		}
		return uint32(half(m.modernFeatures(), m.deviceSelect))
	case virtio.MMIOInterruptStatus:
		return uint32(m.isr)
	case virtio.MMIOStatus:
		return uint32(m.status)
	}
	if m.queueSelect == 0 {
		return m.queueRegister(offset)
	}
	return 0
}

func (m *mmio) queueRegister(offset uint64) uint32 {
	switch {
	case offset == virtio.MMIOQueueMaximum:
		return QueueSize
	case offset == virtio.MMIOQueueAddress && m.isLegacy() && m.queue.enabled:
		return uint32(m.queue.descriptors / m.pageSize)
	case offset == virtio.MMIOQueueReady && !m.isLegacy() && m.queue.enabled:
		return 1
	}
	return 0
}

// WriteDevice implements machine.Device.
func (m *mmio) WriteDevice(offset uint64, p []byte) error {
	m.access()
	if offset >= virtio.MMIOConfig || len(p) != 4 {
		return nil
	}
	v := binary.LittleEndian.Uint32(p)
	switch offset {
	case virtio.MMIODeviceFeatureSelect:
		m.deviceSelect = v
	case virtio.MMIODriverFeatureSelect:
		m.driverSelect = v
	case virtio.MMIODriverFeatures:
		if m.isLegacy() {
			v &= uint32(half(m.legacyFeatures(), m.driverSelect))
		}
		m.accept(m.driverSelect, v)
	case virtio.MMIOQueueSelect:
		m.queueSelect = uint16(min(v, 0xffff))
	case virtio.MMIOQueueNotify:
		return m.notify(uint16(min(v, 0xffff)))
	case virtio.MMIOInterruptACK:
		m.Block.isr &^= byte(v)
		m.updateLine()
	case virtio.MMIOStatus:
		m.setStatus(byte(v), m.isLegacy())
	case virtio.MMIOGuestPageSize:
		if m.isLegacy() && v != 0 && v&(v-1) == 0 {
			m.pageSize = uint64(v)
		}
	default:
		if m.queueSelect == 0 {
			m.writeQueue(offset, p)
		}
	}
	return nil
}

// writeQueue is a write to the registers of the queue.
func (m *mmio) writeQueue(offset uint64, p []byte) {
	v := binary.LittleEndian.Uint32(p)
	if offset == virtio.MMIOQueueSize && !m.queue.enabled {
		m.queue.size = uint16(min(v, 0xffff))
		return
	}
	if m.isLegacy() {
		m.writeLegacyQueue(offset, v)
		return
	}
	if offset != virtio.MMIOQueueReady {
		m.placeMMIO(offset, p)
		return
	}
	if v == 1 {
		m.enable()
	} else if v == 0 {
		m.queue.enabled = false
	}
}

func (m *mmio) writeLegacyQueue(offset uint64, v uint32) {
	switch offset {
	case virtio.MMIOQueueAlign:
		if v != 0 && v&(v-1) == 0 {
			m.alignment = uint64(v)
		}
	case virtio.MMIOQueueAddress:
		q := m.queue
		q.placeLegacy(uint64(v)*m.pageSize, m.alignment)
		if err := q.check(); err != nil {
			m.fail(err)
			return
		}
		m.queue = q
	}
}

// placeMMIO is a write to half of one of the addresses of a queue's parts,
// which lie 16 bytes apart, while the queue is off.
func (m *mmio) placeMMIO(offset uint64, p []byte) {
	const stride = virtio.MMIOQueueAvailable - virtio.MMIOQueueDescriptors
	first := uint64(virtio.MMIOQueueDescriptors)
	if offset < first || (offset-first)%stride >= 8 {
		return
	}
	m.place(first, first+(offset-first)/stride*8+(offset-first)%stride, p)
}

// emptySlots are MMIO transports without a device behind them (4.2.2: device
// ID 0).
type emptySlots struct {
	base, count uint64
	version     uint32
}

// Window implements machine.Device.
func (s emptySlots) Window() machine.Window {
	return machine.Window{Base: s.base, Size: s.count * virtio.MMIOSize}
}

// ReadDevice implements machine.Device.
func (s emptySlots) ReadDevice(offset uint64, p []byte) error {
	clear(p)
	if len(p) != 4 {
		return nil
	}
	switch offset % virtio.MMIOSize {
	case virtio.MMIOMagic:
		binary.LittleEndian.PutUint32(p, virtio.MagicValue)
	case virtio.MMIOVersion:
		binary.LittleEndian.PutUint32(p, s.version)
	case virtio.MMIOVendorID:
		binary.LittleEndian.PutUint32(p, vendorQEMU)
	}
	return nil
}

// WriteDevice implements machine.Device.
func (emptySlots) WriteDevice(uint64, []byte) error { return nil }
