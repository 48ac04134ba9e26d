package reserve

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Stage selects the seals that are checked.
type Stage uint

// Stages. The first is for the host before the jump, and for tools that look
// at a reservation which has not run; the second for the rescue program, whose
// page tables and data change as it runs.
const (
	StageFirst  Stage = 1 << iota // CRC-32C of block, trampoline, page tables, image
	StageSecond                   // SHA-256 of text, read-only data, environment, metadata, dump parameters
	StageBoth   = StageFirst | StageSecond
)

// ErrBroken is wrapped by all errors about seals that do not hold.
var ErrBroken = errors.New("seal is broken")

// BrokenSeal is one seal that does not hold.
type BrokenSeal struct {
	Stage Stage
	Part  handoff.Part
	// Name is what marks in a dump have: the part's name, or for
	// the second stage what of it was sealed.
	Name  string
	Range physmem.Range
	Got   string // the checksum found, hexadecimal
	Want  string
}

// BrokenError lists the seals that do not hold, in the order of the block.
type BrokenError struct {
	Seals []BrokenSeal
}

func (e *BrokenError) Error() string {
	texts := make([]string, len(e.Seals))
	for i, s := range e.Seals {
		texts[i] = fmt.Sprintf("%s in %v: %v: %s, want %s", s.Name, s.Range, ErrBroken, s.Got, s.Want)
	}
	return strings.Join(texts, "; ")
}

// Unwrap returns ErrBroken.
func (e *BrokenError) Unwrap() error { return ErrBroken }

// Reservation is a sealed reservation as its block describes it.
type Reservation struct {
	Block  *handoff.Block
	memory physmem.Reader
}

// readBlock reads and parses the block at base.
func readBlock(memory physmem.Reader, base physmem.Address) (*handoff.Block, error) {
	data := make([]byte, handoff.HeaderLength)
	if _, err := memory.ReadPhysical(data, base); err != nil {
		return nil, err
	}
	length, err := handoff.Length(data)
	if err != nil {
		return nil, err
	}
	data = make([]byte, length)
	if _, err := memory.ReadPhysical(data, base); err != nil {
		return nil, err
	}
	block, err := handoff.Parse(data)
	if err != nil {
		return nil, err
	}
	if block.Reservation.Start != base {
		return nil, &handoff.BlockError{Field: "reservation", Err: fmt.Errorf("%w: %v was found at %v", handoff.ErrInvalid, block.Reservation, base)}
	}
	return block, nil
}

// Open reads the reservation at base and checks its seals. Memory must hold
// all of it.
//
// Where the block itself cannot be relied on, Open returns an error that wraps
// a *handoff.BlockError and no reservation. Where only other seals are broken
// it returns the reservation and a *BrokenError, so that the caller can do
// without what is broken.
func Open(memory physmem.Reader, base physmem.Address, stages Stage) (*Reservation, error) {
	block, err := readBlock(memory, base)
	if err != nil {
		return nil, fmt.Errorf("open reservation at %v: %w", base, err)
	}
	r := &Reservation{Block: block, memory: memory}
	broken := &BrokenError{}
	if stages&StageFirst != 0 {
		if err := r.checkFirst(broken); err != nil {
			return nil, fmt.Errorf("open reservation at %v: %w", base, err)
		}
	}
	if stages&StageSecond != 0 {
		if err := r.checkSecond(broken); err != nil {
			return nil, fmt.Errorf("open reservation at %v: %w", base, err)
		}
	}
	if len(broken.Seals) != 0 {
		return r, fmt.Errorf("open reservation at %v: %w", base, broken)
	}
	return r, nil
}

func (r *Reservation) checkFirst(broken *BrokenError) error {
	for _, s := range r.Block.Seals {
		crc := crc32.New(crc32.MakeTable(crc32.Castagnoli))
		where := r.Block.At(s.Offset, s.Length)
		if err := r.each(where, func(p []byte) { crc.Write(p) }); err != nil {
			return fmt.Errorf("%v: %w", s.Part, err)
		}
		if got := crc.Sum32(); got != s.CRC {
			broken.Seals = append(broken.Seals, BrokenSeal{
				StageFirst, s.Part, s.Part.String(), where, fmt.Sprintf("%08x", got), fmt.Sprintf("%08x", s.CRC),
			})
		}
	}
	return nil
}

func (r *Reservation) checkSecond(broken *BrokenError) error {
	for _, d := range r.Block.Digests {
		sum := sha256.New()
		where := r.Block.At(d.Offset, d.Length)
		if err := r.each(where, func(p []byte) { sum.Write(p) }); err != nil {
			return fmt.Errorf("%v: %w", d.Kind, err)
		}
		if got := [sha256.Size]byte(sum.Sum(nil)); got != d.SHA256 {
			broken.Seals = append(broken.Seals, BrokenSeal{
				StageSecond, d.Part, d.Kind.String(), where, fmt.Sprintf("%x", got), fmt.Sprintf("%x", d.SHA256),
			})
		}
	}
	return nil
}

// each reads a range in pieces that a small heap has room for, or lends it.
func (r *Reservation) each(where physmem.Range, piece func([]byte)) error {
	if viewer, ok := r.memory.(physmem.Viewer); ok {
		if view := viewer.ViewPhysical(where); view != nil {
			piece(view)
			return nil
		}
	}
	buffer := make([]byte, min(where.Size(), 32<<10))
	for at := where.Start; at < where.End; {
		p := buffer[:min(uint64(len(buffer)), uint64(where.End-at))]
		if _, err := r.memory.ReadPhysical(p, at); err != nil {
			return err
		}
		piece(p)
		at += physmem.Address(len(p))
	}
	return nil
}

// Part reads the bytes of a part that are in use, up to 256 MiB.
func (r *Reservation) Part(part handoff.Part) ([]byte, error) {
	e := r.Block.Parts[part]
	if e.Used() > MaxImageSize {
		return nil, fmt.Errorf("read %v: %#x bytes, at most %#x: %w", part, e.Used(), MaxImageSize, handoff.ErrTooLarge)
	}
	data := make([]byte, e.Used())
	if _, err := r.memory.ReadPhysical(data, r.Block.At(e.Offset, e.Used()).Start); err != nil {
		return nil, fmt.Errorf("read %v: %w", part, err)
	}
	return data, nil
}

// Environment reads the environment. Its seal is one of the second stage.
func (r *Reservation) Environment() (handoff.Environment, error) {
	data, err := r.Part(handoff.PartEnvironment)
	if err != nil || len(data) == 0 {
		return nil, err
	}
	return handoff.ParseEnvironment(data)
}

// PanicArea reads what the host wrote when it panicked.
func (r *Reservation) PanicArea() (*handoff.PanicArea, error) {
	area := r.Block.Parts[handoff.PartPanicArea]
	data := make([]byte, min(area.Size, handoff.PanicAreaSize(int(r.Block.CPUs))))
	if _, err := r.memory.ReadPhysical(data, r.Block.At(area.Offset, area.Size).Start); err != nil {
		return nil, fmt.Errorf("read panic area: %w", err)
	}
	return handoff.ParsePanicArea(data)
}

// Firmware reads the first table of a kind. It returns nil if there is none.
func (r *Reservation) Firmware(kind handoff.FirmwareKind) (*FirmwareTable, error) {
	for _, f := range r.Block.Firmware {
		if f.Kind != kind {
			continue
		}
		table := &FirmwareTable{Kind: kind, Version: f.Version, EntrySize: f.EntrySize, Address: f.Address}
		if f.Length == 0 {
			return table, nil
		}
		table.Data = make([]byte, f.Length) // a part of the metadata, which Parse has bounded
		if _, err := r.memory.ReadPhysical(table.Data, r.Block.At(f.Offset, f.Length).Start); err != nil {
			return nil, fmt.Errorf("read firmware table: %w", err)
		}
		return table, nil
	}
	return nil, nil
}
