package virtio

import (
	"encoding/binary"
	"fmt"

	"github.com/seed64aab995/rescuekernel/device"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// layout is where the parts of a queue lie in its memory. All legacy queues have
// it, so modern ones have it too: descriptors, available ring, and on the
// next page the used ring (2.7.2).
type layout struct {
	entries         uint16
	available, used uint64
	size            uint64 // whole pages
}

func legacyLayout(entries uint16) layout {
	n := uint64(entries)
	available := n * DescriptorSize
	used := (available + AvailableRing + n*AvailableElement + 2 + LegacyAlignment - 1) &^ (LegacyAlignment - 1)
	size := (used + UsedRing + n*UsedElement + 2 + pageSize - 1) &^ (pageSize - 1)
	return layout{entries, available, used, size}
}

// ring is the driver's side of a split virtqueue.
//
// Order: descriptors and ring entries are written before the available index, by
// an atomic store; the used index is read, by an atomic load, before used
// elements, states and data. An index is read and written together with the
// flags beside it as one aligned word. Go's atomics are sequentially
// consistent: on amd64 the store is an XCHG, so that the load of the device's
// flags that follows cannot come before it, and on arm64 they are STLR and LDAR.
type ring struct {
	layout
	memory    device.Region
	submitted uint16 // the available index, also for entries that publish has not shown
	shown     uint16
	taken     uint16 // the used index up to which elements have been taken
}

// newRing puts a queue into memory, which is taken from region.
func newRing(region *device.Region, entries uint16) (*ring, error) {
	l := legacyLayout(entries)
	memory, err := region.Carve(l.size, LegacyAlignment)
	if err != nil {
		return nil, fmt.Errorf("virtio queue of %d entries: %w", entries, err)
	}
	clear(memory.Memory)
	return &ring{layout: l, memory: memory}, nil
}

// addresses are where the device finds the parts.
func (r *ring) addresses() QueueAddresses {
	base := r.memory.Address
	return QueueAddresses{base, base + physmem.Address(r.available), base + physmem.Address(r.used)}
}

// describe writes descriptor i.
func (r *ring) describe(i int, address physmem.Address, length uint32, flags uint16, next int) {
	d := r.memory.Memory[i*DescriptorSize:][:DescriptorSize]
	binary.LittleEndian.PutUint64(d[DescriptorAddress:], uint64(address))
	binary.LittleEndian.PutUint32(d[DescriptorLength:], length)
	binary.LittleEndian.PutUint16(d[DescriptorFlags:], flags)
	binary.LittleEndian.PutUint16(d[DescriptorNext:], uint16(next))
}

// push adds a chain to the available ring; publish will show it.
func (r *ring) push(head int) {
	slot := r.available + AvailableRing + uint64(r.submitted&(r.entries-1))*AvailableElement
	binary.LittleEndian.PutUint16(r.memory.Memory[slot:], uint16(head))
	r.submitted++
}

// publish shows the device what was pushed, asks for no interrupts, and
// reports whether the device must be notified of it.
func (r *ring) publish() (notify bool) {
	if r.shown == r.submitted {
		return false
	}
	r.shown = r.submitted
	r.storeWord(r.available, uint32(r.submitted)<<16|AvailableNoInterrupt)
	return r.loadWord(r.used)&UsedNoNotify == 0
}

// finished is how many elements the device has put into the used ring that have
// not been taken. It is what the device says.
func (r *ring) finished() uint16 {
	return uint16(r.loadWord(r.used)>>16) - r.taken
}

// take takes the next used element.
func (r *ring) take() (id, length uint32) {
	element := r.memory.Memory[r.used+UsedRing+uint64(r.taken&(r.entries-1))*UsedElement:][:UsedElement]
	r.taken++
	return binary.LittleEndian.Uint32(element[UsedElementID:]), binary.LittleEndian.Uint32(element[UsedElementLength:])
}
