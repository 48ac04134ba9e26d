package virtio

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/seed64aab995/rescuekernel/device"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Handle names a request from Submit to Wait.
type Handle uint32

// request is one of the requests that can be in flight. It has its three
// descriptors, header, state and buffer for good. What the driver must rely on is
// here and not in memory that the device reaches.
type request struct {
	state      requestState
	generation uint32
	header     device.Region // and the state byte behind it
	buffer     device.Region
	end        time.Time // deadline, once it was shown

	operation Operation
	offset    int64
	length    int
	written   uint32 // the most that the device may say that it wrote
	copyTo    []byte // where the buffer goes when a read is done
	err       error
}

type requestState uint8

const (
	requestFree requestState = iota
	requestPending
	requestInFlight
	requestDone
)

// The DMA memory of a request: its header, and behind it the status.
const (
	statusOffset = BlockHeaderSize
	requestSize  = 32
)

// makeRequests takes the memory of depth requests.
func (b *Block) makeRequests(depth int) error {
	headers, err := b.spare.Carve(requestArea(depth), pageSize)
	if err != nil {
		return fmt.Errorf("headers of %d requests: %w", depth, err)
	}
	b.requests = make([]request, depth)
	for i := range b.requests {
		r := &b.requests[i]
		if r.header, err = headers.Carve(requestSize, requestSize); err != nil {
			return fmt.Errorf("header of request %d: %w", i, err)
		}
		if r.buffer, err = b.spare.Carve(uint64(b.bufferSize), pageSize); err != nil {
			return fmt.Errorf("buffer of request %d: %w", i, err)
		}
	}
	return nil
}

// Submit makes a request, which Kick or Wait show to the device. Every request
// must be waited for.
//
// Where p lies in Options.Memory the device gets p itself: at most MaxTransfer
// bytes, not to be touched before the request is done. Else p is copied, at most
// BufferSize bytes: of a write it can be used again at once, and of a read it is
// filled by Wait. For Flush and GetID offset is 0; Flush has no p.
func (b *Block) Submit(operation Operation, p []byte, offset int64) (Handle, error) {
	address, direct := b.memory.Locate(p)
	return b.submit(operation, p, offset, address, direct)
}

// submitCopy is Submit of a write that copies p in any case.
func (b *Block) submitCopy(p []byte, offset int64) (Handle, error) {
	return b.submit(Write, p, offset, 0, false)
}

func (b *Block) submit(operation Operation, p []byte, offset int64, address physmem.Address, direct bool) (Handle, error) {
	err := b.admit(operation, p, offset, direct)
	if err != nil {
		return 0, &RequestError{operation, offset, int64(len(p)), err}
	}
	for i := range b.requests {
		if r := &b.requests[i]; r.state == requestFree {
			b.prepare(i, operation, p, offset, address, direct)
			return Handle(r.generation<<8 | uint32(i)), nil
		}
	}
	return 0, &RequestError{operation, offset, int64(len(p)), ErrQueueFull}
}

// admit checks a request that is to be made.
func (b *Block) admit(operation Operation, p []byte, offset int64, direct bool) (err error) {
	if b.failed != nil {
		return b.failed
	}
	limit := b.bufferSize
	if direct {
		limit = b.maxTransfer
	}
	switch operation {
	case Read, Write:
		err = b.check(operation, len(p), offset)
	case GetID:
		limit = BlockIDSize
	case Flush:
		limit = 0
	default:
		err = ErrUnsupported
	}
	if err == nil && len(p) > limit {
		err = fmt.Errorf("%d bytes of %d: %w", len(p), limit, ErrTooLarge)
	}
	return err
}

// check checks place and length of a read or write.
func (b *Block) check(operation Operation, length int, offset int64) error {
	switch {
	case operation == Write && b.ReadOnly():
		return ErrReadOnly
	case (offset|int64(length))&int64(b.sector-1) != 0:
		return fmt.Errorf("offset %d, %d bytes, sectors of %d: %w", offset, length, b.sector, ErrAlignment)
	case offset < 0 || offset > b.size || int64(length) > b.size-offset:
		return fmt.Errorf("offset %d, %d bytes, size %d: %w", offset, length, b.size, ErrOutside)
	}
	return nil
}

// prepare writes request i into memory and pushes it.
func (b *Block) prepare(i int, operation Operation, p []byte, offset int64, address physmem.Address, direct bool) {
	r := &b.requests[i]
	r.generation++
	r.state, r.operation, r.offset, r.length, r.err, r.copyTo = requestPending, operation, offset, len(p), nil, nil
	reads := operation == Read || operation == GetID
	if !direct {
		address = r.buffer.Address
		if reads {
			r.copyTo = p
		} else {
			copy(r.buffer.Memory, p)
		}
	}
	h := r.header.Memory
	binary.LittleEndian.PutUint32(h[BlockHeaderType:], uint32(operation))
	binary.LittleEndian.PutUint32(h[BlockHeaderType+4:], 0)
	binary.LittleEndian.PutUint64(h[BlockHeaderSector:], uint64(offset)/SectorUnit)
	h[statusOffset] = blockStatusPending

	first := i * descriptorsPerRequest
	r.written = 1
	b.ring.describe(first, r.header.Address, BlockHeaderSize, DescriptorHasNext, first+1)
	last := first + 1
	if len(p) > 0 {
		flags := uint16(DescriptorHasNext)
		if reads {
			flags |= DescriptorDeviceWrites
			r.written += uint32(len(p))
		}
		b.ring.describe(last, address, uint32(len(p)), flags, last+1)
		last++
	}
	b.ring.describe(last, r.header.Address+statusOffset, 1, DescriptorDeviceWrites, 0)
	b.ring.push(first)
	b.pending++
}

// Kick shows the device the requests that were submitted, and notifies it once
// for all of them, unless it has said that it is looking. Their time begins.
func (b *Block) Kick() {
	if b.pending == 0 || b.failed != nil {
		return
	}
	end := b.now().Add(b.timeout)
	for i := range b.requests {
		if r := &b.requests[i]; r.state == requestPending {
			r.state, r.end = requestInFlight, end
		}
	}
	b.inFlight += b.pending
	b.pending = 0
	if b.ring.publish() {
		b.notifications++
		b.transport.Notify(blockQueue)
	}
}

// Poll takes the answers that are there, without waiting, and returns how many
// requests are still in flight. It reads memory only.
func (b *Block) Poll() (inFlight int) {
	if b.failed != nil {
		return 0
	}
	n := b.ring.finished()
	if int(n) > b.inFlight {
		b.fail(fmt.Errorf("%d answers to %d requests: %w", n, b.inFlight, ErrProtocol))
		return 0
	}
	for range n {
		if err := b.answer(b.ring.take()); err != nil {
			b.fail(err)
			return 0
		}
	}
	return b.inFlight
}

// answer ends the request that a used element names.
func (b *Block) answer(id, length uint32) error {
	i := id / descriptorsPerRequest
	if id%descriptorsPerRequest != 0 || uint64(i) >= uint64(len(b.requests)) {
		return fmt.Errorf("answer for descriptor %#x, which begins no request: %w", id, ErrProtocol)
	}
	r := &b.requests[i]
	if r.state != requestInFlight {
		return fmt.Errorf("answer for descriptor %#x, which is not in flight: %w", id, ErrProtocol)
	}
	// Legacy devices have often counted the whole chain (2.7.8.2).
	limit := uint64(r.written)
	if b.transport.Legacy() {
		limit = BlockHeaderSize + uint64(r.length) + 1
	}
	if uint64(length) > limit {
		return fmt.Errorf("answer of %d bytes to a request with room for %d: %w", length, limit, ErrProtocol)
	}
	r.state = requestDone
	b.inFlight--
	switch status := r.header.Memory[statusOffset]; status {
	case BlockStatusOK:
		if r.operation == Read && length < r.written && !b.transport.Legacy() {
			r.err = fmt.Errorf("%d bytes of %d were read: %w", length, r.written, ErrProtocol)
		}
	case BlockStatusIO:
		r.err = ErrIO
	case BlockStatusNone:
		r.err = ErrUnsupported
	default:
		r.err = fmt.Errorf("status %#x: %w", status, ErrProtocol)
	}
	return nil
}

// Done reports whether a request has been answered, as far as Poll has seen.
func (b *Block) Done(h Handle) bool {
	r, ok := b.request(h)
	return ok && r.state == requestDone
}

func (b *Block) request(h Handle) (*request, bool) {
	i, generation := int(h&0xff), uint32(h>>8)
	if i >= len(b.requests) || b.requests[i].generation&0xff_ffff != generation || b.requests[i].state == requestFree {
		return nil, false
	}
	return &b.requests[i], true
}

// Wait waits until a request has been answered or its time is over. An error is
// a *RequestError. A request whose time is over takes the whole device with
// it: see fail.
func (b *Block) Wait(h Handle) error {
	r, ok := b.request(h)
	if !ok {
		return ErrHandle
	}
	if r.state == requestPending {
		b.Kick()
	}
	for r.state == requestInFlight {
		if b.Poll(); r.state != requestInFlight {
			break
		}
		if b.now().Before(r.end) {
			continue
		}
		// A machine may have been stopped between the look and the clock.
		if b.Poll(); r.state == requestInFlight {
			b.fail(b.timedOut())
		}
	}
	err := r.err
	if err == nil {
		copy(r.copyTo, r.buffer.Memory)
	}
	r.state, r.copyTo = requestFree, nil
	if err != nil {
		return &RequestError{r.operation, r.offset, int64(r.length), err}
	}
	return nil
}

// timedOut says why there was no answer, as far as the device tells.
func (b *Block) timedOut() error {
	err := fmt.Errorf("%v: %w", b.timeout, ErrTimeout)
	if !b.transport.Legacy() && b.transport.Status()&StatusNeedsReset != 0 {
		err = fmt.Errorf("%w: %w", err, ErrNeedsReset) // in one line of a console
	}
	return err
}

// fail gives the device up: it is reset, so that it cannot write to memory later
// on, and every request ends with err, now and from now on.
func (b *Block) fail(err error) {
	if e := reset(b.transport, b.now, b.timeout); e != nil {
		err = fmt.Errorf("%w; %w", err, e)
	}
	b.abandon(err)
}

// abandon ends all requests with err.
func (b *Block) abandon(err error) {
	b.failed = err
	b.inFlight, b.pending = 0, 0
	for i := range b.requests {
		if r := &b.requests[i]; r.state == requestPending || r.state == requestInFlight {
			r.state, r.err = requestDone, err
		}
	}
}
