package rescue

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"time"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// What an estimate assumes. cmd/rescue-kernel compressed 145 MB a second on one
// core of an AMD EPYC under KVM, memory of a small Go program at 3.3 to 1; the
// numbers are lower because a slow disk or poor memory is no surprise.
const (
	// AssumedRate is how many bytes of the dump go to a disk in a second.
	AssumedRate = 100 << 20
	// AssumedRatio is how many times smaller compression makes a dump.
	AssumedRatio = 2
	// AssumedSpeed is that of a serial line that tells none, in bits a second.
	AssumedSpeed = 115200
)

// Estimate is what a dump would be if the host panicked now.
type Estimate struct {
	Pages uint64 // set in the page bitmap
	Bytes uint64 // of the dump, before compression
	// Targets are those of the configuration, in order.
	Targets []TargetEstimate
}

// TargetEstimate is what a dump to one target would take.
type TargetEstimate struct {
	Target handoff.Target
	// Fits says that there is room for the dump even if it cannot be compressed.
	Fits bool
	// Duration is by the assumed rates: 0 for a target that takes no dump.
	Duration time.Duration
}

// String says it in lines.
func (e Estimate) String() string {
	text := fmt.Sprintf("dump of %d pages, %d KiB before compression\n", e.Pages, e.Bytes>>10)
	for i, t := range e.Targets {
		room := "has room for all of it"
		if !t.Fits {
			room = "may cut it"
		}
		text += fmt.Sprintf("target %d: about %v, %s\n", i, t.Duration.Round(time.Millisecond), room)
	}
	return text
}

// Estimate says what a dump would be if the host panicked now. It reads the
// page bitmap, 32 KiB for each GiB of memory.
func (a *Armed) Estimate() (Estimate, error) {
	memory, err := a.platform.Memory()
	if err != nil {
		return Estimate{}, fmt.Errorf("estimate: %w", err)
	}
	b := &a.block
	e, err := estimate(memory, &b.Host, b.Bitmap, b.MessageBuffer, physmem.NewRanges(b.Memory...), b.Architecture)
	if err != nil {
		return Estimate{}, fmt.Errorf("estimate: %w", err)
	}
	for _, t := range b.Targets {
		e.Targets = append(e.Targets, e.target(t))
	}
	return e, nil
}

// estimate counts what a dump has, but for what a target takes.
func estimate(memory physmem.Reader, host *handoff.Host, bitmap, messages handoff.Region, ram physmem.Ranges, architecture handoff.Architecture) (Estimate, error) {
	page := max(uint64(host.PageSize), handoff.PageSize)
	e := Estimate{Pages: ram.Size() / page}
	if bitmap.Length != 0 {
		var err error
		if e.Pages, err = countBits(memory, bitmap); err != nil {
			return Estimate{}, fmt.Errorf("page bitmap: %w", err)
		}
	}
	// A page of the page-table section stands for 1 GiB on amd64; on arm64 an
	// entry of 8 bytes stands for a page.
	window := host.KernelEnd - host.KernelBase
	tables := (window>>30 + 1) * page
	if architecture == handoff.ARM64 {
		tables = window / page * 8
	}
	bitmapSize := max(bitmap.Length, ram.Size()/page/8)
	const others = 64 << 10 // header, dump_avail, notes, what rounding adds
	e.Bytes = e.Pages*page + tables + bitmapSize + messages.Length + others
	return e, nil
}

// countBits counts the bits of a region.
func countBits(memory physmem.Reader, region handoff.Region) (count uint64, err error) {
	r := physmem.NewExtentReader(memory, region.Extents)
	buffer := make([]byte, 32<<10)
	for at := uint64(0); at < region.Length; {
		p := buffer[:min(uint64(len(buffer)), region.Length-at)]
		if n, err := r.ReadAt(p, int64(at)); n < len(p) {
			return 0, err
		}
		at += uint64(len(p))
		for ; len(p) >= 8; p = p[8:] {
			count += uint64(bits.OnesCount64(binary.LittleEndian.Uint64(p)))
		}
		for _, b := range p {
			count += uint64(bits.OnesCount8(b))
		}
	}
	return count, nil
}

// overhead is what headers and the label take of an extent.
const overhead = 1 << 20

// target says what a dump to t would take.
func (e *Estimate) target(t handoff.Target) TargetEstimate {
	switch t.Kind {
	case handoff.TargetBlock:
		return TargetEstimate{t, t.Length >= overhead && t.Length-overhead >= e.Bytes, duration(e.Bytes, AssumedRate)}
	case handoff.TargetSerial:
		speed := uint64(t.Speed)
		if speed == 0 {
			speed = AssumedSpeed
		}
		// A start bit, eight of data and a stop bit; frames add 1 %.
		return TargetEstimate{t, true, duration(e.Bytes/AssumedRatio*101/100, max(speed/10, 1))}
	}
	return TargetEstimate{Target: t}
}

// duration is how long n bytes take at so many a second.
func duration(n, rate uint64) time.Duration {
	return time.Duration(n/rate)*time.Second + time.Duration(n%rate*1000/rate)*time.Millisecond
}
