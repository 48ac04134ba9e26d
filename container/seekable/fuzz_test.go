package seekable

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// read opens file and reads what there is of its first megabytes.
func read(t *testing.T, file []byte, o ReaderOptions) {
	o.MaxFrame = 1 << 20
	r, err := NewReader(bytes.NewReader(file), int64(len(file)), o)
	if err != nil {
		return
	}
	require.GreaterOrEqual(t, r.Size(), int64(0))
	p := make([]byte, 5000)
	for i := range min(r.Frames(), 50) {
		f := r.Frame(i)
		require.LessOrEqual(t, f.Offset+f.CompressedSize, int64(len(file)))
		n, err := r.ReadAt(p, f.Start+f.Size/2)
		require.True(t, n == len(p) || err != nil)
	}
	_, _ = r.ReadAt(p, r.Size()-10)
	if r.Size() < 4<<20 {
		_, _ = io.Copy(io.Discard, io.NewSectionReader(r, 0, r.Size()))
		_, _ = r.VerifyFrames(t.Context(), nil)
	}
}

// FuzzSeekTable puts the input in place of the seek table of a good file.
func FuzzSeekTable(f *testing.F) {
	_, file := small(f)
	whole := open(f, file, ReaderOptions{})
	start := len(file) - int(seekTableSize(int64(whole.Frames())))
	f.Add(file[start:], true)
	f.Add(file[start+8:], false)
	f.Add([]byte{}, true)
	f.Fuzz(func(t *testing.T, table []byte, record bool) {
		b := bytes.Clone(file[:start])
		if record { // one that vouches for the table
			r := record0(b, len(table), checksum(table))
			r.put(b[start-RecordSize:])
		} else {
			b = b[RecordSize:] // nor does the file begin with one
		}
		read(t, append(b, table...), ReaderOptions{})
	})
}

func record0(b []byte, size int, sum uint32) record {
	r, _ := parseRecord(b[len(b)-RecordSize:])
	r.compressedSize, r.checksum = uint32(size), sum
	return r
}

// FuzzScan reads files without their seek table. Records get right checksums,
// so that what they say is reached.
func FuzzScan(f *testing.F) {
	_, file := small(f)
	f.Add(file)
	f.Add(file[40:])
	f.Add(file[:len(file)-50])
	f.Fuzz(func(t *testing.T, b []byte) {
		b = bytes.Clone(b)
		for i := 0; i+RecordSize <= len(b); i++ {
			if binary.LittleEndian.Uint32(b[i:]) == recordMagic {
				binary.LittleEndian.PutUint32(b[i+36:], checksum(b[i:i+36]))
				i += RecordSize - 1
			}
		}
		read(t, b, ReaderOptions{Scan: true})
	})
}

// FuzzFlip changes one byte of a good file: no byte reads wrong.
func FuzzFlip(f *testing.F) {
	content, file := small(f)
	f.Add(uint16(0), byte(1), uint16(0))
	f.Add(uint16(41), byte(0x80), uint16(3))
	f.Fuzz(func(t *testing.T, at uint16, change byte, cut uint16) {
		b := bytes.Clone(file[:len(file)-int(cut)%(len(file)-1)])
		b[int(at)%len(b)] ^= change
		r, err := NewReader(bytes.NewReader(b), int64(len(b)), ReaderOptions{})
		if err == nil {
			checkReadable(t, r, content)
		}
	})
}
