package export

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/record/listing"
)

// Pump moves records. It is for one goroutine.
type Pump struct {
	Source       listing.Source
	Acknowledger listing.Acknowledger // nil: what has arrived is remembered, and stays
	Exporter     record.Exporter
	Filter       listing.Filter // what it does not take is neither exported nor acknowledged by itself

	// Failed, if set, is told of what Run could not move, each time it tried.
	Failed func(error)

	done map[arrived]uint64 // to the count that arrived
}

// arrived names a record that has arrived.
type arrived struct {
	restart  record.ID
	sequence uint64
	class    string
	source   string
}

// Once exports what there is, oldest first, and acknowledges what has arrived. It
// gives the number of records that did. At the first that does not it stops.
func (p *Pump) Once(ctx context.Context) (moved int, err error) {
	contents, err := p.Source.Contents()
	if err != nil {
		return 0, fmt.Errorf("export records: %w", err)
	}
	if p.done == nil {
		p.done = map[arrived]uint64{}
	}
	present := make(map[arrived]uint64, len(contents.Records))
	var last record.Stored
	for i := range contents.Records {
		s := &contents.Records[i]
		if last.Sequence != 0 && last.RestartID != s.RestartID {
			if err := p.acknowledge(last); err != nil {
				return moved, err
			}
		}
		did, err := p.move(ctx, s, present)
		if err != nil {
			return moved, errors.Join(err, p.acknowledge(last))
		}
		moved += did
		last = *s
	}
	p.done = present
	return moved, p.acknowledge(last)
}

// move exports one record, unless it has arrived before.
func (p *Pump) move(ctx context.Context, s *record.Stored, present map[arrived]uint64) (int, error) {
	r, err := record.Decode(s.Data)
	if err != nil {
		r = unreadable(s, err)
	}
	k := arrived{r.RestartID, r.Sequence, r.Class, r.Source}
	count := r.Count
	if s.Minimal {
		count = 1 // the complete record is another
	}
	before, was := p.done[k]
	present[k] = count
	if was && before == count || !p.Filter.Match(r) {
		return 0, nil
	}
	if err := p.Exporter.Export(ctx, r); err != nil {
		return 0, fmt.Errorf("export record %d of restart %v: %w", s.Sequence, s.RestartID, err)
	}
	p.done[k] = count
	return 1, nil
}

// unreadable stands for a record that cannot be decoded, of a later version perhaps:
// its loss is a record, and it does not keep the others.
func unreadable(s *record.Stored, err error) *record.Record {
	return &record.Record{
		RestartID: s.RestartID, Sequence: s.Sequence, Time: s.Time, CPU: record.NoCPU, Class: record.ClassLoss, Source: s.Source,
		Count: 1, First: s.Sequence, Message: fmt.Sprintf("a record of %d bytes that cannot be read: %v", len(s.Data), err),
	}
}

// acknowledge frees all up to a record. A filter that leaves some out must not free
// them, so then nothing is.
func (p *Pump) acknowledge(last record.Stored) error {
	if p.Acknowledger == nil || last.Sequence == 0 || p.Filter != (listing.Filter{}) {
		return nil
	}
	if _, err := p.Acknowledger.Acknowledge(last.RestartID, last.Sequence); err != nil {
		return fmt.Errorf("acknowledge record %d of restart %v: %w", last.Sequence, last.RestartID, err)
	}
	return nil
}

// Run calls Once every interval until ctx ends.
func (p *Pump) Run(ctx context.Context, interval time.Duration) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		if _, err := p.Once(ctx); err != nil && p.Failed != nil && ctx.Err() == nil {
			p.Failed(err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
