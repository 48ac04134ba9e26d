package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/container/seekable"
)

// argument is an address as an argument.
func argument(address uint64) string { return fmt.Sprintf("%#x", address) }

func contents(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data
}

func TestConvertToMinidump(t *testing.T) {
	t.Parallel()
	dump, _ := hostDump(t)
	whole := contents(t, dump)
	dir := t.TempDir()
	for _, test := range []struct {
		compress string
		unpack   func(path string) []byte
	}{
		{"none", func(path string) []byte { return contents(t, path) }},
		{"gzip", func(path string) []byte {
			z, err := gzip.NewReader(bytes.NewReader(contents(t, path)))
			require.NoError(t, err)
			data, err := io.ReadAll(z)
			require.NoError(t, err)
			return data
		}},
		{"zstd", func(path string) []byte {
			if _, err := exec.LookPath("zstd"); err != nil {
				t.Skip("the zstd program is not installed")
			}
			data, err := exec.Command("zstd", "-dcq", path).Output()
			require.NoError(t, err)
			return data
		}},
	} {
		out := filepath.Join(dir, test.compress)
		require.Empty(t, requireDone(t, "convert", "--to", "minidump", "--compress", test.compress, dump, out))
		require.Equal(t, whole, test.unpack(out), test.compress)
		// And what was written is read again, whatever it is wrapped in.
		require.Contains(t, requireDone(t, "read", out, argument(hostData), "4"), "2a 00 00 00")
		require.Contains(t, requireDone(t, "verify", out), "sound")
	}
	require.Equal(t, whole, []byte(requireDone(t, "convert", "--to", "minidump", dump, "-")))
}

func TestConvertToELF(t *testing.T) {
	t.Parallel()
	dump, _ := hostDump(t)
	out := filepath.Join(t.TempDir(), "core")
	requireDone(t, "convert", "--to", "elf", dump, out)
	core, err := elf.Open(out)
	require.NoError(t, err)
	defer core.Close()
	require.Equal(t, elf.ET_CORE, core.Type)
	found := false
	for _, segment := range core.Progs {
		if segment.Type == elf.PT_LOAD && segment.Vaddr <= hostData && hostData < segment.Vaddr+segment.Filesz {
			data := make([]byte, 4)
			_, err := segment.ReadAt(data, int64(hostData-segment.Vaddr))
			require.NoError(t, err)
			require.Equal(t, []byte{0x2a, 0, 0, 0}, data)
			found = true
		}
	}
	require.True(t, found, "no segment has %#x", hostData)
	requireFails(t, exitNotDump, "ELF core made of a minidump: give the minidump itself", "info", out)
}

func TestConvertOfACutDump(t *testing.T) {
	t.Parallel()
	dump, _ := hostDump(t)
	data := contents(t, dump)
	cut := writeTemporary(t, "cut", data[:len(data)-5000])
	out := filepath.Join(t.TempDir(), "out")
	r := requireFails(t, exitIncomplete, "cut is incomplete, and so is", "convert", "--to", "minidump", cut, out)
	require.Empty(t, r.out)
	require.Equal(t, data[:len(data)-2*4096], contents(t, out))
	require.Equal(t, exitIncomplete, dumper(t, "verify", out).code)
}

func TestConvertRefuses(t *testing.T) {
	t.Parallel()
	dump, _ := hostDump(t)
	before := contents(t, dump)
	out := filepath.Join(t.TempDir(), "out")
	requireFails(t, exitUsage, "same file", "convert", "--to", "minidump", dump, dump)
	requireFails(t, exitUsage, "--to is minidump or elf", "convert", "--to", "pdf", dump, out)
	requireFails(t, exitUsage, "--to is minidump or elf", "convert", dump, out)
	requireFails(t, exitUsage, "--compress is none, gzip or zstd", "convert", "--to", "elf", "--compress", "xz", dump, out)
	requireFails(t, exitIO, "no such", "convert", "--to", "elf", dump, filepath.Join(out, "absent", "file"))
	require.NoFileExists(t, out)
	require.Equal(t, before, contents(t, dump))
}

// A full dump is not converted, and what OUT was before stays.
func TestConvertRefusesFullDumps(t *testing.T) {
	t.Parallel()
	full := make([]byte, 3*4096)
	copy(full, "\x7fELF\x02\x01\x01\xff")
	for _, field := range []struct {
		offset int
		value  uint64
	}{
		{16, 4}, {18, 62}, {20, 1}, {32, 64}, {52, 64}, {54, 56}, {56, 1}, // ET_CORE, amd64, one program header
		{64, 1}, {64 + 8, 4096}, {64 + 32, 8192}, {64 + 40, 8192}, {64 + 48, 4096}, // PT_LOAD
	} {
		full[field.offset], full[field.offset+1] = byte(field.value), byte(field.value>>8)
	}
	dump, out := writeTemporary(t, "full", full), writeTemporary(t, "out", []byte("precious"))
	require.Contains(t, requireDone(t, "info", dump), "full dump")
	for _, to := range convertFormats {
		requireFails(t, exitNotDump, "full dump", "convert", "--to", to, dump, out)
		require.Equal(t, "precious", string(contents(t, out)))
	}
}

func TestConvertInterrupted(t *testing.T) {
	t.Parallel()
	dump, _ := hostDump(t)
	for _, compress := range convertCompress {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		out := filepath.Join(t.TempDir(), "out")
		var errors bytes.Buffer
		code := run(ctx, []string{"convert", "--to", "minidump", "--compress", compress, dump, out}, strings.NewReader(""), io.Discard, &errors)
		require.Equal(t, exitInterrupted, code, errors.String())
		require.Contains(t, errors.String(), "kept the first")
	}
}

// A full disk says what was kept.
func TestConvertToAFullDisk(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("this system has no /dev/full")
	}
	dump, _ := hostDump(t)
	for _, compress := range convertCompress {
		requireFails(t, exitIO, "the first 0 bytes", "convert", "--to", "minidump", "--compress", compress, dump, "/dev/full")
	}
}

// What a compressor has taken and could not give on is not kept.
func TestConvertSaysWhatAFailedCompressorKept(t *testing.T) {
	t.Parallel()
	var file bytes.Buffer
	w, err := seekable.NewWriter(&limited{&file, 100_000}, seekable.WriterOptions{FrameSize: 4096})
	require.NoError(t, err)
	noise := make([]byte, 400_000)
	_, _ = rand.Read(noise)
	written, err := w.Write(noise)
	require.ErrorIs(t, err, io.ErrShortWrite)
	require.ErrorIs(t, w.Close(), io.ErrShortWrite)
	r, err := seekable.NewReader(bytes.NewReader(file.Bytes()), int64(file.Len()), seekable.ReaderOptions{})
	require.NoError(t, err)
	require.NotZero(t, r.Size())
	require.Equal(t, fmt.Sprintf("the first %d bytes", r.Size()), keptBy(w, int64(written)))
}

// limited has room for some bytes.
type limited struct {
	io.Writer
	room int
}

func (l *limited) Write(p []byte) (int, error) {
	n, err := l.Writer.Write(p[:min(len(p), l.room)])
	l.room -= n
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return n, err
}
