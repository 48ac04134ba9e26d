package handoff

import (
	"encoding/binary"
	"fmt"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// decoder takes fields from the front of a section's payload. After the first
// error it gives zeros.
type decoder struct {
	data []byte
	err  error
}

func (d *decoder) take(n int) []byte {
	if d.err == nil && len(d.data) < n {
		d.err = ErrTruncated
	}
	if d.err != nil {
		return make([]byte, n)
	}
	taken := d.data[:n]
	d.data = d.data[n:]
	return taken
}

func (d *decoder) u32() uint32 { return binary.LittleEndian.Uint32(d.take(4)) }
func (d *decoder) u64() uint64 { return binary.LittleEndian.Uint64(d.take(8)) }

func (d *decoder) text() string { return string(d.take(int(d.take(1)[0]))) }

// count reads the length of a list. Lists are capped before they are allocated.
func (d *decoder) count(most int) int {
	n := d.u32()
	if padding := d.u32(); padding != 0 && d.err == nil {
		d.err = fmt.Errorf("%w: padding %#x", ErrInvalid, padding)
	}
	if n > uint32(most) && d.err == nil {
		d.err = fmt.Errorf("%d entries, at most %d: %w", n, most, ErrTooLarge)
	}
	if d.err != nil {
		return 0
	}
	return int(n)
}

func decodeList[T any](d *decoder, most int, entry func(*decoder) T) []T {
	var list []T
	for range d.count(most) {
		list = append(list, entry(d))
	}
	return list
}

func (d *decoder) ranges(most int) []physmem.Range {
	return decodeList(d, most, (*decoder).oneRange)
}

func (d *decoder) oneRange() physmem.Range {
	start, size := d.u64(), d.u64()
	r, ok := physmem.NewRange(physmem.Address(start), size)
	if !ok && d.err == nil {
		d.err = fmt.Errorf("%w: %#x bytes at %#x end beyond %v", ErrInvalid, size, start, physmem.MaxAddress)
	}
	return r
}

func (d *decoder) region() Region {
	return Region{d.u64(), d.ranges(MaxExtents)}
}

func (d *decoder) host() Host {
	return Host{
		PageSize: d.u32(), CPUs: d.u32(),
		KernelBase: d.u64(), KernelEnd: d.u64(),
		DirectMapBase: d.u64(), DirectMapEnd: d.u64(), DirectMapPhysical: d.u64(),
		Name: d.text(), Version: d.text(), BuildID: d.text(), Architecture: d.text(),
	}
}

func (d *decoder) target() Target {
	t := Target{
		Kind: TargetKind(d.u32()), Bus: Bus(d.u32()),
		Address: d.u64(), DeviceSize: d.u64(), Start: d.u64(), Length: d.u64(),
	}
	copy(t.Label[:], d.take(len(t.Label)))
	t.Flags, t.Speed = d.u32(), d.u32()
	return t
}

func (d *decoder) firmware() Firmware {
	f := Firmware{Kind: FirmwareKind(d.u32()), Version: d.u32(), EntrySize: d.u32()}
	d.u32()
	f.Offset, f.Length, f.Address = d.u64(), d.u64(), physmem.Address(d.u64())
	return f
}

func (d *decoder) digest() Digest {
	g := Digest{Part: Part(d.u32()), Kind: DigestKind(d.u32()), Offset: d.u64(), Length: d.u64()}
	copy(g.SHA256[:], d.take(len(g.SHA256)))
	return g
}
