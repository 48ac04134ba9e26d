package device_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/device/virtio"
	"github.com/seed64aab995/rescuekernel/emulator/device"
)

// Where a rig has its queue, and memory for requests.
const (
	rigSize        = 16
	rigDescriptors = ramBase + 0x1000
	rigAvailable   = ramBase + 0x2000
	rigUsed        = ramBase + 0x3000
	rigTable       = ramBase + 0x4000 // an indirect one
	rigHeader      = ramBase + 0x5000
	rigStatus      = ramBase + 0x5100
	rigData        = ramBase + 0x10000
)

// rig is a driver that does what the test says, right or wrong: MMIO version 2,
// a queue of 16 descriptors.
type rig struct {
	*computer
	registers window
	index     uint16 // of the available ring
	seen      uint16 // of the used ring
}

func newRig(t testing.TB, change ...func(*device.Board)) *rig {
	t.Helper()
	r := &rig{computer: newComputer(t, device.MMIOModern, change...)}
	r.registers = r.memory(r.board.MMIO)
	r.start(virtio.FeatureVersion1 | virtio.FeatureIndirect)
	return r
}

// start resets the device and does 3.1.1 up to DRIVER_OK.
func (r *rig) start(features uint64) {
	w := r.registers
	w.Write32(virtio.MMIOStatus, 0)
	r.index, r.seen = 0, 0
	clear(r.ram[:0x5000])
	w.Write32(virtio.MMIOStatus, virtio.StatusAcknowledge|virtio.StatusDriver)
	for half := range uint32(2) {
		w.Write32(virtio.MMIODriverFeatureSelect, half)
		w.Write32(virtio.MMIODriverFeatures, uint32(features>>(32*half)))
	}
	w.Write32(virtio.MMIOStatus, virtio.StatusAcknowledge|virtio.StatusDriver|virtio.StatusFeaturesOK)
	r.setQueue(rigSize, rigDescriptors, rigAvailable, rigUsed)
	w.Write32(virtio.MMIOStatus, virtio.StatusAcknowledge|virtio.StatusDriver|virtio.StatusFeaturesOK|virtio.StatusDriverOK)
}

func (r *rig) setQueue(size uint32, parts ...uint64) {
	r.registers.Write32(virtio.MMIOQueueSelect, 0)
	r.registers.Write32(virtio.MMIOQueueSize, size)
	for i, at := range parts {
		o := uint64(virtio.MMIOQueueDescriptors + 0x10*i)
		r.registers.Write32(o, uint32(at))
		r.registers.Write32(o+4, uint32(at>>32))
	}
	r.registers.Write32(virtio.MMIOQueueReady, 1)
}

func (r *rig) status() uint32 { return r.registers.Read32(virtio.MMIOStatus) }

// at is the machine's memory at an address.
func (r *rig) at(address uint64) []byte { return r.ram[address-ramBase:] }

func (r *rig) put16(address uint64, v uint16) { binary.LittleEndian.PutUint16(r.at(address), v) }

// describe writes a descriptor of a table.
func (r *rig) describe(table uint64, i int, address uint64, length uint32, flags, next uint16) {
	d := r.at(table + uint64(i)*virtio.DescriptorSize)
	binary.LittleEndian.PutUint64(d[virtio.DescriptorAddress:], address)
	binary.LittleEndian.PutUint32(d[virtio.DescriptorLength:], length)
	binary.LittleEndian.PutUint16(d[virtio.DescriptorFlags:], flags)
	binary.LittleEndian.PutUint16(d[virtio.DescriptorNext:], next)
}

// header writes the header of a request.
func (r *rig) header(kind uint32, sector uint64) {
	h := r.at(rigHeader)
	clear(h[:virtio.BlockHeaderSize])
	binary.LittleEndian.PutUint32(h[virtio.BlockHeaderType:], kind)
	binary.LittleEndian.PutUint64(h[virtio.BlockHeaderSector:], sector)
	r.at(rigStatus)[0] = 0xff
}

// offer makes chains available, by their heads, without a notification.
func (r *rig) offer(heads ...uint16) {
	for _, h := range heads {
		r.put16(rigAvailable+virtio.AvailableRing+2*uint64(r.index%rigSize), h)
		r.index++
	}
	r.put16(rigAvailable+virtio.AvailableIndex, r.index)
}

func (r *rig) kick() { r.registers.Write32(virtio.MMIOQueueNotify, 0) }

type usedElement struct{ id, length uint32 }

// used is what has come back since it was called last.
func (r *rig) used() []usedElement {
	var list []usedElement
	for end := binary.LittleEndian.Uint16(r.at(rigUsed + virtio.UsedIndex)); r.seen != end; r.seen++ {
		e := r.at(rigUsed + virtio.UsedRing + virtio.UsedElement*uint64(r.seen%rigSize))
		list = append(list, usedElement{binary.LittleEndian.Uint32(e), binary.LittleEndian.Uint32(e[4:])})
	}
	return list
}

// Flags of descriptors, short.
const (
	next     = virtio.DescriptorHasNext
	writes   = virtio.DescriptorDeviceWrites
	indirect = virtio.DescriptorIndirect
)

// request describes a request of three descriptors from first on: header,
// data, status.
func (r *rig) request(first int, kind uint32, sector uint64, size uint32) {
	r.header(kind, sector)
	flags := uint16(next)
	if kind != virtio.BlockTypeWrite {
		flags |= writes
	}
	r.describe(rigDescriptors, first, rigHeader, virtio.BlockHeaderSize, next, uint16(first+1))
	r.describe(rigDescriptors, first+1, rigData, size, flags, uint16(first+2))
	r.describe(rigDescriptors, first+2, rigStatus, 1, writes, 0)
}

// do does one request and gives its status.
func (r *rig) do(kind uint32, sector uint64, size uint32) byte {
	r.t.Helper()
	r.request(0, kind, sector, size)
	r.offer(0)
	r.kick()
	got := r.used()
	require.Len(r.t, got, 1)
	require.Zero(r.t, got[0].id)
	return r.at(rigStatus)[0]
}
