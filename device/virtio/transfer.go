package virtio

import (
	"errors"
	"io"
)

var (
	_ io.ReaderAt = (*Block)(nil)
	_ io.WriterAt = (*Block)(nil)
)

// ReadAt implements io.ReaderAt for whole sectors. What lies in Options.Memory is
// not copied. At the end of the device it reads what is there, with io.EOF.
func (b *Block) ReadAt(p []byte, offset int64) (n int, err error) {
	wanted := len(p)
	if offset >= 0 && int64(len(p)) > b.size-min(offset, b.size) {
		p = p[:b.size-min(offset, b.size)]
	}
	if offset >= b.size && wanted > 0 {
		return 0, io.EOF
	}
	n, err = b.transfer(Read, p, offset)
	if err == nil && n < wanted {
		err = io.EOF
	}
	return n, err
}

// WriteAt implements io.WriterAt for whole sectors. What lies in Options.Memory
// is not copied. When it returns, the device has taken the data; Flush makes
// them last.
func (b *Block) WriteAt(p []byte, offset int64) (n int, err error) {
	return b.transfer(Write, p, offset)
}

// transfer splits a read or write into requests, as many at once as there are.
// The bytes that it counts are those before the first request that failed. When
// it returns, nothing of it is in flight: that would use the caller's memory.
func (b *Block) transfer(operation Operation, p []byte, offset int64) (n int, err error) {
	if err := b.check(operation, len(p), offset); err != nil {
		return 0, &RequestError{operation, offset, int64(len(p)), err}
	}
	limit := b.bufferSize
	if _, direct := b.memory.Locate(p); direct {
		limit = b.maxTransfer
	}
	var f flight
	for submitted := 0; ; {
		for submitted < len(p) && err == nil {
			part := p[submitted:min(submitted+limit, len(p))]
			var h Handle
			h, err = b.Submit(operation, part, offset+int64(submitted))
			if errors.Is(err, ErrQueueFull) && f.count > 0 {
				err = nil
				break
			}
			if err == nil {
				f.push(h)
				submitted += len(part)
			}
		}
		b.Kick()
		if f.count == 0 {
			return n, err
		}
		// All that is done makes room for as many requests with one Kick.
		for more := true; more; more = f.count > 0 && b.Done(f.oldest()) {
			if e := b.Wait(f.pop()); e != nil {
				_ = f.drain(b) // the first error counts
				return n, e
			}
			n += min(limit, len(p)-n)
		}
	}
}

// flight is a queue of requests in the order in which they were submitted.
type flight struct {
	handles      [MaxDepth]Handle
	first, count int
}

func (f *flight) push(h Handle) {
	f.handles[(f.first+f.count)%MaxDepth] = h
	f.count++
}

func (f *flight) oldest() Handle { return f.handles[f.first] }

func (f *flight) pop() Handle {
	h := f.handles[f.first]
	f.first, f.count = (f.first+1)%MaxDepth, f.count-1
	return h
}

// drain waits for all requests and returns the first error.
func (f *flight) drain(b *Block) error {
	var first error
	for f.count > 0 {
		if err := b.Wait(f.pop()); first == nil {
			first = err
		}
	}
	return first
}

// Flush makes what was written last. A device that does not offer it writes
// through, so there is nothing to do.
func (b *Block) Flush() error {
	if b.features&FeatureBlockFlush == 0 {
		return b.failed
	}
	return b.one(Flush, nil)
}

// Serial is the device's serial number, which QEMU's option serial= and package
// machine's Disk.Name set. ErrUnsupported: it has none.
func (b *Block) Serial() (string, error) {
	var id [BlockIDSize]byte
	if err := b.one(GetID, id[:]); err != nil {
		return "", err
	}
	n := 0
	for n < len(id) && id[n] != 0 {
		n++
	}
	return string(id[:n]), nil
}

// one makes a request and waits for it.
func (b *Block) one(operation Operation, p []byte) error {
	h, err := b.Submit(operation, p, 0)
	if err != nil {
		return err
	}
	return b.Wait(h)
}
