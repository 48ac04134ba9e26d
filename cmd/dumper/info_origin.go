package main

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/seed64aab995/rescuekernel/container"
	"github.com/seed64aab995/rescuekernel/container/target"
	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/record/reader"
)

// layerFact is one layer of what the dump is wrapped in, outermost first, and
// last the dump itself.
type layerFact struct {
	Format string `json:"format"`
	Size   int64  `json:"size"` // of the layer in bytes; -1 where it is not known
	Detail string `json:"detail"`
}

// formatKeys are the stable names of layers.
var formatKeys = map[container.Format]string{
	container.FormatMinidump: "minidump", container.FormatFullDump: "full", container.FormatDevice: "device",
	container.FormatEncrypted: "encrypted", container.FormatGzip: "gzip", container.FormatZstd: "zstd",
}

func gatherLayers(file *container.File) []layerFact {
	facts := []layerFact{}
	for _, layer := range file.Layers() {
		fact := layerFact{Format: formatKeys[layer.Format], Size: layer.Size, Detail: layer.Detail}
		if fact.Size == math.MaxInt64 {
			fact.Size = -1
		}
		facts = append(facts, fact)
	}
	return facts
}

// layerLines shows the layers of a dump that is wrapped in any.
func (f *facts) layerLines() (lines []field) {
	for _, layer := range f.Container[:len(f.Container)-1] {
		text := layer.Format
		if layer.Size >= 0 {
			text += ", " + size(layer.Size)
		}
		if layer.Detail != "" {
			text += ", " + printable(layer.Detail)
		}
		lines = append(lines, field{"inside of", text})
	}
	return lines
}

// headerFact is the kernel dump header of a dump on a device.
type headerFact struct {
	HostName    string `json:"host_name"`
	Kernel      string `json:"kernel_version"`
	Panic       string `json:"panic"`
	Time        string `json:"time"`
	Version     uint32 `json:"header_version"`
	Arch        string `json:"arch"`
	Length      uint64 `json:"dump_length"`
	Extent      uint64 `json:"dump_extent"`
	Compression string `json:"compression"`
	Encrypted   bool   `json:"encrypted"`
	Live        bool   `json:"live"`
}

func gatherHeader(file *container.File) *headerFact {
	dump := file.KernelDump()
	if dump == nil {
		return nil
	}
	h := &dump.Header
	return &headerFact{
		HostName: h.HostName, Kernel: h.VersionString, Panic: h.PanicString,
		Time:    time.Unix(int64(min(h.Time, 1<<40)), 0).UTC().Format(time.RFC3339),
		Version: h.Version, Arch: h.Architecture, Length: h.Length, Extent: h.Extent,
		Compression: h.Compression.String(), Encrypted: h.KeySize > 0, Live: dump.Live,
	}
}

// notesFact is what the dump notes tell beside registers.
type notesFact struct {
	Early    bool     `json:"early"` // they are those that were kept ahead of the dump
	HostName string   `json:"host_name"`
	Kernel   string   `json:"kernel_version"`
	BuildID  string   `json:"build_id"`
	Panic    string   `json:"panic"`
	Time     string   `json:"time"`
	CPUs     int      `json:"cpus"`
	Records  int      `json:"fault_records"`
	Marks    []string `json:"marks"`
	Cut      string   `json:"cut"`
}

// gatherNotes takes the notes in the dump, or where they were cut off those on
// its device.
func gatherNotes(d *dump) *notesFact {
	notes, _ := d.Notes() // damage is among the dump's problems
	early := false
	if notes == nil {
		if notes = d.earlyNotes(); notes == nil {
			return nil
		}
		early = true
	}
	f := &notesFact{
		Early:    early,
		HostName: notes.HostName, Kernel: notes.Version, BuildID: string(notes.BuildID), Panic: notes.Panic,
		CPUs: len(notes.CPUs), Marks: []string{},
	}
	if result, err := reader.Notes(notes); err == nil {
		f.Records = len(result.Contents.Records)
	}
	if !notes.Time.IsZero() {
		f.Time = notes.Time.UTC().Format(time.RFC3339Nano)
	}
	for _, mark := range notes.Marks {
		f.Marks = append(f.Marks, mark.Part+": "+mark.Detail)
	}
	if notes.Cut != nil {
		f.Cut = fmt.Sprintf("%v: %s left out", notes.Cut.Reason, plural(notes.Cut.Pages, "page"))
	}
	return f
}

// earlyNotes are the dump notes of the early record on the dump's device, nil if
// there are none of this dump.
func (d *dump) earlyNotes() *minidump.Notes {
	found := d.container.KernelDump()
	if found == nil {
		return nil
	}
	block := make([]byte, 4096)
	if n, _ := d.file.ReadAt(block, target.LabelOffset); n < len(block) {
		return nil
	}
	label, err := target.ParseLabel(block)
	if err != nil {
		return nil
	}
	label.Start = 0 // the file is the extent
	early, err := target.ReadEarly(d.file, label)
	if err != nil || early.Stream != found.Header.Identity() {
		return nil
	}
	section := early.Section(target.KindNotes)
	if section == nil || section.Damaged {
		return nil
	}
	notes, _ := minidump.DecodeNotes(section.Data)
	return notes
}

// noteLines shows what the dump notes tell, or else the kernel dump header.
func (f *facts) noteLines() (lines []field) {
	n := f.Notes
	if n == nil && f.KernelDump != nil {
		h := f.KernelDump
		n = &notesFact{HostName: h.HostName, Kernel: h.Kernel, Panic: h.Panic, Time: h.Time}
	}
	if n == nil {
		return nil
	}
	add := func(name, value string) {
		if value != "" {
			lines = append(lines, field{name, printable(value)})
		}
	}
	if n.Early {
		add("notes", "from the early record: the dump has none any more")
	}
	add("panic", n.Panic)
	add("host", n.HostName)
	add("time", n.Time)
	add("kernel", strings.TrimSpace(n.Kernel))
	add("build id", n.BuildID)
	if n.CPUs > 0 {
		add("registers", "of "+plural(n.CPUs, "CPU"))
	}
	if n.Records > 0 {
		add("records", plural(n.Records, "fault record")+", see dumper records")
	}
	for _, mark := range n.Marks {
		add("mark", mark)
	}
	add("cut", n.Cut)
	return lines
}
