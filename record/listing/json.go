package listing

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/seed64aab995/rescuekernel/record"
)

// Object is a record in JSON. Keys are not renamed and do not change what they
// mean; what is not known is left out.
type Object struct {
	Restart      string  `json:"restart"`
	Sequence     uint64  `json:"sequence"`
	Time         string  `json:"time,omitempty"` // RFC 3339, UTC
	UptimeNanos  uint64  `json:"uptime_ns,omitempty"`
	CPU          *uint32 `json:"cpu,omitempty"`
	Class        string  `json:"class"`
	Source       string  `json:"source"`
	Generation   uint32  `json:"generation,omitempty"`
	Minimal      bool    `json:"minimal,omitempty"` // of a panic that was not completed
	Flags        uint32  `json:"flags,omitempty"`   // bits of record.Flags
	Message      string  `json:"message,omitempty"`
	BuildID      string  `json:"build_id,omitempty"`
	Reason       uint32  `json:"reason,omitempty"`
	Vector       string  `json:"vector,omitempty"`
	ErrorCode    string  `json:"error_code,omitempty"`
	FaultAddress string  `json:"fault_address,omitempty"`
	PC           string  `json:"pc,omitempty"`
	Stopped      uint32  `json:"stopped,omitempty"`
	NotStopped   uint32  `json:"not_stopped,omitempty"`
	Architecture string  `json:"architecture,omitempty"`
	Registers    string  `json:"registers,omitempty"` // hexadecimal digits
	StackAddress string  `json:"stack_address,omitempty"`
	Stack        string  `json:"stack,omitempty"` // hexadecimal digits
	Trace        string  `json:"trace,omitempty"`
	Count        *uint64 `json:"count,omitempty"`         // of a class that counts, if known
	CountUnknown bool    `json:"count_unknown,omitempty"` // it counts, and nobody knows how many
	First        uint64  `json:"first,omitempty"`
}

// Object is the entry as it is written in JSON.
func (e Entry) Object() Object {
	o := Object{
		Restart: e.RestartID.String(), Sequence: e.Sequence, UptimeNanos: e.Uptime, Class: e.Class, Source: e.Source,
		Generation: e.Generation, Minimal: e.Minimal, Flags: uint32(e.Flags), Message: e.Message, BuildID: e.BuildID,
		Reason: e.Reason, Vector: hexadecimal(e.Vector), ErrorCode: hexadecimal(e.ErrorCode),
		FaultAddress: hexadecimal(e.FaultAddress), PC: hexadecimal(e.PC), Stopped: e.Stopped, NotStopped: e.NotStopped,
		Registers: hex.EncodeToString(e.Registers), StackAddress: hexadecimal(e.StackAddress), Stack: hex.EncodeToString(e.Stack),
		Trace: e.Trace, First: e.First,
	}
	if e.Time != 0 {
		o.Time = time.Unix(0, e.Time).UTC().Format(time.RFC3339Nano)
	}
	if e.CPU != record.NoCPU {
		o.CPU = &e.CPU
	}
	if e.Architecture != 0 {
		o.Architecture = e.Architecture.String()
	}
	switch {
	case e.Count == record.UnknownCount:
		o.CountUnknown = true
	case e.Count != 0:
		o.Count = &e.Count
	}
	return o
}

// WriteJSON writes an object a line.
func WriteJSON(w io.Writer, entries []Entry) error {
	encoder := json.NewEncoder(w)
	for _, e := range entries {
		if err := encoder.Encode(e.Object()); err != nil {
			return fmt.Errorf("list records: %w", err)
		}
	}
	return nil
}
