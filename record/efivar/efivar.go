package efivar

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// GUID is an EFI GUID in the byte order of firmware: the first three fields
// little-endian (UEFI 2.10 appendix A).
type GUID [16]byte

// String is the GUID as it is written.
func (g GUID) String() string {
	le := binary.LittleEndian
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", le.Uint32(g[:]), le.Uint16(g[4:]), le.Uint16(g[6:]), g[8:10], g[10:])
}

// Vendor is the namespace of our variables:
// 6f7b2c1e-9d54-4c3a-8f0e-52a1c7d3e964, drawn at random.
var Vendor = GUID{0x1e, 0x2c, 0x7b, 0x6f, 0x54, 0x9d, 0x3a, 0x4c, 0x8f, 0x0e, 0x52, 0xa1, 0xc7, 0xd3, 0xe9, 0x64}

// Names of the variables: of the first record that nobody has acknowledged, and
// of the last.
const (
	FirstName = "RescueRecord"
	LastName  = "RescueRecord2"
)

// Attributes of a variable (UEFI 2.10 section 8.2.1).
type Attributes uint32

// The attributes that ours have.
const (
	NonVolatile   Attributes = 1 << 0
	BootAccess    Attributes = 1 << 1
	RuntimeAccess Attributes = 1 << 2

	OurAttributes = NonVolatile | BootAccess | RuntimeAccess
)

const (
	magic      = "RKEFIREC"
	version    = 1
	headerSize = 24
	offsetCRC  = 16
	// MaxSize is the most that a variable of ours takes. Firmware has 32 KiB or
	// more for one, and 64 KiB for all.
	MaxSize = 4096
	// MaxRecord is the longest record that fits.
	MaxRecord = MaxSize - headerSize
)

var (
	// ErrNotFound is what a VariableStore answers for a variable that is not there.
	ErrNotFound = errors.New("no such variable")
	// ErrTooLarge says that a record does not fit into a variable.
	ErrTooLarge = errors.New("too large for a variable")
	// ErrRecord says that a variable does not hold a record of ours.
	ErrRecord = errors.New("not a fault record's variable")
	// ErrDamaged says that a variable's record was cut or changed.
	ErrDamaged = errors.New("damaged fault record")
)

// VariableStore is the firmware's variables. GetVariable answers ErrNotFound
// where there is none; SetVariable with no data deletes one.
type VariableStore interface {
	GetVariable(name string, vendor GUID) (data []byte, attributes Attributes, err error)
	SetVariable(name string, vendor GUID, attributes Attributes, data []byte) error
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Encode wraps a record for a variable.
func Encode(record []byte) ([]byte, error) {
	if len(record) == 0 || len(record) > MaxRecord {
		return nil, fmt.Errorf("record of %d bytes, want 1 to %d: %w", len(record), MaxRecord, ErrTooLarge)
	}
	b := make([]byte, headerSize, headerSize+len(record))
	le := binary.LittleEndian
	copy(b, magic)
	le.PutUint32(b[8:], version)
	le.PutUint32(b[12:], uint32(len(record)))
	b = append(b, record...)
	le.PutUint32(b[offsetCRC:], digest(b))
	return b, nil
}

func digest(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:offsetCRC], castagnoli), castagnoli, b[headerSize:])
}

// Parse gives the record in a variable. The errors are ErrRecord and ErrDamaged.
func Parse(data []byte) ([]byte, error) {
	le := binary.LittleEndian
	switch {
	case len(data) < headerSize || string(data[:8]) != magic:
		return nil, fmt.Errorf("%d bytes: %w", len(data), ErrRecord)
	case le.Uint32(data[8:]) != version:
		return nil, fmt.Errorf("version %d, want %d: %w", le.Uint32(data[8:]), version, ErrRecord)
	case uint64(le.Uint32(data[12:])) != uint64(len(data)-headerSize) || len(data) > MaxSize:
		return nil, fmt.Errorf("record of %d bytes in %d: %w", le.Uint32(data[12:]), len(data), ErrDamaged)
	case le.Uint32(data[20:]) != 0:
		return nil, fmt.Errorf("reserved word %#x: %w", le.Uint32(data[20:]), ErrDamaged)
	}
	if got, want := digest(data), le.Uint32(data[offsetCRC:]); got != want {
		return nil, fmt.Errorf("CRC-32C %08x, want %08x: %w", got, want, ErrDamaged)
	}
	return append([]byte(nil), data[headerSize:]...), nil
}

// ParseFile is Parse for a file of Linux's efivarfs, which has the attributes in
// front.
func ParseFile(file []byte) (record []byte, attributes Attributes, err error) {
	if len(file) < 4 {
		return nil, 0, fmt.Errorf("%d bytes: %w", len(file), ErrRecord)
	}
	record, err = Parse(file[4:])
	return record, Attributes(binary.LittleEndian.Uint32(file)), err
}

// FileName is the name of a variable's file in efivarfs.
func FileName(name string) string { return name + "-" + Vendor.String() }

// Save writes a record: into the first variable if that holds none that is whole,
// or else into the last one. What is there already is not written again. It
// allocates, and firmware may do anything: a panic path calls it late or never.
func Save(s VariableStore, record []byte) error {
	data, err := Encode(record)
	if err != nil {
		return fmt.Errorf("save record: %w", err)
	}
	name := FirstName
	if old, _, err := s.GetVariable(FirstName, Vendor); err == nil {
		if string(old) == string(data) {
			return nil
		}
		if _, err := Parse(old); err == nil {
			name = LastName
		}
	} else if !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("save record: %s: %w", FirstName, err)
	}
	if name == LastName {
		if old, _, err := s.GetVariable(name, Vendor); err == nil && string(old) == string(data) {
			return nil
		}
	}
	if err := s.SetVariable(name, Vendor, OurAttributes, data); err != nil {
		return fmt.Errorf("save record: %s: %w", name, err)
	}
	return nil
}

// Load gives the records that are there, the first one first. One that is damaged
// is left out, and its error is beside the others.
func Load(s VariableStore) (records [][]byte, err error) {
	for _, name := range []string{FirstName, LastName} {
		data, _, getErr := s.GetVariable(name, Vendor)
		if errors.Is(getErr, ErrNotFound) {
			continue
		}
		if getErr == nil {
			var record []byte
			if record, getErr = Parse(data); getErr == nil {
				records = append(records, record)
				continue
			}
		}
		err = errors.Join(err, fmt.Errorf("%s: %w", name, getErr))
	}
	return records, err
}

// Clear deletes both variables: their records were acknowledged.
func Clear(s VariableStore) error {
	var errs []error
	for _, name := range []string{FirstName, LastName} {
		if err := s.SetVariable(name, Vendor, OurAttributes, nil); err != nil && !errors.Is(err, ErrNotFound) {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}
