// Package listing is how people and programs look at fault records: choose some of
// them ([Filter]), show them as text or JSON, and wait for new ones ([Follow]).
//
// The dumper's records command, the serial command (record/console) and the HTTP
// handler (record/recordhttp) are three coats of this package, so they take the same
// words and show the same.
//
// A [Source] is what has records: a record.Area of a live host, or whatever reads an
// area, a dump or a device. Reading changes nothing in it; [Acknowledger] is the part
// that does, and only who is given one can.
//
// # Words
//
// A filter is words KEY=VALUE, all of which must hold:
//
//	class=host.fault       the class, or one above it
//	source=ledger          who failed
//	restart=5f0c           the restart id, or how its digits begin
//	since=1h, since=2026-11-21T23:00:00Z    not older: a duration, or a time (RFC 3339)
//	until=...              not younger
//	after=12               sequence number above 12
//
// A record whose time is not known passes since and until: it is not hidden for what
// it lacks.
//
// # Shapes
//
// Text is a line a record, time in UTC. JSON is an object a line; its keys are those
// of [Object], and stay. Numbers that need 64 bits (addresses, restart ids) are
// strings of hexadecimal digits, because many readers of JSON keep 53 bits.
package listing
