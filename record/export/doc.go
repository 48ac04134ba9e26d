// Package export carries fault records from where they are kept to where somebody
// looks: a log, a collector.
//
// An exporter is a record.Exporter: it takes one record and returns when that has
// arrived, or says why it has not. [Slog] is one for a log/slog logger; package
// record/export/otlp is one for OpenTelemetry, apart because of what it links.
//
// A [Pump] moves records from a listing.Source (an area, usually) through an exporter
// and acknowledges them, in this order: so a record arrives at least once, and none
// is freed that has not. A failure stops it at that record; it goes on there the
// next time.
//
//	pump := export.Pump{Source: area, Acknowledger: area, Exporter: export.Slog{Logger: slog.Default()}}
//	go pump.Run(ctx, time.Second)
//
// In a record.Reporter an exporter works within the reporting window instead; the
// pump then finds what did not arrive in time.
package export
