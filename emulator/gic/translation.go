package gic

import "github.com/seed64aab995/rescuekernel/device/gic"

// translation is GITS: registers, and a queue of commands that are taken and have
// no effect.
type translation struct {
	control             uint32
	commands, head, end uint64 // GITS_CBASER, GITS_CWRITER, GITS_CREADR
	tables              [gic.ITSTables]uint64
}

// What GITS_TYPER says (12.19.12): physical LPIs, 8 bytes an entry of a
// translation table, 16 bits of events and of devices.
const itsType = 1<<0 | 7<<4 | 15<<8 | 15<<13

// Fields of GITS_BASER that are fixed: type and entry size.
const (
	tableFixed    = 7<<gic.ITSTypeShift | 0x1f<<gic.ITSEntrySizeShift
	tableWritable = 1<<63 | 1<<62 | 7<<59 | 7<<53 | 0x0000_ffff_ffff_ffff&^(3<<8) | 3<<8
	queueWritable = 1<<63 | 7<<59 | 7<<53 | 0x000f_ffff_ffff_f000 | 3<<10 | 0xff
	queueOffset   = 0xf_ffe0
)

func newTranslation() translation {
	t := translation{}
	t.tables[0] = gic.ITSTypeDevices<<gic.ITSTypeShift | 7<<gic.ITSEntrySizeShift
	t.tables[1] = gic.ITSTypeCollection<<gic.ITSTypeShift | 7<<gic.ITSEntrySizeShift
	return t
}

func (t *translation) bytes(uint64) bool      { return false }
func (t *translation) writeByte(uint64, byte) {}

func (t *translation) read32(offset uint64) uint32 {
	half := func(v uint64) uint32 { return uint32(v >> (8 * (offset & 4))) }
	if n := (offset - gic.ITSTable) / 8; offset >= gic.ITSTable && n < gic.ITSTables {
		return half(t.tables[n])
	}
	switch offset &^ 4 {
	case gic.ITSType:
		return half(itsType)
	case gic.ITSCommandBase:
		return half(t.commands)
	case gic.ITSCommandWrite:
		return half(t.head)
	case gic.ITSCommandRead:
		return half(t.end)
	}
	switch offset {
	case gic.ITSControl:
		if t.control&gic.ITSEnabled == 0 {
			return gic.ITSQuiescent
		}
		return t.control
	case gic.ITSImplementer:
		return implementer3
	case gic.ITSPeripheralID2:
		return 3<<gic.PeripheralIDRevisionShift | 0xb
	}
	return 0
}

func (t *translation) write32(offset uint64, v uint32) {
	merge := func(old, writable uint64) uint64 {
		shift := 8 * (offset & 4)
		return old&^(0xffff_ffff<<shift&writable) | uint64(v)<<shift&(0xffff_ffff<<shift)&writable
	}
	off := t.control&gic.ITSEnabled == 0
	if n := (offset - gic.ITSTable) / 8; offset >= gic.ITSTable && n < gic.ITSTables {
		if off && t.tables[n]&tableFixed != 0 {
			t.tables[n] = merge(t.tables[n], tableWritable)
		}
		return
	}
	switch {
	case offset == gic.ITSControl:
		t.control = v & gic.ITSEnabled
	case offset&^4 == gic.ITSCommandBase && off:
		t.commands = merge(t.commands, queueWritable)
		t.end = 0
	case offset&^4 == gic.ITSCommandWrite:
		t.head = merge(t.head, queueOffset)
	}
	if t.control&gic.ITSEnabled != 0 && t.commands&gic.ITSValid != 0 {
		t.end = t.head
	}
}
