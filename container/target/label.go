package target

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"github.com/seed64aab995/rescuekernel/container/kerneldump"
)

const (
	// LabelOffset is where the label lies in an extent: behind what FreeBSD
	// leaves untouched at the start of a dump device.
	LabelOffset = kerneldump.ReservedSize
	// Version of the label that is written and read.
	Version = 1
	// EarlySize is what Prepare sets aside for the early record, header
	// included: registers of 256 CPUs, marks, holes, and 64 KiB of stack.
	EarlySize = 508 << 10
	// MinimumSize is the smallest extent that Prepare takes.
	MinimumSize = 1 << 20

	labelMagic   = "RescueDumpTarget"
	labelSize    = 512
	labelCRC     = 508
	blockSize    = 4096 // what lies before the dump is laid out in; the largest sector
	maxEarlySize = 16 << 20
)

var (
	// ErrNoLabel says that there is no label where one should be.
	ErrNoLabel = errors.New("no dump-target label")
	// ErrDamaged says that a label or an early record is there and its checksum
	// is wrong.
	ErrDamaged = errors.New("damaged")
	// ErrVersion says that a label is of a version that is not known here.
	ErrVersion = errors.New("unknown version")
	// ErrMismatch says that a label does not fit the device it is on, or is not
	// the one that was expected: the disk was changed since.
	ErrMismatch = errors.New("label does not match")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ID identifies a label.
type ID [16]byte

// String is the identity in hexadecimal digits.
func (id ID) String() string { return fmt.Sprintf("%x", id[:]) }

// Label says that an extent of a device is for crash dumps.
type Label struct {
	ID          ID
	SectorSize  int
	Start       int64 // of the extent on the device, bytes
	Length      int64 // of the extent
	DeviceSize  int64
	EarlyOffset int64 // of the early record in the extent
	EarlySize   int64
	Prepared    time.Time
}

// DumpOffset is how many bytes at the start of the extent are not for the dump:
// kerneldump.WriterOptions.Reserved.
func (l *Label) DumpOffset() int64 { return l.EarlyOffset + l.EarlySize }

// Capacity is how many bytes of dump the extent has room for.
func (l *Label) Capacity() int64 {
	return l.Length/int64(l.SectorSize)*int64(l.SectorSize) - l.DumpOffset() - 2*int64(l.SectorSize)
}

// Leading is the offset of the dump's leading header on the device.
func (l *Label) Leading() int64 { return l.Start + l.DumpOffset() }

// Extent is the extent as a device of its own.
func (l *Label) Extent(d Device) Device { return &extent{Device: d, start: l.Start, length: l.Length} }

// check refuses a label whose numbers contradict each other.
func (l *Label) check() error {
	switch {
	case l.SectorSize < 512 || l.SectorSize > blockSize || l.SectorSize&(l.SectorSize-1) != 0:
		return fmt.Errorf("sector size %d: %w", l.SectorSize, ErrDamaged)
	case l.DeviceSize < 0 || l.Start < 0 || l.Length < 0 || l.Start > l.DeviceSize-l.Length || l.Start%int64(l.SectorSize) != 0:
		return fmt.Errorf("extent %#x+%#x on a device of %#x: %w", l.Start, l.Length, l.DeviceSize, ErrDamaged)
	case l.EarlyOffset != LabelOffset+blockSize || l.EarlySize < blockSize || l.EarlySize > maxEarlySize || l.EarlySize%blockSize != 0:
		return fmt.Errorf("early record at %#x+%#x: %w", l.EarlyOffset, l.EarlySize, ErrDamaged)
	case l.Capacity() <= 0:
		return fmt.Errorf("extent of %#x has no room for a dump: %w", l.Length, ErrDamaged)
	}
	return nil
}

func roundUp(n, multiple int64) int64 { return (n + multiple - 1) / multiple * multiple }

// AppendBinary appends the label's 512 bytes.
func (l *Label) AppendBinary(dst []byte) ([]byte, error) {
	if err := l.check(); err != nil {
		return dst, fmt.Errorf("label: %w", err)
	}
	var b [labelSize]byte
	le := binary.LittleEndian
	copy(b[:], labelMagic)
	le.PutUint32(b[16:], Version)
	le.PutUint32(b[20:], uint32(l.SectorSize))
	copy(b[24:], l.ID[:])
	le.PutUint64(b[40:], uint64(l.Start))
	le.PutUint64(b[48:], uint64(l.Length))
	le.PutUint64(b[56:], uint64(l.DeviceSize))
	le.PutUint64(b[64:], uint64(l.EarlyOffset))
	le.PutUint64(b[72:], uint64(l.EarlySize))
	le.PutUint64(b[80:], uint64(l.Prepared.UnixNano()))
	le.PutUint32(b[labelCRC:], crc32.Checksum(b[:labelCRC], castagnoli))
	return append(dst, b[:]...), nil
}

// ParseLabel parses the 512 bytes at the start of b. The errors are ErrNoLabel,
// ErrDamaged and ErrVersion.
func ParseLabel(b []byte) (*Label, error) {
	if len(b) < labelSize || string(b[:16]) != labelMagic {
		return nil, ErrNoLabel
	}
	le := binary.LittleEndian
	if got, want := crc32.Checksum(b[:labelCRC], castagnoli), le.Uint32(b[labelCRC:]); got != want {
		return nil, fmt.Errorf("label: CRC-32C %08x, want %08x: %w", got, want, ErrDamaged)
	}
	if v := le.Uint32(b[16:]); v != Version {
		return nil, fmt.Errorf("label: version %d, want %d: %w", v, Version, ErrVersion)
	}
	l := &Label{
		ID:          ID(b[24:40]),
		SectorSize:  int(le.Uint32(b[20:])),
		Start:       int64(le.Uint64(b[40:])),
		Length:      int64(le.Uint64(b[48:])),
		DeviceSize:  int64(le.Uint64(b[56:])),
		EarlyOffset: int64(le.Uint64(b[64:])),
		EarlySize:   int64(le.Uint64(b[72:])),
		Prepared:    time.Unix(0, int64(le.Uint64(b[80:]))).UTC(),
	}
	if err := l.check(); err != nil {
		return nil, fmt.Errorf("label: %w", err)
	}
	return l, nil
}

// Read reads the label of the extent that begins at start on a device of size
// bytes and checks that it belongs there. The errors are those of ParseLabel,
// ErrMismatch and the device's own.
func Read(r io.ReaderAt, size, start int64) (*Label, error) {
	if start < 0 || start > size-LabelOffset-2*blockSize {
		return nil, fmt.Errorf("extent at %#x on a device of %#x: %w", start, size, ErrNoLabel)
	}
	b := make([]byte, blockSize) // a whole sector, whatever its size
	at := start + LabelOffset
	if err := readFull(r, b, at); err != nil {
		return nil, fmt.Errorf("label: %w", err)
	}
	l, err := ParseLabel(b)
	if err != nil {
		return nil, fmt.Errorf("at %#x: %w", at, err)
	}
	if l.Start != start || l.DeviceSize != size {
		return nil, fmt.Errorf("label at %#x of a device of %#x is of an extent at %#x of one of %#x: %w", at, size, l.Start, l.DeviceSize, ErrMismatch)
	}
	return l, nil
}
