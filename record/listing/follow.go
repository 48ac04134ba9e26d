package listing

import (
	"context"
	"errors"
	"time"

	"github.com/seed64aab995/rescuekernel/record"
)

// DefaultInterval is how often Follow looks.
const DefaultInterval = time.Second

// follower knows what was shown.
type follower struct {
	filter Filter
	seen   map[key]uint64 // to the count that was shown
}

type key struct {
	restart  record.ID
	sequence uint64
	class    string
	source   string
}

// Follow calls emit with what a filter takes, first of what there is and then of what
// comes, until ctx ends or emit has an error. A loss that grows comes again. A source
// that cannot be read is asked again; interval 0 is DefaultInterval.
func Follow(ctx context.Context, from Source, f Filter, interval time.Duration, emit func([]Entry) error) error {
	if interval <= 0 {
		interval = DefaultInterval
	}
	w := follower{filter: f, seen: map[key]uint64{}}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		if c, err := from.Contents(); err == nil {
			if fresh := w.fresh(c); len(fresh) > 0 {
				if err := emit(fresh); err != nil {
					return err
				}
			}
		}
		select {
		case <-ctx.Done():
			if err := ctx.Err(); !errors.Is(err, context.Canceled) {
				return err
			}
			return nil
		case <-ticker.C:
		}
	}
}

// fresh is what was not shown yet. What is gone from the source is forgotten.
func (w *follower) fresh(c *record.Contents) []Entry {
	entries, _ := Select(c, w.filter)
	seen := make(map[key]uint64, len(entries))
	var list []Entry
	for _, e := range entries {
		k := key{e.RestartID, e.Sequence, e.Class, e.Source}
		shown := e.Count
		if e.Minimal {
			shown = 1 // the complete record comes again
		}
		if before, ok := w.seen[k]; !ok || before != shown {
			list = append(list, e)
		}
		seen[k] = shown
	}
	w.seen = seen
	return list
}
