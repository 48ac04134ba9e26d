package drill

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine/emulated"
)

// Faults of the disk, beside those of package emulated.
const (
	FailWrite = "fail" // a write to the disk fails
	TearWrite = "tear" // half of a write is done, and it fails
)

// FaultGrammar says how ParseFault reads faults.
const FaultGrammar = `  flip PLACE[.BIT] at WHEN      a bit of memory changes
  drop PLACE/BYTES at WHEN      the next store there has no effect
  scribble PLACE/BYTES at WHEN  a device writes there
  stale PLACE/BYTES at WHEN     what the CPUs write there stays in their caches
  nmi [cpu N] at WHEN           a non-maskable interrupt
  interrupt VECTOR [cpu N] at WHEN
  fail write N                  the disk fails the write that N come before, and what follows
  tear write N                  half of that write gets to the disk
PLACE is a physical address, 0x…, or reservation, or a part of it as rescue
inspect names them, with - for blanks: image, image+0x1234, hand-off-block+0x28.
WHEN is armed, panic, freeze, entry or main, or so many instructions behind it:
freeze+12.`

// Fault is something that goes wrong in a drill.
type Fault struct {
	Kind   string // an emulated.FaultKind, FailWrite or TearWrite
	Place  Place
	Bit    uint
	CPU    int
	Vector uint8
	Write  uint64 // how many writes to the disk come before

	When  Point  // one with a name
	After uint64 // instructions behind it
}

// Place is where a fault of memory is.
type Place struct {
	Part   string // of the reservation; "" = physical addresses
	Offset uint64
	Size   uint64 // bytes
}

// placeReservation is the Part that the whole reservation is.
const placeReservation = "reservation"

// partName is how a part is written in a fault.
func partName(p handoff.Part) string { return strings.ReplaceAll(p.String(), " ", "-") }

// ParseFault reads a fault as FaultGrammar says.
func ParseFault(text string) (f Fault, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("fault %q: %w", text, err)
		}
	}()
	words := strings.Fields(text)
	if len(words) == 0 {
		return f, fmt.Errorf("it is empty; faults are\n%s", FaultGrammar)
	}
	f.Kind = words[0]
	if f.Kind == FailWrite || f.Kind == TearWrite {
		if len(words) != 3 || words[1] != "write" {
			return f, fmt.Errorf("want %s write and a number", f.Kind)
		}
		f.Write, err = number(words[2])
		return f, err
	}
	at := slices.Index(words, "at")
	if at < 0 || at != len(words)-2 {
		return f, fmt.Errorf("want at and a point at its end: at armed, panic, freeze, entry or main, with +instructions or without")
	}
	if err := f.parseWhen(words[at+1]); err != nil {
		return f, err
	}
	return f, f.parseWhat(words[1:at])
}

func (f *Fault) parseWhen(text string) (err error) {
	name, after, later := strings.Cut(text, "+")
	if f.When = (Point{Name: name}); f.When.order() < 0 {
		return fmt.Errorf("%q is no point: want armed, panic, freeze, entry or main", name)
	}
	if later {
		f.After, err = number(after)
	}
	return err
}

func (f *Fault) parseWhat(words []string) (err error) {
	switch emulated.FaultKind(f.Kind) {
	case emulated.Flip, emulated.Drop, emulated.Scribble, emulated.Stale:
		if len(words) != 1 {
			return fmt.Errorf("want one place behind %s", f.Kind)
		}
		return f.parsePlace(words[0])
	case emulated.Interrupt:
		if len(words) == 0 {
			return fmt.Errorf("want a vector behind interrupt")
		}
		v, err := number(words[0])
		if err != nil || v < 32 || v > 255 {
			return fmt.Errorf("vector %q: want 32 to 255; those below are exceptions", words[0])
		}
		f.Vector, words = uint8(v), words[1:]
	case emulated.NMI:
	default:
		return fmt.Errorf("there is no fault %q; faults are\n%s", f.Kind, FaultGrammar)
	}
	if len(words) == 0 {
		return nil
	}
	if len(words) != 2 || words[0] != "cpu" {
		return fmt.Errorf("%q behind %s: want cpu and its number, or nothing", strings.Join(words, " "), f.Kind)
	}
	n, err := number(words[1])
	f.CPU = int(n & 0xffff)
	return err
}

func (f *Fault) parsePlace(text string) (err error) {
	f.Place.Size = 1
	if f.Kind == string(emulated.Flip) {
		if place, bit, ok := strings.Cut(text, "."); ok {
			n, err := number(bit)
			if err != nil || n > 7 {
				return fmt.Errorf("bit %q of a byte: want 0 to 7", bit)
			}
			text, f.Bit = place, uint(n)
		}
	} else {
		place, size, ok := strings.Cut(text, "/")
		if !ok {
			return fmt.Errorf("want a number of bytes: %s/8", text)
		}
		if f.Place.Size, err = number(size); err != nil || f.Place.Size == 0 {
			return fmt.Errorf("size %q: want a number of bytes above 0", size)
		}
		text = place
	}
	part, offset, ok := strings.Cut(text, "+")
	if strings.HasPrefix(text, "0x") {
		f.Place.Offset, err = number(text)
		return err
	}
	f.Place.Part = part
	if part != placeReservation {
		var known []string
		for p := range handoff.Part(handoff.MaxParts) {
			known = append(known, partName(p))
		}
		if !slices.Contains(known, part) {
			return fmt.Errorf("%q is no place: want an address, reservation, or one of %s", part, strings.Join(known[:handoff.PartProgram+1], ", "))
		}
	}
	if ok {
		f.Place.Offset, err = number(offset)
	}
	return err
}

func number(text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 0, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no number", text)
	}
	return n, nil
}
