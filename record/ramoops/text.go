package ramoops

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"time"
)

const (
	textMark   = "Rescue "
	recordMark = "Rescue-Record 1 "
	// MaxText caps what a compressed dump may unpack to.
	MaxText = 4 << 20
)

// Text is one dump.
type Text struct {
	Time       time.Time
	Compressed bool
	Text       []byte // unpacked
}

// ParseDump reads what Content gives of a zone for dumps. One whose compressed
// text is cut is an error beside what could be unpacked.
func ParseDump(content []byte) (Text, error) {
	line, rest, ok := bytes.Cut(content, []byte("\n"))
	if !ok || !bytes.HasPrefix(line, []byte("====")) || len(line) > 40 {
		return Text{}, fmt.Errorf("begins with %.20q: %w", content, ErrDump)
	}
	line = line[4:]
	var t Text
	if before, kind, ok := bytes.Cut(line, []byte("-")); ok { // older kernels have no kind
		line, t.Compressed = before, string(kind) == "C"
	}
	seconds, micros, ok := bytes.Cut(line, []byte("."))
	s, err1 := strconv.ParseInt(string(seconds), 10, 64)
	u, err2 := strconv.ParseUint(string(micros), 10, 32)
	if !ok || err1 != nil || err2 != nil {
		return Text{}, fmt.Errorf("time %q: %w", line, ErrDump)
	}
	t.Time = time.Unix(s, int64(u)*1000).UTC()
	t.Text = append([]byte(nil), rest...)
	if !t.Compressed {
		return t, nil
	}
	var err error
	t.Text, err = io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(rest)), MaxText))
	if err != nil {
		return t, fmt.Errorf("compressed dump: %w: %w", err, ErrDump)
	}
	return t, nil
}

// Record gives the CBOR of the fault record in a dump's text, which may be a file
// of /sys/fs/pstore. The errors are ErrRecord and ErrDamaged.
func Record(text []byte) ([]byte, error) {
	i := bytes.Index(text, []byte("\n"+recordMark))
	if i < 0 {
		return nil, ErrRecord
	}
	line, _, whole := bytes.Cut(text[i+1+len(recordMark):], []byte("\n"))
	fields := bytes.Fields(line)
	if !whole || len(fields) != 3 {
		return nil, fmt.Errorf("line of %d bytes was cut: %w", len(line), ErrDamaged)
	}
	length, err1 := strconv.ParseUint(string(fields[0]), 10, 31)
	want, err2 := strconv.ParseUint(string(fields[1]), 16, 32)
	data, err3 := base64.StdEncoding.Strict().DecodeString(string(fields[2]))
	if err1 != nil || err2 != nil || err3 != nil || uint64(len(data)) != length {
		return nil, fmt.Errorf("length %q, %d bytes: %w", fields[0], len(data), ErrDamaged)
	}
	if got := crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)); uint64(got) != want {
		return nil, fmt.Errorf("CRC-32C %08x, want %08x: %w", got, want, ErrDamaged)
	}
	return data, nil
}
