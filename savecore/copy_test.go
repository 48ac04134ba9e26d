package savecore

import (
	"bytes"
	"context"
	"io"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// fullDisk is a file on a disk that has room for some bytes.
type fullDisk struct {
	data []byte
	room int
}

func (f *fullDisk) WriteAt(p []byte, offset int64) (int, error) {
	n := min(len(p), max(f.room-int(offset), 0))
	f.grow(int(offset) + n)
	copy(f.data[offset:], p[:n])
	if n < len(p) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

func (f *fullDisk) Truncate(size int64) error {
	f.grow(int(size))
	f.data = f.data[:size]
	return nil
}

func (f *fullDisk) grow(size int) {
	if size > len(f.data) {
		f.data = append(f.data, make([]byte, size-len(f.data))...)
	}
}

func TestCopyToAFullDisk(t *testing.T) {
	t.Parallel()
	dump := bytes.Repeat([]byte("0123456789abcdef"), 150_000)
	clear(dump[40_960:81_920])
	for _, room := range []int{0, 1, 4095, 4096, 40_961, 100_000, 1 << 20, 1<<20 + 1, len(dump) - 1, len(dump)} {
		for _, sparse := range []bool{false, true} {
			file := &fullDisk{room: room}
			c := copier{file: file, sparse: sparse}
			err := c.copy(context.Background(), io.NewSectionReader(bytes.NewReader(dump), 0, int64(len(dump))), nil)
			if room == len(dump) {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, syscall.ENOSPC, "room %d", room)
			}
			require.GreaterOrEqual(t, c.written, int64(room), "room %d sparse %v", room, sparse)
			require.True(t, bytes.Equal(dump[:c.written], file.data), "what it says it kept must be there")
		}
	}
}
