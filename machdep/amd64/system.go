package amd64

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// SegmentDescriptor is one 8-byte entry of a GDT (Intel SDM 3A 3.4.5). In long
// mode base and limit of code and data segments have no meaning, so few kinds
// are left.
type SegmentDescriptor uint64

// Bits of a SegmentDescriptor.
const (
	SegmentAccessed    SegmentDescriptor = 1 << 40 // set beforehand, or the processor writes to the table
	SegmentWritable    SegmentDescriptor = 1 << 41 // data; for code: readable
	SegmentExecutable  SegmentDescriptor = 1 << 43
	SegmentCodeOrData  SegmentDescriptor = 1 << 44 // S: not a system segment
	SegmentUser        SegmentDescriptor = 3 << 45 // DPL 3
	SegmentPresent     SegmentDescriptor = 1 << 47
	SegmentLong        SegmentDescriptor = 1 << 53 // L: 64-bit code
	Segment32          SegmentDescriptor = 1 << 54 // D or B: 32-bit
	SegmentGranularity SegmentDescriptor = 1 << 55 // G: the limit counts pages

	segmentLimit  = 0xffff | 0xf<<48 // of 4 GiB, with SegmentGranularity
	segmentCommon = SegmentAccessed | SegmentWritable | SegmentCodeOrData | SegmentPresent
)

// The segments that a kernel needs. All have their accessed bit set.
const (
	SegmentKernelCode   = segmentCommon | SegmentExecutable | SegmentLong
	SegmentKernelData   = segmentCommon
	SegmentUserCode     = SegmentKernelCode | SegmentUser
	SegmentUserData     = segmentCommon | SegmentUser
	SegmentKernelCode32 = segmentCommon | SegmentExecutable | Segment32 | SegmentGranularity | segmentLimit
	SegmentKernelData32 = segmentCommon | Segment32 | SegmentGranularity | segmentLimit
)

// Selector is the selector of a GDT's entry, for privilege level level.
func Selector(index, level int) uint16 { return uint16(index<<3 | level&3) }

// AppendTSSDescriptor appends the 16 bytes that describe a 64-bit TSS (Intel SDM
// 3A 7.2.3). Limit is the offset of its last byte. The busy bit is clear; LTR
// sets it, so the table must be writable then.
func AppendTSSDescriptor(b []byte, base uint64, limit uint32) []byte {
	const available = 0x9 << 40
	low := uint64(limit&0xffff) | uint64(limit>>16&0xf)<<48 | base&0xff_ffff<<16 | base>>24&0xff<<56
	b = binary.LittleEndian.AppendUint64(b, low|available|uint64(SegmentPresent))
	return binary.LittleEndian.AppendUint64(b, base>>32)
}

// Gate is one entry of an IDT (Intel SDM 3A 6.14.1): an interrupt gate, which
// clears RFLAGS.IF, or a trap gate, which does not.
type Gate struct {
	Handler        uint64
	Selector       uint16
	InterruptStack int  // 1 to 7: this stack of the TSS; 0: the ordinary one
	User           bool // INT n is allowed to CPL 3
	Trap           bool
}

// GateSize is the number of bytes of a Gate in an IDT.
const GateSize = 16

// Append appends the gate as an IDT has it.
func (g Gate) Append(b []byte) []byte {
	kind := uint64(0x8e) // present, DPL 0, 64-bit interrupt gate
	if g.Trap {
		kind |= 1
	}
	if g.User {
		kind |= 3 << 5
	}
	low := g.Handler&0xffff | uint64(g.Selector)<<16 | uint64(g.InterruptStack&7)<<32 | kind<<40 | g.Handler>>16&0xffff<<48
	b = binary.LittleEndian.AppendUint64(b, low)
	return binary.LittleEndian.AppendUint64(b, g.Handler>>32)
}

// DescriptorTableSize is what LGDT and LIDT load: limit and base.
const DescriptorTableSize = 10

// Append appends the operand of LGDT or LIDT.
func (t DescriptorTable) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint16(b, t.Limit)
	return binary.LittleEndian.AppendUint64(b, t.Base)
}

// Layout of a 64-bit TSS (Intel SDM 3A 7.7).
const (
	TSSOffsetRSP0            = 0x04 // stacks of levels 0 to 2
	TSSOffsetInterruptStack1 = 0x24 // 1 to 7
	TSSOffsetIOMap           = 0x66 // u16
	TSSSize                  = 0x68 // without an I/O permission map
)

// TSS is a 64-bit task-state segment.
type TSS struct {
	Stacks          [3]uint64 // of privilege levels 0 to 2
	InterruptStacks [7]uint64 // 1 to 7, at 0 to 6
	// Ports are those that CPL 3 may use. Nil makes a segment without a map,
	// which allows none.
	Ports *IOBitmap
}

// Append appends the segment. Its limit, for AppendTSSDescriptor, is one less
// than the bytes that are appended.
func (t *TSS) Append(b []byte) []byte {
	b = append(b, 0, 0, 0, 0)
	for _, stack := range t.Stacks {
		b = binary.LittleEndian.AppendUint64(b, stack)
	}
	b = append(b, make([]byte, 8)...)
	for _, stack := range t.InterruptStacks {
		b = binary.LittleEndian.AppendUint64(b, stack)
	}
	b = append(b, make([]byte, 10)...)
	// A map that begins behind the segment's end allows nothing.
	b = binary.LittleEndian.AppendUint16(b, TSSSize)
	if t.Ports != nil {
		b = t.Ports.append(b)
	}
	return b
}

// IOBitmap is the set of I/O ports that CPL 3 may use (Intel SDM 1 19.5.2). The
// zero value has none.
type IOBitmap struct {
	allowed [65536 / 8]byte
}

// IOBitmapSize is the number of bytes of an IOBitmap in a TSS: a bit for each
// port, and a last byte of ones that the processor may look at.
const IOBitmapSize = 65536/8 + 1

var errPorts = errors.New("no such I/O ports")

// Allow adds count ports from first on.
func (m *IOBitmap) Allow(first, count int) error {
	if first < 0 || count < 0 || first > 65536 || count > 65536-first {
		return fmt.Errorf("allow %#x ports from %#x: %w", count, first, errPorts)
	}
	for port := first; port < first+count; port++ {
		m.allowed[port/8] |= 1 << (port % 8)
	}
	return nil
}

// Allows reports whether a port is in the set.
func (m *IOBitmap) Allows(port uint16) bool { return m.allowed[port/8]>>(port%8)&1 != 0 }

// append appends the map as a TSS has it, where a set bit refuses.
func (m *IOBitmap) append(b []byte) []byte {
	for _, allowed := range m.allowed {
		b = append(b, ^allowed)
	}
	return append(b, 0xff)
}

// PAT entries (Intel SDM 3A table 12-10), and what the register holds after a
// reset.
const (
	PATUncacheable    = 0
	PATWriteCombining = 1
	PATWriteThrough   = 4
	PATWriteProtected = 5
	PATWriteBack      = 6
	PATUncached       = 7 // UC-: MTRRs may make it write-combining
	PATReset          = 0x0007_0406_0007_0406
)
