package listing

import (
	"github.com/seed64aab995/rescuekernel/record"
)

// Source has records.
type Source interface {
	Contents() (*record.Contents, error)
}

// Acknowledger frees the records of a restart up to a sequence number, and says
// how many those were.
type Acknowledger interface {
	Acknowledge(restart record.ID, sequence uint64) (freed int, err error)
}

// SourceFunc makes a Source of a function.
type SourceFunc func() (*record.Contents, error)

// Contents calls the function.
func (f SourceFunc) Contents() (*record.Contents, error) { return f() }

// Entry is a record of a listing.
type Entry struct {
	record.Record
	Boot    uint32 // of the area it lay in, 0 if in none
	Minimal bool   // of a panic that was not completed
}

// Select is what a filter takes of an area's contents, in their order. Data that is
// no record is left out, and counted.
func Select(c *record.Contents, f Filter) (entries []Entry, broken int) {
	for i := range c.Records {
		s := &c.Records[i]
		r, err := record.Decode(s.Data)
		if err != nil {
			broken++
			continue
		}
		if f.Match(r) {
			entries = append(entries, Entry{Record: *r, Boot: s.Boot, Minimal: s.Minimal || r.Flags&record.FlagMinimal != 0})
		}
	}
	return entries, broken
}
