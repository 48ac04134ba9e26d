// Package recordhttp is the fault records of a live host over HTTP.
//
// Handler serves, below wherever it is mounted:
//
//	GET  /                         all records; the query has the words of package listing, each once:
//	                               ?class=host.fault&since=1h
//	GET  /?format=text             a line a record instead of a JSON object a line; also by "Accept: text/plain"
//	GET  /?follow=true             what there is and what comes, until the client leaves
//	GET  /state                    restart id, boot, sequence number and the space of each source, as JSON
//	POST /acknowledge?restart=ID&sequence=N     frees what was read: {"freed":3}
//
// JSON is application/x-ndjson, with the keys of listing.Object. Errors are
// {"error":"..."} with a 4xx or 5xx status; a query with a key that is not known is
// one, so that a typing error does not look like "no records".
//
// Acknowledging needs Options.Acknowledger; without it POST is 405 and the handler
// changes nothing. There is no authentication here: records show memory of a host,
// so mount the handler behind what guards the rest.
//
// The life of a client that collects: GET, keep the lines where they are safe, POST
// restart and sequence of the last one. What was not acknowledged comes again.
package recordhttp
