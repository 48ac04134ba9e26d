package virtio

import (
	"encoding/binary"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/device"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// memoryBase is where the memory of the models lies.
const memoryBase = 0x1234_5000

// newRegion is memory for DMA, at a page's start.
func newRegion(size int) device.Region {
	b := make([]byte, size+pageSize)
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) & (pageSize - 1)
	return device.Region{Memory: b[skip : skip+size : skip+size], Address: memoryBase}
}

// model is the device's side of a block device, and what a hostile one may do.
// Transports are in modelfront_test.go.
type model struct {
	t      testing.TB
	memory device.Region
	disk   []byte

	features   uint64 // offered
	queueSize  uint16 // the largest
	sectorSize uint32
	sizeMax    uint32
	serial     string

	status         uint8
	driverFeatures uint64
	queue          QueueAddresses
	entries        uint16
	ready          bool
	seen, used     uint16

	notifies, resets, accesses, requests int
	writes                               []int64 // offsets, in the order of answering

	// later leaves requests alone until process is called, which the clock of
	// the test does.
	later bool
	// reverse answers the requests that are there from the last to the first.
	reverse bool
	// busy asks for no notifications.
	busy bool

	silent     bool                         // answers nothing
	deaf       bool                         // cannot be reset
	status1    func(request int) uint8      // the status to answer with
	lie        func(id, n uint32) [2]uint32 // the used element to answer with
	ahead      uint16                       // how much too far the used index goes
	refuse     bool                         // refuses features
	generation func() uint32
}

func newModel(t testing.TB) *model {
	return &model{
		t: t, memory: newRegion(2 << 20), disk: make([]byte, 4<<20),
		features:  FeatureBlockFlush | FeatureBlockSectorSize | FeatureEventIndex | FeatureIndirect | FeatureBlockSegMax | FeatureVersion1,
		queueSize: 256, sectorSize: 512, serial: "dump0", sizeMax: 1 << 30,
	}
}

// bytes is memory that the driver has pointed the device to.
func (m *model) bytes(address uint64, n int) []byte {
	offset := address - memoryBase
	require.LessOrEqual(m.t, offset, uint64(len(m.memory.Memory)), "DMA outside of the driver's memory")
	require.LessOrEqual(m.t, uint64(n), uint64(len(m.memory.Memory))-offset, "DMA outside of the driver's memory")
	return m.memory.Memory[offset:][:n]
}

func (m *model) setStatus(v uint8) {
	if v != 0 {
		if v&StatusFeaturesOK != 0 && m.refuse {
			v &^= StatusFeaturesOK
		}
		m.status = v
		return
	}
	m.resets++
	if m.deaf {
		return
	}
	m.status, m.driverFeatures, m.queue, m.ready, m.seen, m.used = 0, 0, QueueAddresses{}, false, 0, 0
}

func (m *model) notify() {
	m.notifies++
	if !m.later {
		m.process()
	}
}

// process answers all requests that are there.
func (m *model) process() {
	if !m.ready || m.silent || m.status&StatusDriverOK == 0 {
		return
	}
	available := m.bytes(uint64(m.queue.Available), AvailableRing+int(m.entries)*AvailableElement)
	require.EqualValues(m.t, AvailableNoInterrupt, binary.LittleEndian.Uint16(available[AvailableFlags:]), "the driver wants interrupts")
	var heads []uint16
	for index := binary.LittleEndian.Uint16(available[AvailableIndex:]); m.seen != index; m.seen++ {
		heads = append(heads, binary.LittleEndian.Uint16(available[AvailableRing+int(m.seen%m.entries)*AvailableElement:]))
	}
	for i := range heads {
		if m.reverse {
			i = len(heads) - 1 - i
		}
		m.answer(uint32(heads[i]), m.request(heads[i]))
	}
	used := m.bytes(uint64(m.queue.Used), UsedRing)
	binary.LittleEndian.PutUint16(used[UsedIndex:], m.used+m.ahead)
	if m.busy {
		binary.LittleEndian.PutUint16(used[UsedFlags:], UsedNoNotify)
	}
}

// answer puts an element into the used ring.
func (m *model) answer(id, n uint32) {
	element := [2]uint32{id, n}
	if m.lie != nil {
		element = m.lie(id, n)
	}
	used := m.bytes(uint64(m.queue.Used)+UsedRing+uint64(m.used%m.entries)*UsedElement, UsedElement)
	binary.LittleEndian.PutUint32(used[UsedElementID:], element[0])
	binary.LittleEndian.PutUint32(used[UsedElementLength:], element[1])
	m.used++
}

// request executes the request of a chain and returns how much it wrote.
func (m *model) request(head uint16) (written uint32) {
	var parts [][]byte
	var writable []bool
	for i := head; ; {
		require.Less(m.t, i, m.entries)
		d := m.bytes(uint64(m.queue.Descriptors)+uint64(i)*DescriptorSize, DescriptorSize)
		flags := binary.LittleEndian.Uint16(d[DescriptorFlags:])
		parts = append(parts, m.bytes(binary.LittleEndian.Uint64(d[DescriptorAddress:]), int(binary.LittleEndian.Uint32(d[DescriptorLength:]))))
		writable = append(writable, flags&DescriptorDeviceWrites != 0)
		if flags&DescriptorHasNext == 0 {
			break
		}
		i = binary.LittleEndian.Uint16(d[DescriptorNext:])
	}
	header, status := parts[0], parts[len(parts)-1]
	require.Len(m.t, header, BlockHeaderSize)
	require.Len(m.t, status, 1)
	require.True(m.t, writable[len(parts)-1] && !writable[0])
	var data []byte
	if len(parts) > 2 {
		require.Len(m.t, parts, descriptorsPerRequest)
		data = parts[1]
	}
	m.requests++
	status[0] = m.execute(header, data)
	if m.status1 != nil {
		status[0] = m.status1(m.requests)
	}
	if len(parts) > 2 && writable[1] {
		return uint32(len(data)) + 1
	}
	return 1
}

func (m *model) execute(header, data []byte) uint8 {
	offset := int64(binary.LittleEndian.Uint64(header[BlockHeaderSector:])) * SectorUnit
	switch binary.LittleEndian.Uint32(header[BlockHeaderType:]) {
	case BlockTypeRead:
		if offset+int64(len(data)) > int64(len(m.disk)) {
			return BlockStatusIO
		}
		copy(data, m.disk[offset:])
	case BlockTypeWrite:
		if offset+int64(len(data)) > int64(len(m.disk)) || m.features&FeatureBlockReadOnly != 0 {
			return BlockStatusIO
		}
		if m.status1 == nil || m.status1(m.requests) == BlockStatusOK {
			copy(m.disk[offset:], data)
			m.writes = append(m.writes, offset)
		}
	case BlockTypeFlush:
		require.NotZero(m.t, m.driverFeatures&FeatureBlockFlush)
		m.writes = append(m.writes, -1)
	case BlockTypeGetID:
		clear(data)
		copy(data, m.serial)
	default:
		return BlockStatusNone
	}
	return BlockStatusOK
}

// config is the configuration of the device.
func (m *model) config() []byte {
	c := make([]byte, BlockConfigSize)
	binary.LittleEndian.PutUint64(c[BlockConfigCapacity:], uint64(len(m.disk))/SectorUnit)
	binary.LittleEndian.PutUint32(c[BlockConfigSizeMax:], m.sizeMax)
	binary.LittleEndian.PutUint32(c[BlockConfigSectorSize:], m.sectorSize)
	return c
}

// setQueue turns the queue on.
func (m *model) setQueue(entries uint16, at QueueAddresses) {
	require.True(m.t, at.Descriptors.IsAligned(DescriptorAlignment) && at.Used.IsAligned(UsedAlignment) && at.Available.IsAligned(AvailableAlignment))
	m.queue, m.entries, m.ready = at, entries, true
}

// legacyQueue is where the parts of a legacy queue are (2.7.2).
func legacyQueue(base uint64, entries uint16) QueueAddresses {
	available := base + uint64(entries)*DescriptorSize
	used := (available + AvailableRing + uint64(entries)*AvailableElement + 2 + LegacyAlignment - 1) &^ (LegacyAlignment - 1)
	return QueueAddresses{physmem.Address(base), physmem.Address(available), physmem.Address(used)}
}

// clock is a clock of which every look costs a millisecond. A device that
// answers later does so after some looks.
func (m *model) clock() func() time.Time {
	now, looks := time.Unix(1, 0), 0
	return func() time.Time {
		now = now.Add(time.Millisecond)
		if looks++; looks%3 == 0 && m.later {
			m.process()
		}
		return now
	}
}

func (m *model) options() Options {
	return Options{Memory: m.memory, Depth: 8, BufferSize: 16 << 10, Timeout: 100 * time.Millisecond, Now: m.clock()}
}
