package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/record/ramoops"
	"github.com/seed64aab995/rescuekernel/record/reader"
)

func newAcknowledge(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "acknowledge FILE RESTART SEQUENCE",
		Short: "Free the records that were read",
		Long: `Acknowledge frees the records of one restart up to and including a sequence
number: who has kept them says so. RESTART is the restart id, or how its digits
begin if that is enough to tell it. A restart that FILE has no records of, and a
sequence number that was not given out, free nothing; the exit code is then 7.

FILE is a record area, which is written to; a folder of /sys/fs/pstore, whose
files are removed; or a UEFI variable's file, which is removed. What is in a dump
or ahead of it stays there.`,
		Example: `  dumper records acknowledge records.img 5f0c 17
  dumper records acknowledge /sys/fs/pstore 5f0c 17`,
		Args: cobra.ExactArgs(3),
		RunE: func(_ *cobra.Command, args []string) error {
			sequence, err := strconv.ParseUint(args[2], 0, 64)
			if err != nil {
				return usagef("sequence number %q is not a number", args[2])
			}
			freed, err := p.acknowledge(args[0], strings.ToLower(args[1]), sequence)
			if err != nil {
				return err
			}
			if freed == 0 {
				p.warn("%s: nothing to acknowledge", args[0])
				return verdict(exitNotThere)
			}
			p.printf("acknowledged %s\n", plural(freed, "record"))
			return nil
		},
	}
}

// acknowledge finds out what name is, and frees there.
func (p *program) acknowledge(name, restart string, sequence uint64) (int, error) {
	if name == "-" {
		return 0, usagef("standard input cannot be acknowledged")
	}
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return p.acknowledgeFolder(name, restart, sequence)
	}
	geometry := ramoops.DefaultGeometry()
	result, err := p.readRecordFile(name, &geometry)
	if err != nil {
		return 0, err
	}
	id, err := findRestart(result.Contents, restart)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	switch result.Kind {
	case reader.KindArea:
		return p.acknowledgeArea(name, id, sequence)
	case reader.KindVariable, reader.KindPstore:
		if !covered(result.Contents, id, sequence) {
			return 0, nil
		}
		return len(result.Contents.Records), os.Remove(name)
	}
	return 0, usagef("%s: records of a %v cannot be acknowledged", name, result.Kind)
}

// findRestart is the one restart whose id begins so; an id that is whole need not
// be there.
func findRestart(c *record.Contents, digits string) (record.ID, error) {
	found := map[record.ID]bool{}
	if strings.HasPrefix(c.RestartID.String(), digits) {
		found[c.RestartID] = true
	}
	for _, r := range c.Records {
		if strings.HasPrefix(r.RestartID.String(), digits) {
			found[r.RestartID] = true
		}
	}
	if len(found) > 1 {
		return record.ID{}, usagef("restart %s is not enough: %d begin so", digits, len(found))
	}
	for id := range found {
		return id, nil
	}
	return record.ID{}, fmt.Errorf("restart %s: %w", digits, reader.ErrNone)
}

// covered reports whether all records are of a restart, up to a sequence number.
func covered(c *record.Contents, restart record.ID, sequence uint64) bool {
	for _, r := range c.Records {
		if r.RestartID != restart || r.Sequence > sequence {
			return false
		}
	}
	return len(c.Records) > 0
}

// acknowledgeFolder removes the files of a folder of pstore.
func (p *program) acknowledgeFolder(name, restart string, sequence uint64) (freed int, err error) {
	result, err := reader.Pstore(os.DirFS(name))
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	id, err := findRestart(result.Contents, restart)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	files, err := filepath.Glob(filepath.Join(name, "dmesg-*"))
	if err != nil {
		return 0, err
	}
	geometry := ramoops.DefaultGeometry()
	for _, file := range files {
		one, err := p.readRecordFile(file, &geometry)
		if err != nil || one.Kind != reader.KindPstore || !covered(one.Contents, id, sequence) {
			continue // Linux's own, or of somebody else
		}
		if err := os.Remove(file); err != nil {
			return freed, err
		}
		freed++
	}
	return freed, nil
}

// acknowledgeArea writes what changes in an area.
func (p *program) acknowledgeArea(name string, restart record.ID, sequence uint64) (freed int, err error) {
	extent, err := parseExtent(name)
	if err != nil {
		return 0, err
	}
	file, err := os.OpenFile(extent.path, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	size, err := fileSize(file)
	if err != nil {
		return 0, err
	}
	section, err := extent.section(file, size)
	if err != nil {
		return 0, err
	}
	memory := make([]byte, section.Size())
	if _, err := io.ReadFull(section, memory); err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	before := bytes.Clone(memory)
	area, err := record.Open(memory)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	if freed, err = area.Acknowledge(restart, sequence); err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	const block = 4096 // the largest sector
	for at := 0; at < len(memory); at += block {
		end := min(at+block, len(memory))
		if bytes.Equal(before[at:end], memory[at:end]) {
			continue
		}
		if _, err := file.WriteAt(memory[at:end], extent.start+int64(at)); err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
	}
	return freed, nil
}
