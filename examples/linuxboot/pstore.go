package main

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"strings"

	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/record/listing"
	"github.com/seed64aab995/rescuekernel/record/reader"
)

// takePstore makes records of what the kernel before this one left. Our own rescue
// kernel's are there as they were; of Linux's there is the text. The files stay, so what
// is here already is not taken again.
func (k *keeper) takePstore(folder fs.FS, log *slog.Logger) {
	found, err := linuxRecords(folder)
	if result, e := reader.Pstore(folder); e == nil {
		entries, _ := listing.Select(result.Contents, listing.Filter{})
		for _, e := range entries {
			found = append(found, e.Record)
		}
	}
	own, e := k.area.Contents()
	if err := errors.Join(err, e); err != nil {
		log.Warn("pstore", "error", err)
		return
	}
	type what struct {
		class, message string
		time           int64
	}
	here := map[what]bool{}
	known, _ := listing.Select(own, listing.Filter{})
	for _, e := range known {
		here[what{e.Class, e.Message, e.Time}] = true
	}
	for i := range found {
		if r := &found[i]; !here[what{r.Class, r.Message, r.Time}] {
			if err := k.add("linux", r); err != nil {
				log.Warn("pstore", "error", err)
			}
		}
	}
}

// linuxRecords makes records of the dumps that Linux wrote itself: the log's end, with
// the line that says why.
func linuxRecords(folder fs.FS) (list []record.Record, err error) {
	names, err := fs.Glob(folder, "dmesg-*")
	for _, name := range names {
		text, e := fs.ReadFile(folder, name)
		if e != nil || bytes.Contains(text, []byte("Rescue-Record ")) {
			err = errors.Join(err, e)
			continue
		}
		r := record.Record{Class: record.ClassPanic, Source: "linux", CPU: record.NoCPU, Message: name}
		for line := range strings.Lines(string(text)) {
			if at := strings.Index(line, "Kernel panic"); at >= 0 {
				r.Message = strings.TrimSpace(line[at:])
			}
		}
		r.Trace = string(text[max(0, len(text)-4096):])
		if info, e := fs.Stat(folder, name); e == nil {
			r.Time = info.ModTime().UnixNano()
		}
		list = append(list, r)
	}
	return list, err
}
