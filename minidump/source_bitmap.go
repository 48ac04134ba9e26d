package minidump

import (
	"fmt"
	"io"
	"sync/atomic"
)

// BitmapReader shows the words of a PageBitmap as little-endian bytes, as a
// Source wants a bitmap: for a host in the same process. Words are loaded by
// atomic instructions, so that the bitmap may be in use.
type BitmapReader struct{ bitmap *PageBitmap }

// NewBitmapReader shows b.
func NewBitmapReader(b *PageBitmap) *BitmapReader { return &BitmapReader{b} }

// Size is the number of bytes: all words that have a bit of a page.
func (r *BitmapReader) Size() int64 { return int64(r.bitmap.available.Pages()+63) / 64 * 8 }

// ReadAt implements io.ReaderAt.
func (r *BitmapReader) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, fmt.Errorf("read page bitmap: %w: %d", errNegativeOffset, offset)
	}
	n := 0
	for size := r.Size(); n < len(p); n++ {
		at := offset + int64(n)
		if at >= size {
			return n, io.EOF
		}
		if at%8 == 0 && len(p)-n >= 8 {
			var word [1]uint64
			word[0] = atomic.LoadUint64(&r.bitmap.words[at/8])
			readWords(p[n:n+8], word[:], 0)
			n += 7
			continue
		}
		p[n] = byte(atomic.LoadUint64(&r.bitmap.words[at/8]) >> (at % 8 * 8))
	}
	return n, nil
}
