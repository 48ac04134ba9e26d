package seekable

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync/atomic"
)

// output writes finished frames in order and remembers what the seek table
// needs. One goroutine uses it at a time.
type output struct {
	w         io.Writer
	o         *WriterOptions
	written   atomic.Int64 // compressed bytes; read by others for progress
	content   atomic.Int64 // content in the frames written
	frames    int64
	table     []byte // two numbers for each frame, see remember
	tableFull bool
	err       error // sticky; ErrLimit lets the seek table pass
}

// emit writes one record and frame.
func (u *output) emit(b []byte, contentSize int) error {
	if u.err != nil {
		return u.err
	}
	if u.o.Limit > 0 && u.written.Load()+int64(len(b))+RecordSize+seekTableSize(u.frames+1) > u.o.Limit {
		u.err = fmt.Errorf("seekable zstd: %w of %d bytes after content %#x", ErrLimit, u.o.Limit, u.content.Load())
		return u.err
	}
	if err := u.write(b); err != nil {
		return err
	}
	u.remember(len(b)-RecordSize, contentSize)
	u.content.Add(int64(contentSize))
	return nil
}

func (u *output) write(b []byte) error {
	n, err := u.w.Write(b)
	u.written.Add(int64(n))
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		u.err = fmt.Errorf("seekable zstd: write at %#x: %w", u.written.Load(), err)
	}
	return err
}

// remember keeps a frame's sizes in few bytes: the compressed size, doubled,
// and only where the content is not FrameSize, 1 added and that size after it.
func (u *output) remember(compressed, content int) {
	u.frames++
	if u.tableFull {
		return
	}
	if content == u.o.FrameSize {
		u.table = binary.AppendUvarint(u.table, uint64(compressed)<<1)
	} else {
		u.table = binary.AppendUvarint(u.table, uint64(compressed)<<1|1)
		u.table = binary.AppendUvarint(u.table, uint64(content))
	}
	if u.o.TableLimit > 0 && len(u.table) > u.o.TableLimit || 2*u.frames+1 > seekTableMaxCount {
		u.table, u.tableFull = nil, true
	}
}

// finish writes the seek table and its record. Where there is no table, the
// record alone says that nothing follows.
func (u *output) finish() error {
	var sum uint32
	size := 0
	if !u.tableFull {
		_ = u.seekTable(func(b []byte) error {
			sum = updateChecksum(sum, b)
			size += len(b)
			return nil
		})
	}
	var b [RecordSize]byte
	r := record{
		stream:         u.o.Stream,
		contentOffset:  uint64(u.content.Load()),
		compressedSize: uint32(size),
		checksum:       sum,
	}
	r.put(b[:])
	if err := u.write(b[:]); err != nil {
		return err
	}
	if u.tableFull {
		return nil
	}
	return u.seekTable(u.write)
}

// seekTable gives the seek table to visit in pieces, each time the same.
func (u *output) seekTable(visit func([]byte) error) error {
	le := binary.LittleEndian
	b := make([]byte, 0, 4096)
	b = le.AppendUint32(b, seekTableMagic)
	b = le.AppendUint32(b, uint32(seekTableSize(u.frames)-skippableHeader))
	for rest := u.table; len(rest) > 0; {
		v, n := binary.Uvarint(rest)
		rest = rest[n:]
		content := uint64(u.o.FrameSize)
		if v&1 != 0 {
			content, n = binary.Uvarint(rest)
			rest = rest[n:]
		}
		b = le.AppendUint32(b, RecordSize)
		b = le.AppendUint32(b, 0)
		b = le.AppendUint32(b, uint32(v>>1))
		b = le.AppendUint32(b, uint32(content))
		if len(b) > cap(b)-64 {
			if err := visit(b); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	b = le.AppendUint32(b, RecordSize)
	b = le.AppendUint32(b, 0)
	b = le.AppendUint32(b, uint32(2*u.frames+1))
	b = append(b, 0) // Seek_Table_Descriptor: no checksums
	b = le.AppendUint32(b, seekTableFooter)
	return visit(b)
}
