package device

import "sync/atomic"

// Counters are what a disk has done since power-on.
type Counters struct {
	Requests     uint64 // taken from the queue
	Reads        uint64 // among them
	Writes       uint64
	Flushes      uint64
	Failed       uint64 // answered with an error
	BytesRead    uint64 // from the disk
	BytesWritten uint64
	Kicks        uint64 // notifications by the driver
	Accesses     uint64 // to the device's registers, kicks among them
	Interrupts   uint64 // asked for by the device, whether they got anywhere or not
	Resets       uint64 // by the driver
}

type counters struct {
	requests, reads, writes, flushes, failed atomic.Uint64
	bytesRead, bytesWritten                  atomic.Uint64
	kicks, accesses, interrupts, resets      atomic.Uint64
}

// Counters are what the disk has done so far. They may be read at any time.
func (b *Block) Counters() Counters {
	c := &b.counters
	return Counters{
		Requests: c.requests.Load(), Reads: c.reads.Load(), Writes: c.writes.Load(), Flushes: c.flushes.Load(), Failed: c.failed.Load(),
		BytesRead: c.bytesRead.Load(), BytesWritten: c.bytesWritten.Load(),
		Kicks: c.kicks.Load(), Accesses: c.accesses.Load(), Interrupts: c.interrupts.Load(), Resets: c.resets.Load(),
	}
}
