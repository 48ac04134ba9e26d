package capture

import (
	"github.com/seed64aab995/rescuekernel/container/target"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/record"
)

const (
	// maxRecordArea is the most that is read of the area of fault records.
	maxRecordArea = 1 << 20
	// maxRecords is the most of them that goes into a dump.
	maxRecords = 24 << 10
)

// readRecords reads the host's fault records. None is no problem: a host need
// not keep any.
func (h *Host) readRecords() {
	part := h.Block.Range(handoff.PartRecords)
	if part.IsEmpty() {
		return
	}
	area := make([]byte, min(part.Size(), maxRecordArea))
	if _, err := h.memory.ReadPhysical(area, part.Start); err != nil {
		h.mark("records", err.Error())
		return
	}
	h.records = record.AppendValid(nil, area, maxRecords)
}

// Records are the host's fault records that nobody has acknowledged, as a CBOR
// sequence: that of the panic first. Package record/reader decodes them.
func (h *Host) Records() []byte { return h.records }

// recordSection is what goes ahead of everything else.
func (h *Host) recordSection() []target.Section {
	if len(h.records) == 0 {
		return nil
	}
	return []target.Section{{Kind: target.KindRecord, Data: h.records}}
}
