package export

import (
	"context"
	"encoding/hex"
	"log/slog"
	"strconv"
	"time"

	"github.com/seed64aab995/rescuekernel/record"
)

// Slog exports to a logger: the message is the record's, its time the record's, the
// level by [Level], and what else is known are attributes with the keys of
// listing.Object.
type Slog struct {
	Logger *slog.Logger
}

// Level is how bad a record is: a fault of the host is an error with 4 added (above
// what a service reports of itself), one of a task an error, a loss a warning.
func Level(r *record.Record) slog.Level {
	switch {
	case record.Within(r.Class, "host.fault"):
		return slog.LevelError + 4
	case record.Within(r.Class, record.ClassLoss):
		return slog.LevelWarn
	}
	return slog.LevelError
}

// Export implements record.Exporter.
func (s Slog) Export(ctx context.Context, r *record.Record) error {
	level := Level(r)
	if !s.Logger.Enabled(ctx, level) {
		return nil
	}
	var at time.Time // zero: a handler leaves it out
	if r.Time != 0 {
		at = time.Unix(0, r.Time)
	}
	message := r.Message
	if message == "" {
		message = r.Class
	}
	line := slog.NewRecord(at, level, message, 0)
	line.AddAttrs(Attributes(r)...)
	return s.Logger.Handler().Handle(ctx, line)
}

// Attributes is what is known of a record beside its time and message.
func Attributes(r *record.Record) []slog.Attr {
	list := []slog.Attr{
		slog.String("class", r.Class), slog.String("source", r.Source),
		slog.String("restart", r.RestartID.String()), slog.Uint64("sequence", r.Sequence),
	}
	text := func(key, value string) {
		if value != "" {
			list = append(list, slog.String(key, value))
		}
	}
	number := func(key string, value uint64) {
		if value != 0 {
			list = append(list, slog.Uint64(key, value))
		}
	}
	address := func(key string, value uint64) {
		if value != 0 {
			list = append(list, slog.String(key, "0x"+strconv.FormatUint(value, 16)))
		}
	}
	if r.CPU != record.NoCPU {
		list = append(list, slog.Uint64("cpu", uint64(r.CPU)))
	}
	number("uptime_ns", r.Uptime)
	number("generation", uint64(r.Generation))
	number("flags", uint64(r.Flags))
	text("build_id", r.BuildID)
	number("reason", uint64(r.Reason))
	address("vector", r.Vector)
	address("error_code", r.ErrorCode)
	address("fault_address", r.FaultAddress)
	address("pc", r.PC)
	number("stopped", uint64(r.Stopped))
	number("not_stopped", uint64(r.NotStopped))
	if r.Architecture != 0 {
		text("architecture", r.Architecture.String())
	}
	text("registers", hex.EncodeToString(r.Registers))
	address("stack_address", r.StackAddress)
	text("stack", hex.EncodeToString(r.Stack))
	text("trace", r.Trace)
	if r.Count == record.UnknownCount {
		list = append(list, slog.Bool("count_unknown", true))
	} else {
		number("count", r.Count)
	}
	number("first", r.First)
	return list
}
