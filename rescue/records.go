package rescue

import (
	"crypto/sha256"
	"fmt"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/record/efivar"
	"github.com/seed64aab995/rescuekernel/reserve"
)

// layout is that of the record area.
func (a *arming) layout() record.Layout {
	if len(a.RecordLayout.Sources) == 0 && a.RecordLayout.PanicSlotSize == 0 {
		return record.DefaultLayout()
	}
	return a.RecordLayout
}

// recordsSize is how much of the reservation is for records.
func (a *arming) recordsSize() uint64 {
	layout := a.layout()
	return max(reserve.DefaultRecordsSize, (uint64(layout.Size())+handoff.PageSize-1)&^(handoff.PageSize-1))
}

// makeRecords makes the record area: what an earlier boot left in the memory of
// the reservation goes on, and so does that of the arming before.
func (a *arming) makeRecords(earlier *reserve.Earlier, size uint64) (memory []byte, adopted record.Adopted, err error) {
	memory = make([]byte, size)
	if a.records != nil && len(a.records.Memory()) == len(memory) {
		copy(memory, a.records.Copy())
		return memory, a.adopted, nil
	}
	var old []byte
	switch {
	case a.records != nil:
		old = a.records.Copy()
	case earlier != nil:
		old = earlier.Records
	}
	if _, adopted, err = record.Adopt(memory, old, a.layout(), a.restartID()); err != nil {
		return nil, adopted, fmt.Errorf("records: %w", err)
	}
	return memory, adopted, nil
}

// restartID tells this boot from others. It must not tell the rescue program's
// seed.
func (a *arming) restartID() (id record.ID) {
	seed := fmt.Appendf(a.facts.Seed[:], "restart %d %d", a.facts.Clock.Wall, a.facts.Clock.Counter)
	sum := sha256.Sum256(seed)
	copy(id[:], sum[:])
	return id
}

// Records are the fault records in the reservation: those of this boot, and what
// earlier ones left and nobody has acknowledged. They survive a warm reset, if
// the next boot arms at the same place. Whoever reports a fault that the host
// survived adds it here (record.Reporter does). It is nil on a platform whose
// Memory is no physmem.Viewer.
func (a *Armed) Records() *record.Area { return a.records }

// Adopted says what an earlier boot had left in the record area.
func (a *Armed) Adopted() record.Adopted { return a.adopted }

// Healthy says that this boot works: the count of panics in a row begins again.
// A host that has run for a while, or has done what it is for, calls it.
func (a *Armed) Healthy() {
	if a.records != nil {
		a.records.Healthy()
	}
}

// hostSource is the name of record.SourceHost, which records of panics are from.
const hostSource = "host"

// SaveRecords copies what panics of earlier boots have left in the record area into
// variables of the firmware's, which outlive a loss of power: the first of those
// records and the last. It says how many there are to copy. Saving again what is there
// already writes nothing.
func (a *Armed) SaveRecords(s efivar.VariableStore) (int, error) {
	if a.records == nil || !a.adopted.Found {
		return 0, nil
	}
	contents, err := a.records.Contents()
	if err != nil {
		return 0, fmt.Errorf("records for firmware: %w", err)
	}
	var earlier []record.Stored
	for _, stored := range contents.Records {
		if !stored.Loss && stored.Source == hostSource && stored.RestartID != contents.RestartID {
			earlier = append(earlier, stored)
		}
	}
	for i, stored := range earlier {
		if i == 0 || i == len(earlier)-1 {
			if err := efivar.Save(s, stored.Data); err != nil {
				return len(earlier), err
			}
		}
	}
	return len(earlier), nil
}
