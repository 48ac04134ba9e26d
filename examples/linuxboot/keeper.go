package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"

	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/rescue/crashlog"
)

// keeper is an area of records in a file. (A host whose RAM survives a reset has it
// there: rescue.Arm keeps one in the reservation.)
type keeper struct {
	path string

	mu   sync.Mutex
	area *record.Area
}

// openKeeper opens the area that an earlier run left, or a new one: then its first
// record says that nobody knows what was lost.
func openKeeper(path string) (*keeper, error) {
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("records: %w", err)
	}
	layout := record.Layout{Sources: []record.SourceLayout{{Name: "linux", SlotSize: 8192}, {Name: "init"}, {Name: "service", Slots: 16}}}
	var restart record.ID
	rand.Read(restart[:])
	memory := make([]byte, layout.Size())
	area, _, err := record.Adopt(memory, old, layout, restart)
	if err != nil {
		return nil, fmt.Errorf("records: %w", err)
	}
	k := &keeper{path: path, area: area}
	return k, k.save()
}

// Contents implements listing.Source.
func (k *keeper) Contents() (*record.Contents, error) { return k.area.Contents() }

// Acknowledge implements listing.Acknowledger.
func (k *keeper) Acknowledge(restart record.ID, sequence uint64) (int, error) {
	freed, err := k.area.Acknowledge(restart, sequence)
	return freed, errors.Join(err, k.save())
}

// save writes the area to its file: a copy, since others may be adding. A file that
// was cut off is found to be torn, and read up to there; here it is never cut off,
// since it takes the old one's place when it is on the disk.
func (k *keeper) save() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	next := k.path + ".new"
	if err := writeThrough(next, k.area.Copy()); err != nil {
		return fmt.Errorf("records: %w", err)
	}
	if err := os.Rename(next, k.path); err != nil {
		return fmt.Errorf("records: %w", err)
	}
	return nil
}

// writeThrough writes a file and waits until the disk has it.
func writeThrough(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// add records a fault of a source.
func (k *keeper) add(source string, r *record.Record) error {
	index, err := k.area.Source(source)
	if err != nil {
		return err
	}
	if _, err := k.area.Add(index, r); err != nil {
		return fmt.Errorf("record of %s: %w", source, err)
	}
	return k.save()
}

// takeCrashes makes records of what earlier inits died of, and removes their texts when
// the records are safe.
func (k *keeper) takeCrashes(words *crashlog.Log, log *slog.Logger) {
	for _, i := range words.Ended() {
		r := i.Record("init")
		if err := k.add("init", &r); err != nil {
			log.Warn("crash of an earlier init", "error", err)
			return
		}
		if err := words.Remove(i); err != nil {
			log.Warn("crash of an earlier init", "error", err)
		}
	}
}
