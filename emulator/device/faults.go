package device

import (
	"time"

	"github.com/seed64aab995/rescuekernel/device/virtio"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Request is what faults are chosen by.
type Request struct {
	Type   uint32 // virtio.BlockTypeRead and so on
	Sector uint64 // of 512 bytes
	Bytes  uint64 // to be moved
	Number uint64 // requests that came before this one since power-on
	Writes uint64 // writes among them
}

// IsWrite reports whether the request writes to the disk.
func (r Request) IsWrite() bool { return r.Type == virtio.BlockTypeWrite }

// Trigger chooses requests. Nil chooses none. A test may write its own: it is
// called once for each request and fault, by the thread of the CPU that asked.
type Trigger func(Request) bool

// Always chooses every request.
func Always(Request) bool { return true }

// AfterRequests chooses every request but the first n.
func AfterRequests(n uint64) Trigger { return func(r Request) bool { return r.Number >= n } }

// AfterWrites chooses every request, whatever it is, that comes after the first
// n writes.
func AfterWrites(n uint64) Trigger { return func(r Request) bool { return r.Writes >= n } }

// AtWrite chooses the write that n writes came before.
func AtWrite(n uint64) Trigger { return func(r Request) bool { return r.IsWrite() && r.Writes == n } }

// EveryWrite chooses writes.
func EveryWrite(r Request) bool { return r.IsWrite() }

func (t Trigger) chooses(r Request) bool { return t != nil && t(r) }

// Answer is what a device says when it has done a request.
type Answer struct {
	Status byte   // virtio.BlockStatusOK and so on
	ID     uint32 // the request's first descriptor
	Length uint32 // how many bytes the device has written to memory
	Index  uint16 // of the used ring, with this answer
}

// ScribblePattern is the byte that Faults.Scribble fills memory with.
const ScribblePattern = 0x5c

// Faults are what a disk does wrong. The zero value is a good disk. Where more
// than one fault is chosen for a request, all happen as far as they can.
type Faults struct {
	// Fail: the request fails, and the disk's storage is not touched.
	Fail Trigger

	// Tear: of a write only the first half, in whole sectors, gets to the
	// storage. It fails.
	Tear Trigger

	// Silence: the request is taken and never answered; its data are not moved.
	Silence Trigger

	// Break: the device says DEVICE_NEEDS_RESET instead of an answer.
	Break Trigger

	// Stop: the machine stops, with reason PoweredOff, when the request is done
	// and answered. A machine that runs on goes on with the next one.
	Stop Trigger

	// Delay is how long a request takes. The CPU that asks waits as long, by
	// BlockConfig.Sleep.
	Delay func(Request) time.Duration

	// Corrupt changes what the device says about a request that it has done. A
	// wrong index lasts until the next answer.
	Corrupt func(Request, *Answer)

	// Scribble is memory that is filled with ScribblePattern, by DMA, at each
	// request that ScribbleAt chooses; where that is nil, at every request.
	Scribble   physmem.Ranges
	ScribbleAt Trigger

	// Storm: from the first request that it chooses on, the device's interrupt
	// is asserted for ever, whatever the driver acknowledges or disables, and
	// is signalled anew at each access to the device. Reset does not end it.
	Storm Trigger
}

// scribble fills memory. What is outside of memory stays so.
func (f *Faults) scribble(r Request, d dma) {
	if len(f.Scribble) == 0 || f.ScribbleAt != nil && !f.ScribbleAt(r) {
		return
	}
	var pattern [4096]byte
	for i := range pattern {
		pattern[i] = ScribblePattern
	}
	for _, s := range f.Scribble {
		for at := s.Start; at < s.End; at += physmem.Address(len(pattern)) {
			_ = d.write(pattern[:min(uint64(len(pattern)), uint64(s.End-at))], uint64(at))
		}
	}
}
