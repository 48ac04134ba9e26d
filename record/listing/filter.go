package listing

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/seed64aab995/rescuekernel/record"
)

// ErrWord says that a word is none that a filter knows, or has a bad value.
var ErrWord = errors.New("not a word of a filter")

// Filter chooses records. The zero value takes all.
type Filter struct {
	Class   string // this class and those below it
	Source  string
	Restart string // beginning of the restart id's digits
	Since   time.Time
	Until   time.Time
	After   uint64 // sequence number
}

// ParseFilter makes a filter of words; now is what durations count back from.
func ParseFilter(words []string, now time.Time) (Filter, error) {
	var f Filter
	for _, word := range words {
		if err := f.add(word, now); err != nil {
			return f, err
		}
	}
	return f, nil
}

func (f *Filter) add(word string, now time.Time) (err error) {
	key, value, ok := strings.Cut(word, "=")
	if !ok || value == "" {
		return fmt.Errorf("%q: want KEY=VALUE: %w", word, ErrWord)
	}
	switch key {
	case "class":
		f.Class = value
	case "source":
		f.Source = value
	case "restart":
		f.Restart = strings.ToLower(value)
	case "since":
		f.Since, err = moment(value, now)
	case "until":
		f.Until, err = moment(value, now)
	case "after":
		f.After, err = strconv.ParseUint(value, 0, 64)
	default:
		return fmt.Errorf("%q: the keys are class, source, restart, since, until and after: %w", word, ErrWord)
	}
	if err != nil {
		return fmt.Errorf("%q: %w: %w", word, ErrWord, err)
	}
	return nil
}

// moment reads a time, or a duration back from now.
func moment(value string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(value); err == nil {
		return now.Add(-d), nil
	}
	t, err := time.Parse(time.RFC3339Nano, value)
	if err != nil {
		return t, errors.New("neither a duration (90m) nor a time (2026-11-21T23:00:00Z)")
	}
	return t, nil
}

// Match reports whether a filter takes a record.
func (f Filter) Match(r *record.Record) bool {
	at := time.Unix(0, r.Time)
	switch {
	case !record.Within(r.Class, f.Class),
		f.Source != "" && r.Source != f.Source,
		!strings.HasPrefix(r.RestartID.String(), f.Restart),
		r.Sequence <= f.After && f.After != 0,
		r.Time != 0 && !f.Since.IsZero() && at.Before(f.Since),
		r.Time != 0 && !f.Until.IsZero() && at.After(f.Until):
		return false
	}
	return true
}
