package virtio

import (
	"time"

	"github.com/seed64aab995/rescuekernel/device"
)

// Options are how a driver works. Memory must be given; zero values of the other
// fields are useful.
type Options struct {
	// Memory is all that the device may reach: rings, request headers, and a
	// buffer for each request. What the driver does not need is left in
	// Block.Spare. MemorySize says how much it takes.
	Memory device.Region

	// Depth is how many requests can be in flight; 0 is DefaultDepth, and
	// MaxDepth the most. A device with a small queue has fewer.
	Depth int

	// BufferSize is the bytes of one request's buffer, through which data go that
	// do not lie in Memory. It is rounded up to a page; 0 is DefaultBufferSize.
	BufferSize int

	// Timeout is how long the device may take to answer a request or to reset;
	// 0 is DefaultTimeout.
	Timeout time.Duration

	// PreferLegacy takes the legacy interface of a PCI device that has both: it
	// is set up with some 15 register accesses and not some 60.
	PreferLegacy bool

	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Defaults and limits of Options.
const (
	DefaultDepth      = 8
	MaxDepth          = 64
	DefaultBufferSize = 64 << 10
	MaxBufferSize     = 1 << 20
	DefaultTimeout    = 5 * time.Second
)

const pageSize = 4096

// complete fills in what is left open.
func (o Options) complete() Options {
	if o.Depth <= 0 {
		o.Depth = DefaultDepth
	}
	o.Depth = min(o.Depth, MaxDepth)
	if o.BufferSize <= 0 {
		o.BufferSize = DefaultBufferSize
	}
	o.BufferSize = (min(o.BufferSize, MaxBufferSize) + pageSize - 1) &^ (pageSize - 1)
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// MemorySize is how much page-aligned memory a block device takes with these
// options, where its queue has at most 256 entries, as QEMU's have. A legacy
// PCI device with a larger queue takes 24 bytes for each entry more.
func (o Options) MemorySize() uint64 {
	o = o.complete()
	const queue = 256
	return legacyLayout(queue).size + requestArea(o.Depth) + uint64(o.Depth)*uint64(o.BufferSize)
}

// requestArea is the memory of the headers and states of requests, in pages.
func requestArea(depth int) uint64 {
	return (uint64(depth)*requestSize + pageSize - 1) &^ (pageSize - 1)
}
