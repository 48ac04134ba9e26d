package crashlog

import (
	"encoding/hex"

	"github.com/seed64aab995/rescuekernel/record"
)

// Classes of the records beside those that package record has, see
// [Instance.Record].
const (
	ClassFatal  = "task.fault.fatal"  // the runtime gave up
	ClassMemory = "task.fault.memory" // it had no memory
	ClassSignal = "task.fault.signal"
)

// maxTrace is how much of an instance's text goes into its record.
const maxTrace = 2048

// Record is the instance's end as a fault record of a source, which an
// [record.Area] or whatever reads records takes. Restart id, build id and time are
// those of the instance that died; the trace is the beginning of what it said.
func (i Instance) Record(source string) record.Record {
	r := record.Record{
		Sequence:     1, // one record for one restart
		Time:         i.Ended.UnixNano(),
		CPU:          record.NoCPU,
		Class:        i.class(),
		Source:       source,
		Message:      i.Message,
		BuildID:      i.BuildID,
		FaultAddress: i.Address,
		PC:           i.PC,
		Trace:        string(i.Text[:min(len(i.Text), maxTrace)]),
	}
	if i.Ended.After(i.Started) {
		r.Uptime = uint64(i.Ended.Sub(i.Started))
	}
	if r.Message == "" {
		r.Message = string(i.Kind)
	}
	if id, err := hex.DecodeString(i.Restart); err == nil {
		copy(r.RestartID[:], id)
	}
	return r
}

func (i Instance) class() string {
	switch i.Kind {
	case Panic:
		return record.ClassTaskPanic
	case Fatal:
		return ClassFatal
	case Memory:
		return ClassMemory
	case Signal:
		return ClassSignal
	case Silent:
		return record.ClassTaskExit
	}
	return record.ClassTaskUnknown
}

// Records is what Ended has as fault records of a source, oldest first.
func (l *Log) Records(source string) []record.Record {
	var records []record.Record
	for _, i := range l.ended {
		records = append(records, i.Record(source))
	}
	return records
}
