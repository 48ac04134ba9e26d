package reader

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sort"

	"github.com/seed64aab995/rescuekernel/container/target"
	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/record/efivar"
	"github.com/seed64aab995/rescuekernel/record/ramoops"
)

// MaxSize caps an area, a region or a file of CBOR that is read.
const MaxSize = 64 << 20

var (
	// ErrUnknown says that a file is nothing that has records by itself: it may be
	// a dump, see Notes.
	ErrUnknown = errors.New("not a store of fault records")
	// ErrNone says that there is a place for records, and no record.
	ErrNone = errors.New("no fault records")
)

// Kind says what records were read from.
type Kind int

// Kinds.
const (
	KindArea     Kind = iota // memory of a record.Area
	KindTarget               // the early record on a dump device
	KindRamoops              // a region of Linux's ramoops
	KindPstore               // a file or folder of /sys/fs/pstore
	KindVariable             // UEFI variables: a file of efivarfs, a value, an image of the flash
	KindSequence             // CBOR, one record behind the other
	KindNotes                // the notes of a dump
)

// String names the kind.
func (k Kind) String() string {
	names := [...]string{"record area", "dump device", "ramoops region", "pstore", "UEFI variable", "CBOR sequence", "dump notes"}
	if k >= 0 && int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("kind %d", int(k))
}

// Result is what was read.
type Result struct {
	Kind     Kind
	Contents *record.Contents
	// Problems are records that are damaged, and the like.
	Problems []error
}

// Options are for what a file does not tell itself.
type Options struct {
	// Ramoops is how a region is divided; nil = ramoops.DefaultGeometry.
	Ramoops *ramoops.Geometry
}

// Open recognises a file by its content and reads its records. The errors are
// ErrUnknown, ErrNone, record.ErrDamaged and those of r.
func Open(r io.ReaderAt, size int64, o Options) (*Result, error) {
	head := make([]byte, min(size, 64))
	if n, err := r.ReadAt(head, 0); n < len(head) {
		return nil, fmt.Errorf("read records: %w", err)
	}
	if len(head) >= 4 && binary.LittleEndian.Uint32(head) == 0x43474244 { // "DBGC"
		return whole(r, size, func(b []byte) (*Result, error) { return Ramoops(b, o.Ramoops) })
	}
	switch {
	case bytes.HasPrefix(head, []byte("RKRECORD")):
		return whole(r, size, Area)
	case bytes.HasPrefix(head, []byte("RKEFIREC")), len(head) > 12 && string(head[4:12]) == "RKEFIREC":
		return whole(r, size, Variable)
	case efivar.IsImage(head):
		return whole(r, size, firmware)
	case bytes.HasPrefix(head, []byte("Rescue ")), bytes.HasPrefix(head, []byte("====")):
		return whole(r, size, pstoreFile)
	case len(head) > 0 && head[0] >= 0xa0 && head[0] <= 0xbf:
		return whole(r, size, Sequence)
	}
	return Target(r, size)
}

// whole reads all of a file for parse.
func whole(r io.ReaderAt, size int64, parse func([]byte) (*Result, error)) (*Result, error) {
	if size > MaxSize {
		return nil, fmt.Errorf("%d bytes of records, at most %d: %w", size, MaxSize, record.ErrDamaged)
	}
	b := make([]byte, size)
	if n, err := r.ReadAt(b, 0); n < len(b) {
		return nil, fmt.Errorf("read records: %w", err)
	}
	return parse(b)
}

// Area reads the memory of a record.Area, or a copy of it.
func Area(memory []byte) (*Result, error) {
	c, err := record.Parse(memory)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	result := &Result{Kind: KindArea, Contents: c}
	if c.Damaged {
		result.Problems = append(result.Problems, fmt.Errorf("records were searched for: %w", record.ErrDamaged))
	}
	if c.Torn > 0 {
		result.Problems = append(result.Problems, fmt.Errorf("%d records are torn: %w", c.Torn, record.ErrDamaged))
	}
	return result, nil
}

// Sequence reads CBOR records, one behind the other (RFC 8742).
func Sequence(data []byte) (*Result, error) {
	result := &Result{Kind: KindSequence, Contents: &record.Contents{Size: len(data)}}
	result.sequence(data)
	return result, result.check()
}

// sequence adds the records of a CBOR sequence. What is no CBOR ends it.
func (r *Result) sequence(data []byte) {
	for at := 0; at < len(data); {
		rest, err := decoding.UnmarshalFirst(data[at:], new(any))
		if err != nil {
			r.problem(fmt.Errorf("at byte %d: %w: %w", at, record.ErrDamaged, err))
			return
		}
		end := len(data) - len(rest)
		r.add(data[at:end], fmt.Sprintf("at byte %d", at))
		at = end
	}
}

func (r *Result) problem(err error) { r.Problems = append(r.Problems, err) }

// add adds one record.
func (r *Result) add(data []byte, where string) {
	s, err := stored(data)
	if err != nil {
		r.problem(fmt.Errorf("%s: %w", where, err))
		return
	}
	r.Contents.Records = append(r.Contents.Records, s)
}

// check orders the records by restart and sequence number, that of the first
// record last: a panic's comes first and is the newest. It is ErrNone without any.
func (r *Result) check() error {
	list := r.Contents.Records
	if len(list) == 0 {
		return errors.Join(append([]error{ErrNone}, r.Problems...)...)
	}
	r.Contents.RestartID = list[0].RestartID
	place := map[record.ID]int{}
	for i := range list {
		if _, ok := place[list[i].RestartID]; !ok {
			place[list[i].RestartID] = i
		}
	}
	place[list[0].RestartID] = len(list)
	sort.SliceStable(list, func(i, j int) bool {
		if a, b := place[list[i].RestartID], place[list[j].RestartID]; a != b {
			return a < b
		}
		return list[i].Sequence < list[j].Sequence
	})
	return nil
}

// Notes reads the records in a dump's notes.
func Notes(n *minidump.Notes) (*Result, error) {
	result := &Result{Kind: KindNotes, Contents: &record.Contents{Size: len(n.FaultRecord)}}
	result.sequence(n.FaultRecord)
	return result, result.check()
}

// Target reads the records that were written ahead of a dump on a labelled
// device, an extent of it that begins at its start. The dump itself may be missing.
func Target(r io.ReaderAt, size int64) (*Result, error) {
	block := make([]byte, 4096)
	if size < target.LabelOffset+int64(len(block)) {
		return nil, fmt.Errorf("%d bytes: %w", size, ErrUnknown)
	}
	if n, err := r.ReadAt(block, target.LabelOffset); n < len(block) {
		return nil, fmt.Errorf("label: %w", err)
	}
	label, err := target.ParseLabel(block)
	if errors.Is(err, target.ErrNoLabel) {
		return nil, ErrUnknown
	}
	if err != nil {
		return nil, err
	}
	label.Start = 0 // the file is the extent
	early, err := target.ReadEarly(r, label)
	if early == nil {
		return nil, fmt.Errorf("%w: %w", ErrNone, err)
	}
	result := &Result{Kind: KindTarget, Contents: &record.Contents{}}
	if err != nil {
		result.problem(err)
	}
	if section := early.Section(target.KindRecord); section != nil {
		if section.Damaged {
			result.problem(fmt.Errorf("early record: the checksum over the records is wrong: %w", record.ErrDamaged))
		}
		result.Contents.Size = len(section.Data)
		result.sequence(section.Data)
	}
	return result, result.check()
}

// Ramoops reads the records in a region of Linux's ramoops; nil is the default
// geometry. Dumps that Linux wrote are not records: Problems counts them.
func Ramoops(region []byte, g *ramoops.Geometry) (*Result, error) {
	geometry := ramoops.DefaultGeometry()
	if g != nil {
		geometry = *g
	}
	zones, err := geometry.Zones(len(region))
	if err != nil {
		return nil, err
	}
	result := &Result{Kind: KindRamoops, Contents: &record.Contents{Size: len(region)}}
	for _, z := range zones {
		if z.Kind != ramoops.Dump {
			continue
		}
		where := fmt.Sprintf("zone %d at %#x", z.Index, z.Offset)
		content, err := ramoops.Content(region[z.Offset:][:z.Size])
		if errors.Is(err, ramoops.ErrEmpty) {
			continue
		}
		if err == nil {
			var text ramoops.Text
			if text, err = ramoops.ParseDump(content); err == nil {
				result.text(text.Text, where)
				continue
			}
		}
		result.problem(fmt.Errorf("%s: %w", where, err))
	}
	return result, result.check()
}

// text adds the record in a dump's text.
func (r *Result) text(text []byte, where string) {
	data, err := ramoops.Record(text)
	if err != nil {
		r.problem(fmt.Errorf("%s: %w", where, err))
		return
	}
	r.add(data, where)
}

// pstoreFile reads one file of /sys/fs/pstore, or a zone's content.
func pstoreFile(data []byte) (*Result, error) {
	result := &Result{Kind: KindPstore, Contents: &record.Contents{Size: len(data)}}
	if bytes.HasPrefix(data, []byte("====")) {
		text, err := ramoops.ParseDump(data)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnknown, err)
		}
		data = text.Text
	}
	result.text(data, "text")
	return result, result.check()
}

// Pstore reads the records in a folder of /sys/fs/pstore, or one to which
// systemd-pstore has moved its files: those whose name begins with dmesg-.
func Pstore(folder fs.FS) (*Result, error) {
	names, err := fs.Glob(folder, "dmesg-*")
	if err != nil {
		return nil, err
	}
	result := &Result{Kind: KindPstore, Contents: &record.Contents{}}
	for _, name := range names {
		info, err := fs.Stat(folder, name)
		if err != nil || !info.Mode().IsRegular() || info.Size() > ramoops.MaxText {
			continue
		}
		data, err := fs.ReadFile(folder, name)
		if err != nil {
			result.problem(fmt.Errorf("%s: %w", name, err))
			continue
		}
		result.text(data, name)
	}
	return result, result.check()
}

// Variable reads the record in a UEFI variable: its value, or its file in
// efivarfs, which begins with the attributes.
func Variable(data []byte) (*Result, error) {
	if len(data) >= 4 && !bytes.HasPrefix(data, []byte("RKEFIREC")) {
		data = data[4:]
	}
	inside, err := efivar.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", record.ErrDamaged, err)
	}
	result := &Result{Kind: KindVariable, Contents: &record.Contents{Size: len(data)}}
	result.sequence(inside)
	return result, result.check()
}

// Variables reads the records in a store of UEFI variables.
func Variables(s efivar.VariableStore) (*Result, error) {
	values, err := efivar.Load(s)
	result := &Result{Kind: KindVariable, Contents: &record.Contents{}}
	if err != nil {
		result.problem(fmt.Errorf("%w: %w", record.ErrDamaged, err))
	}
	for _, v := range values {
		result.sequence(v)
	}
	return result, result.check()
}

// firmware reads the image of a virtual machine's flash.
func firmware(data []byte) (*Result, error) {
	image, err := efivar.OpenImage(data)
	if image == nil {
		return nil, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	return Variables(image)
}
