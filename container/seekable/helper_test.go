package seekable

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand"
	"testing"

	"github.com/stretchr/testify/require"
)

// dumpLike makes n bytes as a dump has them: runs of zero pages, of text, of
// pointers and of noise.
func dumpLike(seed int64, n int) []byte {
	r := rand.New(rand.NewSource(seed))
	b := make([]byte, (n+4095)/4096*4096)
	for at := 0; at < len(b); {
		kind, run := r.Intn(5), 1+r.Intn(40)
		for ; run > 0 && at < len(b); run-- {
			page := b[at : at+4096]
			at += 4096
			switch kind {
			case 0, 1: // zero
			case 2:
				r.Read(page)
			case 3:
				for i := range page {
					page[i] = "the quick brown fox "[(i+r.Intn(2))%20]
				}
			case 4:
				for i := 0; i < 4096; i += 16 {
					binary.LittleEndian.PutUint64(page[i:], 0xfffff80000000000+uint64(r.Intn(1<<20))*64)
				}
			}
		}
	}
	return b[:n]
}

// compress writes content with o, in odd pieces.
func compress(t testing.TB, content []byte, o WriterOptions) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := NewWriter(&out, o)
	require.NoError(t, err)
	for piece := 1; len(content) > 0; piece = piece*3 + 1 {
		n := min(piece, len(content))
		m, err := w.Write(content[:n])
		require.NoError(t, err)
		require.Equal(t, n, m)
		content = content[n:]
		if piece > 1<<20 {
			piece = 0
		}
	}
	require.NoError(t, w.Close())
	require.Equal(t, int64(out.Len()), w.CompressedSize())
	return out.Bytes()
}

func open(t testing.TB, file []byte, o ReaderOptions) *Reader {
	t.Helper()
	r, err := NewReader(bytes.NewReader(file), int64(len(file)), o)
	require.NoError(t, err)
	return r
}

// same checks content without printing megabytes.
func same(t testing.TB, want, got []byte) {
	t.Helper()
	if !bytes.Equal(want, got) {
		n := 0
		for n < min(len(want), len(got)) && want[n] == got[n] {
			n++
		}
		t.Fatalf("%d bytes instead of %d, differ from %#x on", len(got), len(want), n)
	}
}

func readAll(t testing.TB, r *Reader) []byte {
	t.Helper()
	b, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
	require.NoError(t, err)
	return b
}

// checkReadable reads every piece of r: each byte is that of want, or it comes
// as an error that names it. It returns how many bytes could be read.
func checkReadable(t testing.TB, r *Reader, want []byte) (readable int64) {
	t.Helper()
	require.LessOrEqual(t, r.Size(), int64(len(want)))
	buf := make([]byte, 3000)
	for off := int64(0); off < r.Size(); {
		n, err := r.ReadAt(buf, off)
		same(t, want[off:off+int64(n)], buf[:n])
		off += int64(n)
		readable += int64(n)
		if err == nil || err == io.EOF {
			continue
		}
		var frame *FrameError
		require.True(t, errors.As(err, &frame), "%v", err)
		require.LessOrEqual(t, frame.Start, off)
		require.Greater(t, frame.End, off)
		off = frame.End
	}
	return readable
}
