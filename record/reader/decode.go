package reader

import (
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"github.com/seed64aab995/rescuekernel/record"
)

// ErrVersion says that a record is of a newer schema than this package knows.
var ErrVersion = errors.New("unknown version of the schema")

// decoding bounds what a hostile file may ask for. Text must be UTF-8 and a key
// must not come twice.
var decoding = func() cbor.DecMode {
	mode, err := cbor.DecOptions{DupMapKey: cbor.DupMapKeyEnforcedAPF, MaxNestedLevels: 8, MaxArrayElements: 1 << 16, MaxMapPairs: 256}.DecMode()
	if err != nil {
		panic(err) // the options are constant
	}
	return mode
}()

// wire is the schema.
type wire struct {
	Version      *uint64         `cbor:"0,keyasint"`
	RestartID    []byte          `cbor:"1,keyasint"`
	Sequence     *uint64         `cbor:"2,keyasint"`
	Time         int64           `cbor:"3,keyasint"`
	Uptime       uint64          `cbor:"4,keyasint"`
	CPU          *uint32         `cbor:"5,keyasint"`
	Class        *string         `cbor:"6,keyasint"`
	Source       *string         `cbor:"7,keyasint"`
	Generation   uint32          `cbor:"8,keyasint"`
	Flags        uint32          `cbor:"9,keyasint"`
	Reason       uint32          `cbor:"10,keyasint"`
	Vector       uint64          `cbor:"11,keyasint"`
	ErrorCode    uint64          `cbor:"12,keyasint"`
	FaultAddress uint64          `cbor:"13,keyasint"`
	PC           uint64          `cbor:"14,keyasint"`
	Stopped      uint32          `cbor:"15,keyasint"`
	NotStopped   uint32          `cbor:"16,keyasint"`
	Count        cbor.RawMessage `cbor:"17,keyasint"`
	First        uint64          `cbor:"18,keyasint"`
	BuildID      string          `cbor:"19,keyasint"`
	Architecture uint32          `cbor:"20,keyasint"`
	Message      string          `cbor:"21,keyasint"`
	Registers    []byte          `cbor:"22,keyasint"`
	StackAddress uint64          `cbor:"23,keyasint"`
	Stack        []byte          `cbor:"24,keyasint"`
	Trace        string          `cbor:"25,keyasint"`
}

// Decode reads one record. The errors are record.ErrRecord and ErrVersion.
func Decode(data []byte) (*record.Record, error) {
	var w wire
	if err := decoding.Unmarshal(data, &w); err != nil {
		return nil, fmt.Errorf("%w: %w", record.ErrRecord, err)
	}
	switch {
	case w.Version == nil || w.Sequence == nil || w.Class == nil || w.Source == nil || len(w.RestartID) != len(record.ID{}):
		return nil, fmt.Errorf("version, restart id, sequence number, class or source is missing: %w", record.ErrRecord)
	case *w.Version != record.Version:
		return nil, fmt.Errorf("%d, want %d: %w", *w.Version, record.Version, ErrVersion)
	}
	r := &record.Record{
		RestartID: record.ID(w.RestartID), Sequence: *w.Sequence, Time: w.Time, Uptime: w.Uptime, CPU: record.NoCPU,
		Class: *w.Class, Source: *w.Source, Generation: w.Generation, Flags: record.Flags(w.Flags), Message: w.Message,
		BuildID: w.BuildID, Reason: w.Reason, Vector: w.Vector, ErrorCode: w.ErrorCode, FaultAddress: w.FaultAddress,
		PC: w.PC, Stopped: w.Stopped, NotStopped: w.NotStopped, Architecture: record.Architecture(w.Architecture),
		Registers: w.Registers, StackAddress: w.StackAddress, Stack: w.Stack, Trace: w.Trace, First: w.First,
	}
	if w.CPU != nil {
		r.CPU = *w.CPU
	}
	if len(w.Count) == 1 && w.Count[0] == 0xf6 { // null
		r.Count = record.UnknownCount
	} else if len(w.Count) > 0 {
		if err := decoding.Unmarshal(w.Count, &r.Count); err != nil {
			return nil, fmt.Errorf("count: %w: %w", record.ErrRecord, err)
		}
	}
	return r, nil
}

// stored makes of CBOR what an area would have kept: in our own encoding.
func stored(data []byte) (record.Stored, error) {
	r, err := Decode(data)
	if err != nil {
		return record.Stored{}, err
	}
	if _, err := record.Decode(data); err != nil {
		if data, err = r.AppendBinary(nil); err != nil {
			return record.Stored{}, err
		}
	}
	return record.Stored{
		RestartID: r.RestartID, Sequence: r.Sequence, Time: r.Time, Source: r.Source,
		Minimal: r.Flags&record.FlagMinimal != 0, Loss: r.Class == record.ClassLoss, Data: append([]byte(nil), data...),
	}, nil
}
