package serial_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/container/serial"
)

// file is an io.WriterAt in memory.
type file struct{ b []byte }

func (f *file) WriteAt(p []byte, at int64) (int, error) {
	if need := int(at) + len(p); need > len(f.b) {
		if need > 1<<22 {
			return 0, errors.New("too far")
		}
		f.b = append(f.b, make([]byte, need-len(f.b))...)
	}
	return copy(f.b[at:], p), nil
}

func content(n int) []byte {
	b := make([]byte, n)
	rand.New(rand.NewSource(int64(n))).Read(b)
	return b
}

var testSections = []serial.Section{
	{Kind: 1, Data: []byte("notes")},
	{Kind: 2, Address: 0xfeed, Data: content(9000)},
}

// stream sends data in pieces with text between them.
func stream(t testing.TB, data []byte, piece int) []byte {
	return streamWith(t, data, piece, testSections)
}

func streamWith(t testing.TB, data []byte, piece int, sections []serial.Section) []byte {
	t.Helper()
	var line bytes.Buffer
	line.WriteString("boot text\r\n")
	w := serial.NewWriter(&line, 77)
	require.NoError(t, w.Begin([]byte("header"), sections))
	for rest := data; len(rest) > 0; {
		n := min(piece, len(rest))
		_, err := w.Write(rest[:n])
		require.NoError(t, err)
		line.WriteString("console text\n")
		rest = rest[n:]
	}
	require.Equal(t, int64(len(data)), w.Written())
	require.NoError(t, w.Close(true))
	line.WriteString("bye\n")
	return line.Bytes()
}

// receive takes a line in pieces of n bytes.
func receive(t testing.TB, line []byte, n int) (*serial.Report, []byte, string) {
	t.Helper()
	var out file
	var text bytes.Buffer
	r := serial.NewReceiver(&out, &text)
	for len(line) > 0 {
		m := min(n, len(line))
		_, err := r.Write(line[:m])
		require.NoError(t, err)
		line = line[m:]
	}
	report, err := r.Finish()
	require.NoError(t, err)
	return report, out.b, text.String()
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 4095, 4096, 4097, 100_000} {
		line := stream(t, content(size), 10_000)
		for _, n := range []int{1, 7, 4096, 1 << 20} {
			report, got, text := receive(t, line, n)
			require.True(t, report.Complete(), "%+v", report)
			require.Equal(t, content(size), append([]byte{}, got...))
			require.Equal(t, int64(size), report.Size)
			require.Equal(t, "header", string(report.Header))
			require.Equal(t, testSections, report.Sections)
			require.Equal(t, uint32(77), report.Stream)
			require.Zero(t, report.Damaged+report.LostFrames+report.Repeated+report.Others+report.Garbage)
			require.Contains(t, text, "boot text\r\n")
			require.Equal(t, (size+9999)/10_000, bytes.Count([]byte(text), []byte("console text\n")))
			require.Contains(t, text, "bye\n")
		}
	}
}

// A byte is garbled, lost or put in at every place. Never is content taken for
// received that is not as it was sent.
func TestEveryByte(t *testing.T) {
	t.Parallel()
	data := content(1500)
	sections := []serial.Section{{Kind: 1, Data: []byte("notes")}, {Kind: 2, Address: 0xfeed, Data: content(300)}}
	line := streamWith(t, data, 300, sections) // frames of 300 bytes, with text between them
	check := func(what string, at int, damaged []byte) {
		report, got, _ := receive(t, damaged, 1<<20)
		require.True(t, report.EndSeen, "%s at %d", what, at)
		require.Equal(t, int64(len(data)), report.Size)
		require.LessOrEqual(t, report.LostBytes(), int64(300), "%s at %d: %+v", what, at, report)
		require.False(t, report.Mismatch)
		lost := 0
		for i := range data {
			if lost < len(report.Lost) && int64(i) >= report.Lost[lost].End {
				lost++
			}
			if lost < len(report.Lost) && int64(i) >= report.Lost[lost].Start {
				continue
			}
			require.Equal(t, data[i], got[i], "%s at %d: content byte %d", what, at, i)
		}
		require.Equal(t, len(report.Lost) == 0, report.Complete())
		for i, s := range report.Sections {
			if !s.Damaged {
				require.Equal(t, sections[s.Kind-1], s, "%s at %d: section %d", what, at, i)
			}
		}
	}
	for at := range line {
		garbled := bytes.Clone(line)
		garbled[at] ^= 0x41
		check("garbled", at, garbled)
		check("lost", at, append(bytes.Clone(line[:at]), line[at+1:]...))
		check("put in", at, append(append(bytes.Clone(line[:at]), '\x9e'), line[at:]...))
	}
}

// The line is cut at every byte.
func TestEveryCut(t *testing.T) {
	t.Parallel()
	data := content(1500)
	line := streamWith(t, data, 300, testSections[:1])
	complete := false
	for at := range line {
		report, got, _ := receive(t, line[:at], 1<<20)
		require.Empty(t, report.Lost)
		require.Equal(t, report.Size, int64(len(got)))
		require.True(t, bytes.HasPrefix(data, got))
		require.False(t, complete && !report.Complete())
		complete = report.Complete()
	}
	require.True(t, complete)
}

func TestLateReceiver(t *testing.T) {
	t.Parallel()
	data := content(50_000)
	line := stream(t, data, 10_000)
	report, got, _ := receive(t, line[20_000:], 100)
	require.False(t, report.Complete())
	require.Nil(t, report.Header)
	require.Len(t, report.Lost, 1)
	require.Zero(t, report.Lost[0].Start)
	require.NotZero(t, report.LostFrames)
	require.Equal(t, data[report.Lost[0].End:], got[report.Lost[0].End:])
}

func TestOtherStreamsAndRepetition(t *testing.T) {
	t.Parallel()
	var other bytes.Buffer
	w := serial.NewWriter(&other, 5)
	_, err := w.Write([]byte("not this"))
	require.NoError(t, err)
	line := stream(t, content(5000), 5000)
	half := len(line) / 2
	mixed := append(append(bytes.Clone(line[:half]), line[:half]...), line[half:]...)
	report, got, _ := receive(t, append(mixed, other.Bytes()...), 1<<20)
	require.NotZero(t, report.Repeated)
	require.Equal(t, uint64(1), report.Others)
	if report.Complete() {
		require.Equal(t, content(5000), got)
	}

	// A console that shows frames' bytes as text is no frame.
	report, got, text := receive(t, []byte("\x9eR\xd5 nothing\nall text\n\x9eR"), 3)
	require.Empty(t, got)
	require.Zero(t, report.Frames)
	require.Equal(t, "all text\n", text)
	require.NotZero(t, report.Garbage)
}

func TestIncompleteDump(t *testing.T) {
	t.Parallel()
	var line bytes.Buffer
	w := serial.NewWriter(&line, 77)
	require.NoError(t, w.Begin(nil, testSections))
	_, err := w.Write(content(100))
	require.NoError(t, err)
	require.NoError(t, w.SendSections([]serial.Section{{Kind: 1, Data: []byte("it was cut")}}))
	require.NoError(t, w.Close(false))
	_, err = w.Write([]byte{1})
	require.ErrorIs(t, err, serial.ErrClosed)
	report, _, _ := receive(t, line.Bytes(), 1000)
	require.True(t, report.EndSeen)
	require.False(t, report.Whole)
	require.False(t, report.Complete())
	require.Equal(t, "it was cut", string(report.Sections[0].Data))
	require.Len(t, report.Sections, 2)
}

type failing struct{ n int }

func (f *failing) Write(p []byte) (int, error) {
	if f.n--; f.n < 0 {
		return 0, io.ErrClosedPipe
	}
	return len(p), nil
}

func TestWriterFails(t *testing.T) {
	t.Parallel()
	w := serial.NewWriter(&failing{n: 3}, 1)
	require.NoError(t, w.Begin(nil, nil))
	_, err := w.Write(content(5000))
	require.ErrorIs(t, err, io.ErrClosedPipe)
	require.ErrorIs(t, w.Close(true), io.ErrClosedPipe)
	require.Error(t, serial.NewWriter(io.Discard, 1).Begin(make([]byte, 5000), nil))
}

type fullDisk struct{}

func (fullDisk) WriteAt([]byte, int64) (int, error) { return 0, io.ErrShortBuffer }

func TestOutputFails(t *testing.T) {
	t.Parallel()
	r := serial.NewReceiver(fullDisk{}, nil)
	_, err := r.Write(stream(t, content(100), 100))
	require.ErrorIs(t, err, io.ErrShortBuffer)
}

func TestNoAllocationPerFrame(t *testing.T) {
	w := serial.NewWriter(io.Discard, 1)
	data := content(20_000)
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = w.Write(data) }))
}

func FuzzReceiver(f *testing.F) {
	f.Add(stream(f, content(600), 300), uint16(7))
	f.Add([]byte("\x9eR\xd5F text"), uint16(1))
	f.Fuzz(func(t *testing.T, line []byte, piece uint16) {
		var out file
		r := serial.NewReceiver(&out, io.Discard)
		for rest := line; len(rest) > 0; {
			n := min(int(piece)+1, len(rest))
			if _, err := r.Write(rest[:n]); err != nil {
				return
			}
			rest = rest[n:]
		}
		report, err := r.Finish()
		require.NoError(t, err)
		require.LessOrEqual(t, report.LostBytes(), report.Size)
		if report.Complete() {
			require.Equal(t, report.Size, int64(len(out.b)))
		}
	})
}

func BenchmarkWriter(b *testing.B) {
	w := serial.NewWriter(io.Discard, 1)
	data := content(1 << 16)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		_, _ = w.Write(data)
	}
}
