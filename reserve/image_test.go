package reserve_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/reserve"
)

// elfSegment is one program header of a synthetic image.
type elfSegment struct {
	kind, flags              uint32
	start, fileSize, memSize uint64
	skipFile                 uint64 // bytes between offset and where it belongs
}

const (
	flagX  = 1
	flagW  = 2
	flagR  = 4
	textAt = handoff.LinkBase
)

// standard is an image as the Go linker makes them: text, read-only data,
// data that ends in zero pages.
func standard() []elfSegment {
	return []elfSegment{
		{kind: 1, flags: flagR | flagX, start: textAt, fileSize: 0x2f80, memSize: 0x2f80},
		{kind: 1, flags: flagR, start: textAt + 0x3000, fileSize: 0x1234, memSize: 0x1234},
		{kind: 1, flags: flagR | flagW, start: textAt + 0x5000, fileSize: 0x1100, memSize: 0x9000},
	}
}

// moved is the standard image with its text so far above the window's start.
func moved(offset uint64) []elfSegment {
	s := standard()
	for i := range s {
		s[i].start += handoff.KernelBase + offset - textAt
	}
	s[0].start, s[0].memSize, s[0].fileSize = s[0].start+0x5000, 0x100, 0x100
	s[1].start += 0x5000
	s[2].start += 0x5000
	return s
}

// makeELF makes an ELF64 executable. Each segment's bytes differ from each
// other's.
func makeELF(entry uint64, segments []elfSegment) []byte {
	data := make([]byte, 64+56*len(segments))
	copy(data, "\x7fELF\x02\x01\x01")
	binary.LittleEndian.PutUint16(data[16:], 2)
	binary.LittleEndian.PutUint16(data[18:], uint16(handoff.AMD64))
	binary.LittleEndian.PutUint64(data[24:], entry)
	binary.LittleEndian.PutUint64(data[32:], 64)
	binary.LittleEndian.PutUint16(data[54:], 56)
	binary.LittleEndian.PutUint16(data[56:], uint16(len(segments)))
	for i, s := range segments {
		for uint64(len(data))%4096 != s.start%4096 {
			data = append(data, 0)
		}
		p := data[64+56*i:]
		binary.LittleEndian.PutUint32(p, s.kind)
		binary.LittleEndian.PutUint32(p[4:], s.flags)
		binary.LittleEndian.PutUint64(p[8:], uint64(len(data))+s.skipFile)
		binary.LittleEndian.PutUint64(p[16:], s.start)
		binary.LittleEndian.PutUint64(p[32:], s.fileSize)
		binary.LittleEndian.PutUint64(p[40:], s.memSize)
		for n := range min(s.fileSize, 1<<20) {
			data = append(data, byte(n)^byte(n>>8)^byte(i+1))
		}
	}
	return data
}

func openELF(t testing.TB, data []byte) *reserve.Image {
	t.Helper()
	image, err := reserve.OpenImage(bytes.NewReader(data))
	require.NoError(t, err)
	return image
}

func TestOpenImage(t *testing.T) {
	t.Parallel()
	data := makeELF(textAt+0x1000, standard())
	image := openELF(t, data)
	require.Equal(t, handoff.Image{Entry: textAt + 0x1000, LinkBase: textAt, FileEnd: textAt + 0x7000, MemoryEnd: textAt + 0xe000}, image.Layout())
	require.Len(t, image.Segments, 3)
	content, err := image.Bytes()
	require.NoError(t, err)
	require.Len(t, content, 0x7000)
	require.Equal(t, byte(1), content[0])
	require.Equal(t, make([]byte, 0x80), content[0x2f80:0x3000], "what follows a segment in its page is zero")
	require.Equal(t, byte(2), content[0x3000])
	require.Equal(t, make([]byte, 0x5000-0x4234), content[0x4234:0x5000])
	require.Equal(t, byte(3), content[0x5000])
}

func TestOpenImageRefused(t *testing.T) {
	t.Parallel()
	change := func(f func([]elfSegment) []elfSegment) []byte {
		return makeELF(textAt+0x1000, f(standard()))
	}
	patch := func(at int, p ...byte) []byte {
		data := makeELF(textAt+0x1000, standard())
		copy(data[at:], p)
		return data
	}
	one := func(f func(*elfSegment)) []byte {
		return change(func(s []elfSegment) []elfSegment { f(&s[2]); return s })
	}
	good := makeELF(textAt+0x1000, standard())
	for _, tt := range []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "ELF header: 0 of 64 bytes"},
		{"not ELF", patch(0, '#', '!'), "it begins with"},
		{"32 bits", patch(4, 1), "it begins with"},
		{"big-endian", patch(5, 2), "it begins with"},
		{"PIE", patch(16, 3), "ELF type 3"},
		{"machine", patch(18, 3), "it is for machine 3"},
		{"no program headers", patch(56, 0), "0 program headers"},
		{"program headers without end", patch(56, 0xff, 0xff), "65535 program headers"},
		{"program headers of another size", patch(54, 32), "program headers of 32 bytes"},
		{"program headers far away", patch(32, 0, 0, 0, 0, 1), "at 0x100000000"},
		{"program headers beyond the end", patch(32, 0, 0, 0xf, 0), "program headers: 0 of 168 bytes"},
		{"nothing to load", change(func([]elfSegment) []elfSegment { return []elfSegment{{kind: 4}} }), "no loadable segment"},
		{"interpreter", change(func(s []elfSegment) []elfSegment { return append(s, elfSegment{kind: 3}) }), "linked dynamically"},
		{"dynamic", change(func(s []elfSegment) []elfSegment { return append(s, elfSegment{kind: 2}) }), "linked dynamically"},
		{"writable and executable", one(func(s *elfSegment) { s.flags = 7 }), "both writable and executable"},
		{"below the window", change(func(s []elfSegment) []elfSegment { s[0].start = 0x400000; return s }), "not in the window"},
		{"above the window", one(func(s *elfSegment) { s.start = 0x8000_0000_0000 }), "not in the window"},
		{"ends above the window", one(func(s *elfSegment) { s.memSize = 1 << 47 }), "not in the window"},
		{"size wraps", one(func(s *elfSegment) { s.memSize = ^uint64(0) }), "not in the window"},
		{"more in the file than in memory", one(func(s *elfSegment) { s.memSize = 0x1000 }), "0x1100 bytes in the file"},
		{"too large", one(func(s *elfSegment) { s.fileSize, s.memSize = 1<<30, 1<<30 }), "at most"},
		{"far apart", one(func(s *elfSegment) { s.start += 1 << 30 }), "bytes of pages"},
		{"offset does not fit the address", one(func(s *elfSegment) { s.skipFile = 8 }), "file offset"},
		{"shares a page", one(func(s *elfSegment) { s.start = textAt + 0x4800 }), "shares a page"},
		{"out of order", one(func(s *elfSegment) { s.start = textAt - 0x10000 }), "shares a page"},
		{"zero pages in the middle", change(func(s []elfSegment) []elfSegment { s[1].fileSize, s[1].memSize = 0x234, 0x2000; return s }), "zero pages"},
		{"entry outside", makeELF(textAt+0x3000, standard()), "entry point"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := reserve.OpenImage(bytes.NewReader(tt.data))
			require.ErrorIs(t, err, reserve.ErrImage)
			require.ErrorContains(t, err, tt.want)
		})
	}
	image := openELF(t, good[:len(good)-1])
	_, err := image.Bytes()
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	image, err = reserve.OpenImage(&failing{Reader: bytes.NewReader(good), after: 2})
	require.NoError(t, err)
	_, err = image.Bytes()
	require.ErrorIs(t, err, errFailing)
}

var errFailing = errors.New("disk on fire")

// failing is a file that fails after some reads.
type failing struct {
	*bytes.Reader
	after int
}

func (f *failing) ReadAt(p []byte, off int64) (int, error) {
	if f.after--; f.after < 0 {
		return 0, errFailing
	}
	return f.Reader.ReadAt(p, off)
}

var goProgram struct {
	sync.Once
	data []byte
	skip string
}

// goELF is a small program linked by the Go toolchain as a rescue image is.
func goELF(t *testing.T) []byte {
	t.Helper()
	goProgram.Do(func() {
		tool, err := exec.LookPath("go")
		if err != nil {
			goProgram.skip = "the go command is not here: " + err.Error()
			return
		}
		dir, err := os.MkdirTemp("", "reserve")
		if err != nil {
			goProgram.skip = err.Error()
			return
		}
		defer os.RemoveAll(dir)
		source := "package main\n\nfunc main() { println(\"hello\") }\n"
		if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(source), 0o666); err != nil {
			goProgram.skip = err.Error()
			return
		}
		build := exec.Command(tool, "build", "-ldflags", "-s -w -T 0x500000411000", "-o", "image", "main.go")
		build.Dir = dir
		build.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0", "GOFLAGS=", "GO111MODULE=off")
		if out, err := build.CombinedOutput(); err != nil {
			goProgram.skip = "go build: " + err.Error() + ": " + string(out)
			return
		}
		goProgram.data, err = os.ReadFile(filepath.Join(dir, "image"))
		if err != nil {
			goProgram.skip = err.Error()
		}
	})
	if goProgram.skip != "" {
		t.Skip(goProgram.skip)
	}
	return goProgram.data
}

func TestOpenImageOfGo(t *testing.T) {
	t.Parallel()
	image := openELF(t, goELF(t))
	layout := image.Layout()
	require.Equal(t, handoff.LinkBase, layout.LinkBase, "the ELF header's page lies before the text")
	require.Len(t, image.Segments, 3)
	require.True(t, image.Segments[0].Executable && !image.Segments[0].Writable)
	require.True(t, !image.Segments[1].Executable && !image.Segments[1].Writable)
	require.True(t, image.Segments[2].Writable && !image.Segments[2].Executable)
	require.Greater(t, layout.MemoryEnd, layout.FileEnd, "it has a bss")
	content, err := image.Bytes()
	require.NoError(t, err)
	require.Equal(t, "\x7fELF", string(content[:4]))
}

func FuzzOpenImage(f *testing.F) {
	f.Add(makeELF(textAt+0x1000, standard()))
	f.Add(makeELF(textAt+0x1000, standard())[:300])
	f.Fuzz(func(t *testing.T, data []byte) {
		image, err := reserve.OpenImage(bytes.NewReader(data))
		if err != nil {
			require.ErrorIs(t, err, reserve.ErrImage)
			return
		}
		l := image.Layout()
		require.True(t, handoff.ImageBase <= l.LinkBase && l.LinkBase <= l.FileEnd && l.FileEnd <= l.MemoryEnd)
		require.LessOrEqual(t, l.FileEnd-l.LinkBase, uint64(reserve.MaxImageSize))
		if l.FileEnd-l.LinkBase > 1<<20 {
			return
		}
		content, err := image.Bytes()
		require.True(t, err != nil || uint64(len(content)) == l.FileEnd-l.LinkBase)
	})
}
