package ramoops

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// MaxZones caps the zones of a region.
const MaxZones = 4096

// Geometry is how a region is divided: the parameters of Linux's module.
type Geometry struct {
	RecordSize  int // of a dump; 0 = no dumps
	ConsoleSize int
	FtraceSize  int
	PmsgSize    int
	// CPUs is among how many zones the traces are divided; 0 = 1.
	CPUs int
}

// DefaultGeometry is that of the module's parameters: 4 KiB each.
func DefaultGeometry() Geometry {
	return Geometry{RecordSize: 4096, ConsoleSize: 4096, FtraceSize: 4096, PmsgSize: 4096}
}

// Kind says what a zone holds.
type Kind int

// Kinds.
const (
	Dump Kind = iota
	Console
	Ftrace
	Pmsg
)

// String is the name that Linux has for the kind.
func (k Kind) String() string {
	names := [...]string{"dmesg", "console", "ftrace", "pmsg"}
	if k >= 0 && int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("kind %d", int(k))
}

// Zone is one ring in a region.
type Zone struct {
	Kind   Kind
	Index  int
	Offset int // from the region's start
	Size   int // header included
}

var (
	// ErrGeometry says that a region cannot be divided so.
	ErrGeometry = errors.New("a region cannot be divided so")
	// ErrEmpty says that a zone holds nothing.
	ErrEmpty = errors.New("the zone is empty")
	// ErrZone says that a zone's header is not one.
	ErrZone = errors.New("not a zone of ramoops")
	// ErrDump says that a zone for dumps does not hold one.
	ErrDump = errors.New("not a dump of ramoops")
	// ErrRecord says that text holds no fault record of ours.
	ErrRecord = errors.New("no fault record")
	// ErrDamaged says that text holds a fault record that was cut or changed.
	ErrDamaged = errors.New("damaged fault record")
)

// roundDown is the power of two up to n.
func roundDown(n int) int {
	if n <= 0 {
		return 0
	}
	return 1 << (bits.Len(uint(n)) - 1)
}

// Zones divides a region of size bytes.
func (g Geometry) Zones(size int) ([]Zone, error) {
	if size <= 0 || g.RecordSize < 0 || g.ConsoleSize < 0 || g.FtraceSize < 0 || g.PmsgSize < 0 {
		return nil, fmt.Errorf("%d bytes by %+v: %w", size, g, ErrGeometry)
	}
	console, ftrace, pmsg := roundDown(g.ConsoleSize), roundDown(g.FtraceSize), roundDown(g.PmsgSize)
	dumps := size - console - ftrace - pmsg
	if dumps < 0 || console > size || ftrace > size || pmsg > size {
		return nil, fmt.Errorf("%d bytes by %+v: no room: %w", size, g, ErrGeometry)
	}
	var zones []Zone
	at := 0
	divide := func(kind Kind, total, count int) error {
		if count > MaxZones || count < 1 && total > 0 || total > 0 && total/count <= headerSize {
			return fmt.Errorf("%d zones for %v in %d bytes: %w", count, kind, total, ErrGeometry)
		}
		for i := range count {
			zones = append(zones, Zone{kind, i, at, total / count})
			at += total / count
		}
		return nil
	}
	if g.RecordSize > 0 && dumps > 0 {
		if err := divide(Dump, dumps, dumps/roundDown(g.RecordSize)); err != nil {
			return nil, err
		}
	}
	for _, z := range []struct {
		kind        Kind
		size, count int
	}{{Console, console, 1}, {Ftrace, ftrace, max(g.CPUs, 1)}, {Pmsg, pmsg, 1}} {
		if z.size == 0 {
			continue
		}
		if err := divide(z.kind, z.size, z.count); err != nil {
			return nil, err
		}
	}
	return zones, nil
}

// Content is what a zone holds, oldest byte first, as Linux reads it. The errors
// are ErrEmpty and ErrZone.
func Content(zone []byte) ([]byte, error) {
	if len(zone) <= headerSize {
		return nil, fmt.Errorf("%d bytes: %w", len(zone), ErrZone)
	}
	le := binary.LittleEndian
	start, size := uint64(le.Uint32(zone[offsetStart:])), uint64(le.Uint32(zone[offsetSize:]))
	got := le.Uint32(zone)
	if got == 0 && start == 0 && size == 0 {
		return nil, ErrEmpty // memory that nobody has divided yet
	}
	if got != signature {
		return nil, fmt.Errorf("signature %#x, want %#x: %w", got, signature, ErrZone)
	}
	if size == 0 && start == 0 {
		return nil, ErrEmpty
	}
	if size > uint64(len(zone)-headerSize) || start > size {
		return nil, fmt.Errorf("start %d, size %d in %d bytes: %w", start, size, len(zone)-headerSize, ErrZone)
	}
	data := zone[headerSize:][:size]
	return append(append([]byte(nil), data[start:]...), data[:start]...), nil
}

// Choose picks the zone for the next dump in a region: the first that is empty or
// not a zone, or else the last, so that the first dump stays and the last is
// there. It gives false where the geometry has none.
func Choose(region []byte, zones []Zone) (Zone, bool) {
	last, found := Zone{}, false
	for _, z := range zones {
		if z.Kind != Dump || z.Offset < 0 || z.Size < 0 || z.Offset > len(region)-z.Size {
			continue
		}
		last, found = z, true
		if _, err := Content(region[z.Offset:][:z.Size]); err != nil {
			return z, true
		}
	}
	return last, found
}
