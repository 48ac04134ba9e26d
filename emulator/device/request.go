package device

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/device/virtio"
	"github.com/seed64aab995/rescuekernel/machine"
)

// MaxTransfer is how many bytes a request can move; one that asks for more
// fails. A chain of descriptors could say 1 TiB.
const MaxTransfer = 16 << 20

// chunk is how much is moved at once.
const chunk = 64 << 10

// notify is a driver's notification that a queue has requests (2.9).
func (b *Block) notify(index uint16) error {
	b.counters.kicks.Add(1)
	if index != 0 || !b.live() {
		return nil
	}
	return b.serve()
}

// Poll goes on with requests that were left when a fault stopped the machine.
// Runners call it when the machine runs on; see machine.Poller.
func (b *Block) Poll() error {
	if !b.pending || !b.live() {
		return nil
	}
	return b.serve()
}

// serve handles the requests that wait now, or those before one that stops the
// machine.
func (b *Block) serve() error {
	b.pending = false
	n, err := b.queue.waiting(b.dma)
	if err != nil {
		b.fail(err)
		return nil
	}
	answered := false
	for i := range n {
		if err := b.queue.pop(b.dma, &b.chain, b.accepted&virtio.FeatureIndirect != 0); err != nil {
			b.fail(err)
			return nil
		}
		did, err := b.handle(&b.chain)
		answered = answered || did
		var stop *machine.StopError
		switch {
		case errors.As(err, &stop):
			b.pending = i < n-1
			b.interruptAfter(answered)
			return stop
		case err != nil:
			b.fail(err)
			return nil
		}
	}
	b.interruptAfter(answered)
	return nil
}

func (b *Block) interruptAfter(answered bool) {
	if answered && b.queue.wantsInterrupt(b.dma) {
		b.raise(interruptQueue)
	}
}

// handle does one request and answers it. An error is a *machine.StopError, or
// what is wrong with the request's memory.
func (b *Block) handle(c *chain) (answered bool, err error) {
	r, err := b.receive(c)
	if err != nil {
		return false, err
	}
	f := &b.config.Faults
	f.scribble(r, b.dma)
	if !b.storming && f.Storm.chooses(r) {
		b.storming = true
		b.access()
	}
	if f.Delay != nil {
		b.config.Sleep(f.Delay(r))
	}
	if f.Silence.chooses(r) {
		return false, nil
	}
	if f.Break.chooses(r) {
		return false, fmt.Errorf("request %d: the device broke, as its faults say", r.Number)
	}
	status, written, err := b.perform(c, r)
	if err != nil {
		return false, err
	}
	a := Answer{Status: status, ID: uint32(c.head), Length: uint32(written) + 1, Index: b.queue.nextUsed + 1}
	if f.Corrupt != nil {
		f.Corrupt(r, &a)
	}
	if err := b.answer(c, a); err != nil {
		return false, err
	}
	if f.Stop.chooses(r) {
		return true, &machine.StopError{Exit: machine.Exit{
			Reason: machine.PoweredOff,
			Detail: fmt.Sprintf("disk %q stops the machine after request %d, write %d", b.config.Disk.Name, r.Number, r.Writes),
		}}
	}
	return true, nil
}

// receive reads a request's header and counts it.
func (b *Block) receive(c *chain) (Request, error) {
	if c.readBytes < virtio.BlockHeaderSize || c.writeLen == 0 {
		return Request{}, fmt.Errorf("%w: request of %d bytes to read and %d to write has no room for header and status", errQueue, c.readBytes, c.writeLen)
	}
	var header [virtio.BlockHeaderSize]byte
	if err := b.gather(header[:], c.readable); err != nil {
		return Request{}, fmt.Errorf("request header: %w", err)
	}
	r := Request{
		Type:   binary.LittleEndian.Uint32(header[virtio.BlockHeaderType:]),
		Sector: binary.LittleEndian.Uint64(header[virtio.BlockHeaderSector:]),
		Number: b.counters.requests.Add(1) - 1,
		Writes: b.counters.writes.Load(),
	}
	switch r.Type {
	case virtio.BlockTypeRead:
		b.counters.reads.Add(1)
		r.Bytes = c.writeLen - 1
	case virtio.BlockTypeWrite:
		b.counters.writes.Add(1)
		r.Bytes = c.readBytes - virtio.BlockHeaderSize
	case virtio.BlockTypeFlush:
		b.counters.flushes.Add(1)
	case virtio.BlockTypeGetID:
		r.Bytes = min(c.writeLen-1, virtio.BlockIDSize)
	}
	return r, nil
}

// gather reads the first bytes of segments.
func (b *Block) gather(p []byte, segments []segment) error {
	return each(segments, 0, uint64(len(p)), func(address uint64, n int) error {
		err := b.dma.read(p[:n], address)
		p = p[n:]
		return err
	})
}

// answer writes the status, the last byte of the request, and hands the request
// back.
func (b *Block) answer(c *chain, a Answer) error {
	if a.Status != virtio.BlockStatusOK {
		b.counters.failed.Add(1)
	}
	err := each(c.writable, c.writeLen-1, 1, func(address uint64, _ int) error {
		return b.dma.write([]byte{a.Status}, address)
	})
	if err != nil {
		return fmt.Errorf("request status: %w", err)
	}
	return b.queue.push(b.dma, a)
}

// perform does what a request asks for, and says how much it has written to
// memory. An error is one of memory; those of the disk are in the status.
func (b *Block) perform(c *chain, r Request) (status byte, written int, err error) {
	f := &b.config.Faults
	if f.Fail.chooses(r) {
		return virtio.BlockStatusIO, 0, nil
	}
	switch r.Type {
	case virtio.BlockTypeRead, virtio.BlockTypeWrite:
		if !b.inside(r) || r.IsWrite() && b.config.Disk.ReadOnly {
			return virtio.BlockStatusIO, 0, nil
		}
		if r.IsWrite() {
			status, err = b.store(c, r, f.Tear.chooses(r))
			return status, 0, err
		}
		return b.load(c, r)
	case virtio.BlockTypeFlush:
		if s, ok := b.config.Disk.Storage.(interface{ Sync() error }); ok && s.Sync() != nil {
			return virtio.BlockStatusIO, 0, nil
		}
		return virtio.BlockStatusOK, 0, nil
	case virtio.BlockTypeGetID:
		id := make([]byte, virtio.BlockIDSize)
		copy(id, b.config.Disk.Name)
		err = each(c.writable, 0, r.Bytes, func(address uint64, n int) error {
			defer func() { id = id[n:] }()
			return b.dma.write(id[:n], address)
		})
		return virtio.BlockStatusOK, int(r.Bytes), err
	}
	return virtio.BlockStatusNone, 0, nil
}

// inside is whether a request is whole sectors of the disk.
func (b *Block) inside(r Request) bool {
	sectors, capacity := r.Bytes/virtio.SectorUnit, uint64(b.config.Disk.Size)/virtio.SectorUnit
	return r.Bytes%virtio.SectorUnit == 0 && r.Bytes <= MaxTransfer && r.Sector <= capacity && sectors <= capacity-r.Sector
}

// errStorage ends a transfer that the disk's storage has failed.
var errStorage = errors.New("storage")

// store moves data from memory to the disk.
func (b *Block) store(c *chain, r Request, tear bool) (status byte, err error) {
	size, offset := r.Bytes, int64(r.Sector*virtio.SectorUnit)
	if tear {
		size = size / virtio.SectorUnit / 2 * virtio.SectorUnit
	}
	err = each(c.readable, virtio.BlockHeaderSize, size, func(address uint64, n int) error {
		p, err := b.dma.view(address, n, b.buffer)
		if err != nil {
			return err
		}
		written, err := b.config.Disk.Storage.WriteAt(p, offset)
		b.counters.bytesWritten.Add(uint64(max(written, 0)))
		offset += int64(n)
		if err != nil {
			return errStorage
		}
		return nil
	})
	if tear || errors.Is(err, errStorage) {
		return virtio.BlockStatusIO, nil
	}
	return virtio.BlockStatusOK, err
}

// load moves data from the disk to memory.
func (b *Block) load(c *chain, r Request) (status byte, written int, err error) {
	offset := int64(r.Sector * virtio.SectorUnit)
	err = each(c.writable, 0, r.Bytes, func(address uint64, n int) error {
		p := b.buffer[:n]
		if got, _ := b.config.Disk.Storage.ReadAt(p, offset); got < n {
			return errStorage
		}
		offset += int64(n)
		written += n
		b.counters.bytesRead.Add(uint64(n))
		return b.dma.write(p, address)
	})
	if errors.Is(err, errStorage) {
		return virtio.BlockStatusIO, written, nil
	}
	return virtio.BlockStatusOK, written, err
}
