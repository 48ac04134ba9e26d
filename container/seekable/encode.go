package seekable

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// encoder makes frames, one at a time.
type encoder struct {
	zstd   *zstd.Encoder
	stream uint32
}

func newEncoder(o *WriterOptions) (*encoder, error) {
	// The level comes before the window: this order keeps blocks at 64 KiB for
	// LevelFastest, which is as fast as larger ones and compresses better.
	z, err := zstd.NewWriter(nil,
		zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderLevel(o.Level.encoderLevel()),
		zstd.WithWindowSize(o.WindowSize),
		zstd.WithLowerEncoderMem(o.LowMemory),
		zstd.WithSingleSegment(true), // so that every frame tells its content size
		zstd.WithEncoderCRC(true))
	if err != nil {
		return nil, fmt.Errorf("seekable zstd: %w", err)
	}
	return &encoder{zstd: z, stream: o.Stream}, nil
}

// encode appends the record and the frame of content to dst.
func (e *encoder) encode(dst, content []byte, offset int64) []byte {
	dst = append(dst, make([]byte, RecordSize)...)
	dst = e.zstd.EncodeAll(content, dst)
	sealFrame(dst, e.stream, offset, len(content))
	return dst
}

// sealFrame fills in the record at the start of b, which describes the frame
// in the rest of b.
func sealFrame(b []byte, stream uint32, offset int64, contentSize int) {
	r := record{
		stream:         stream,
		contentOffset:  uint64(offset),
		contentSize:    uint32(contentSize),
		compressedSize: uint32(len(b) - RecordSize),
		checksum:       checksum(b[RecordSize:]),
	}
	r.put(b)
}

// zeroEncoder makes frames of zeros from n chunks of one size.
type zeroEncoder struct {
	stream uint32
	chunk  int
	hash   zeroHash
	sums   []uint32 // content checksum of 1, 2, ... chunks
}

func newZeroEncoder(o *WriterOptions) *zeroEncoder {
	return &zeroEncoder{stream: o.Stream, chunk: o.FrameSize, hash: newZeroHash()}
}

// encode appends the record and the frame of n zeros to dst. n is a multiple
// of the chunk size and at most MaxZeroRun.
func (e *zeroEncoder) encode(dst []byte, n int, offset int64) []byte {
	for len(e.sums) < n/e.chunk {
		e.hash.add(e.chunk)
		e.sums = append(e.sums, e.hash.sum())
	}
	const (
		descriptor = 2<<6 | 1<<2    // content size of 4 bytes; content checksum (RFC 8878 3.1.1.1.1)
		window     = (17 - 10) << 3 // 128 KiB
		block      = 128 << 10      // the largest block
		runLength  = 1 << 1         // Block_Type RLE_Block
	)
	start := len(dst)
	dst = append(dst, make([]byte, RecordSize)...)
	dst = binary.LittleEndian.AppendUint32(dst, frameMagic)
	dst = append(dst, descriptor, window)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(n))
	for left := n; left > 0; left -= block {
		header := uint32(min(left, block))<<3 | runLength
		if left <= block {
			header |= 1 // Last_Block
		}
		dst = append(dst, byte(header), byte(header>>8), byte(header>>16), 0)
	}
	dst = binary.LittleEndian.AppendUint32(dst, e.sums[n/e.chunk-1])
	sealFrame(dst[start:], e.stream, offset, n)
	return dst
}

var zeroPage [4096]byte // never written

// isZero reports whether b, a multiple of 4096 bytes, is all zero.
func isZero(b []byte) bool {
	for ; len(b) >= len(zeroPage); b = b[len(zeroPage):] {
		if !bytes.Equal(b[:len(zeroPage)], zeroPage[:]) {
			return false
		}
	}
	return len(b) == 0
}
