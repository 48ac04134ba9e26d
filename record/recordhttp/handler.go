package recordhttp

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/record/listing"
)

// Options is what is served.
type Options struct {
	Source listing.Source

	// Acknowledger frees what a client has. nil: none can.
	Acknowledger listing.Acknowledger

	Interval time.Duration    // between the looks of follow; 0: listing.DefaultInterval
	Now      func() time.Time // what durations count back from; nil: time.Now
}

type handler struct{ Options }

// Handler serves records. Mount it with http.StripPrefix.
func Handler(o Options) http.Handler {
	if o.Now == nil {
		o.Now = time.Now
	}
	h := handler{o}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", h.list)
	mux.HandleFunc("GET /state", h.state)
	if o.Acknowledger != nil {
		mux.HandleFunc("POST /acknowledge", h.acknowledge)
	} else {
		mux.HandleFunc("/acknowledge", func(w http.ResponseWriter, _ *http.Request) {
			fail(w, http.StatusMethodNotAllowed, errors.New("records are not acknowledged here"))
		})
	}
	return mux
}

// fail answers with an error.
func fail(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"error": err.Error()})
}

// query is a query's filter words, and what is not of the filter.
func query(values url.Values, own ...string) (words []string, rest map[string]string, err error) {
	rest = map[string]string{}
	for key, list := range values {
		if len(list) != 1 {
			return nil, nil, fmt.Errorf("%q is there %d times", key, len(list))
		}
		if slices.Contains(own, key) {
			rest[key] = list[0]
			continue
		}
		words = append(words, key+"="+list[0])
	}
	return words, rest, nil
}

func (h handler) list(w http.ResponseWriter, r *http.Request) {
	words, rest, err := query(r.URL.Query(), "format", "follow")
	var filter listing.Filter
	if err == nil {
		filter, err = listing.ParseFilter(words, h.Now())
	}
	format := rest["format"]
	if format == "" && strings.HasPrefix(r.Header.Get("Accept"), "text/plain") {
		format = "text"
	}
	write, mediaType := listing.WriteJSON, "application/x-ndjson"
	switch format {
	case "text":
		write, mediaType = listing.WriteText, "text/plain; charset=utf-8"
	case "", "json":
	default:
		err = fmt.Errorf("format %q, want json or text", format)
	}
	follow := false
	if text, ok := rest["follow"]; ok && err == nil {
		follow, err = strconv.ParseBool(text)
	}
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	if follow {
		h.follow(w, r, filter, write, mediaType)
		return
	}
	contents, err := h.Source.Contents()
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err)
		return
	}
	w.Header().Set("Content-Type", mediaType)
	entries, broken := listing.Select(contents, filter)
	w.Header().Set("X-Records-Torn", strconv.Itoa(contents.Torn+broken))
	write(w, entries) // an error is the client's: it has left
}

// follow streams until the client leaves.
func (h handler) follow(w http.ResponseWriter, r *http.Request, f listing.Filter, write func(io.Writer, []listing.Entry) error, mediaType string) {
	control := http.NewResponseController(w)
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(http.StatusOK)
	control.Flush()
	listing.Follow(r.Context(), h.Source, f, h.Interval, func(entries []listing.Entry) error {
		if err := write(w, entries); err != nil {
			return err
		}
		return control.Flush()
	})
}

// State is what /state tells.
type State struct {
	Restart  string   `json:"restart"`
	Boot     uint32   `json:"boot"`
	Sequence uint64   `json:"sequence"` // the last one given
	Panics   uint32   `json:"panics"`   // boots in a row that ended in a panic
	Records  int      `json:"records"`
	Torn     int      `json:"torn"`
	Damaged  bool     `json:"damaged"`
	Sources  []Source `json:"sources"`
}

// Source is the space of one source.
type Source struct {
	Name   string `json:"name"`
	Slots  int    `json:"slots"`
	Used   int    `json:"used"`
	Lost   uint64 `json:"lost"`
	Faults uint32 `json:"faults"` // noted, of which nothing is recorded yet
}

func (h handler) state(w http.ResponseWriter, _ *http.Request) {
	c, err := h.Source.Contents()
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err)
		return
	}
	s := State{Restart: c.RestartID.String(), Boot: c.Boot, Sequence: c.Sequence, Panics: c.Panics, Records: len(c.Records), Torn: c.Torn, Damaged: c.Damaged}
	for _, from := range c.Sources {
		s.Sources = append(s.Sources, Source{from.Name, from.Slots, from.Used, from.Lost, from.Faults})
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(s)
}

func (h handler) acknowledge(w http.ResponseWriter, r *http.Request) {
	words, rest, err := query(r.URL.Query(), "restart", "sequence")
	if err == nil && len(words) > 0 {
		// Who believes in "class=..." here would free more than was meant.
		err = fmt.Errorf("%q: all records up to a sequence number are acknowledged, without conditions", words[0])
	}
	var restart record.ID
	var sequence uint64
	if err == nil {
		var n int
		n, err = hex.Decode(restart[:], []byte(rest["restart"][:min(len(rest["restart"]), 32)]))
		if err == nil && (n != len(restart) || len(rest["restart"]) != 32) {
			err = errors.New("restart: want all 32 digits of a restart id")
		}
	}
	if err == nil {
		sequence, err = strconv.ParseUint(rest["sequence"], 10, 64)
	}
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	freed, err := h.Acknowledger.Acknowledge(restart, sequence)
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]int{"freed": freed})
}
