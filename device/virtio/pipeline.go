package virtio

import (
	"errors"
	"io"
)

// Pipeline writes behind: WriteAt returns when its data are copied and on their
// way, so that whoever makes the data goes on while the disk writes. An error is
// that of an earlier write, comes with a later call, and stays.
//
// Writes in one sequence may reach the medium in any order. A write that does
// not begin where the last one ended is a barrier: it is sent when all before it
// are answered, and what follows it likewise. Drain is a barrier too.
//
// The block device can be used beside it, by the same goroutine, as long as
// requests are left.
type Pipeline struct {
	block  *Block
	flight flight
	next   int64
	err    error
}

var _ io.WriterAt = (*Pipeline)(nil)

// Pipeline makes a pipeline. All of the device's requests can be in flight.
func (b *Block) Pipeline() *Pipeline { return &Pipeline{block: b} }

// WriteAt queues p, whole sectors, to be written at offset. It waits only while
// all requests are in flight. A write that cannot be is refused as a whole.
func (p *Pipeline) WriteAt(data []byte, offset int64) (n int, err error) {
	if p.err != nil {
		return 0, p.err
	}
	b := p.block
	if err := b.check(Write, len(data), offset); err != nil {
		return 0, &RequestError{Write, offset, int64(len(data)), err}
	}
	if offset != p.next {
		if err := p.Drain(); err != nil {
			return 0, err
		}
	}
	for n < len(data) {
		part := data[n:min(n+b.bufferSize, len(data))]
		if err := p.submit(part, offset+int64(n)); err != nil {
			p.err = err
			return n, err
		}
		n += len(part)
	}
	p.next = offset + int64(n)
	b.Kick()
	return n, p.reap()
}

// submit makes a request of part, as soon as there is one.
func (p *Pipeline) submit(part []byte, offset int64) error {
	b := p.block
	for {
		h, err := b.submitCopy(part, offset)
		if err == nil {
			p.flight.push(h)
			return nil
		}
		if !errors.Is(err, ErrQueueFull) || p.flight.count == 0 {
			return err
		}
		b.Kick()
		if err := b.Wait(p.flight.pop()); err != nil {
			return err
		}
	}
}

// reap takes what has been answered, so that an error is known early.
func (p *Pipeline) reap() error {
	p.block.Poll()
	for p.flight.count > 0 && p.block.Done(p.flight.oldest()) {
		if err := p.block.Wait(p.flight.pop()); err != nil {
			p.err = err
			return err
		}
	}
	return nil
}

// Drain waits until every write has been answered.
func (p *Pipeline) Drain() error {
	if err := p.flight.drain(p.block); p.err == nil {
		p.err = err
	}
	return p.err
}

// Flush is Drain, and then makes what was written last.
func (p *Pipeline) Flush() error {
	if err := p.Drain(); err != nil {
		return err
	}
	if err := p.block.Flush(); err != nil {
		p.err = err
	}
	return p.err
}
