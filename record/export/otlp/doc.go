// Package otlp exports fault records to an OpenTelemetry collector: OTLP logs over
// HTTP, by the OpenTelemetry SDK. It is apart from package export because of what that
// links.
//
// A record becomes a log record: its class is the event's name and its message the
// body; the severity is FATAL for a fault of the host, ERROR for one of a task, WARN
// for a loss. Attributes have the keys of listing.Object below "record." and, where
// OpenTelemetry has one, the semantic conventions' name: exception.type (the class),
// exception.message, exception.stacktrace (the trace).
//
// The exporter sends one record and returns when the collector has accepted it, so
// that an export.Pump acknowledges nothing that has not arrived. Where a collector is
// down it tries again until its Timeout or the context ends, whichever is first.
//
// What is not in Config (headers, certificates, compression) is taken from the
// environment variables of OpenTelemetry, OTEL_EXPORTER_OTLP_HEADERS and so on, or
// from Options.
package otlp
