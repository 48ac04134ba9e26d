package main

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/container/ekcd"
	"github.com/seed64aab995/rescuekernel/container/kerneldump"
	"github.com/seed64aab995/rescuekernel/container/seekable"
)

// written is what a writer made with a given one has written.
func written(t *testing.T, data []byte, wrap func(w io.Writer) io.WriteCloser) []byte {
	t.Helper()
	var b bytes.Buffer
	w := wrap(&b)
	_, err := w.Write(data)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

func gzipped(t *testing.T, data []byte) []byte {
	return written(t, data, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
}

func zstandard(t *testing.T, data []byte) []byte {
	return written(t, data, func(w io.Writer) io.WriteCloser {
		s, err := seekable.NewWriter(w, seekable.WriterOptions{FrameSize: 16 << 10})
		require.NoError(t, err)
		return s
	})
}

// disk is a dump device in memory.
type disk []byte

func (d disk) ReadAt(p []byte, off int64) (int, error)  { return bytes.NewReader(d).ReadAt(p, off) }
func (d disk) WriteAt(p []byte, off int64) (int, error) { return copy(d[off:], p), nil }

func onDevice(t *testing.T, data []byte, o kerneldump.WriterOptions) []byte {
	t.Helper()
	d := make(disk, len(data)+1<<20)
	o.Device, o.Size = d, int64(len(d))
	o.Header.Architecture, o.Header.HostName, o.Header.PanicString = "amd64", "db1", "page fault"
	w, err := kerneldump.NewWriter(o)
	require.NoError(t, err)
	_, err = w.Write(data)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return d
}

// However a dump is wrapped, the commands give what they give for it plain.
func TestContainers(t *testing.T) {
	t.Parallel()
	dump, _ := hostDump(t)
	data, err := os.ReadFile(dump)
	require.NoError(t, err)
	compressed := zstandard(t, data)
	tests := []struct {
		name   string
		data   []byte
		layers []string
	}{
		{"gzip", gzipped(t, data), []string{"gzip", "minidump"}},
		{"zstd", compressed, []string{"zstd", "minidump"}},
		{"device", onDevice(t, data, kerneldump.WriterOptions{}), []string{"device", "minidump"}},
		{"zstd on a device", onDevice(t, compressed, kerneldump.WriterOptions{
			Header: kerneldump.Header{Compression: kerneldump.CompressionZstd}}), []string{"device", "zstd", "minidump"}},
		{"gzip of a device", gzipped(t, onDevice(t, data, kerneldump.WriterOptions{})), []string{"gzip", "device", "minidump"}},
	}
	memory := requireDone(t, "read", "--raw", dump, "0xfffffe0000000000", "0x10000")
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := writeTemporary(t, "wrapped", test.data)
			require.Equal(t, memory, requireDone(t, "read", "--raw", path, "0xfffffe0000000000", "0x10000"))
			require.Equal(t, hostLog, requireDone(t, "log", path))
			require.Contains(t, requireDone(t, "verify", path), "sound")
			var f facts
			require.NoError(t, json.Unmarshal([]byte(requireDone(t, "info", "--json", path)), &f))
			var layers []string
			for _, layer := range f.Container {
				layers = append(layers, layer.Format)
			}
			require.Equal(t, test.layers, layers)
			require.Equal(t, int64(len(test.data)), f.Container[0].Size)
			require.Equal(t, int64(len(data)), f.FileSize)
			require.True(t, f.Complete)
			human := requireDone(t, "info", path)
			require.Regexp(t, "inside of +"+test.layers[0], human)
			if test.layers[0] == "device" {
				require.Equal(t, "page fault", f.KernelDump.Panic)
				require.Equal(t, "db1", f.KernelDump.HostName)
			}
			r := dumperWithInput(t, bytes.NewReader(test.data), "log", "-")
			require.Equal(t, result{exitDone, hostLog, ""}, r)
		})
	}
}

// A broken frame has its name in verify's report, and a cut file is
// incomplete.
func TestVerifyContainers(t *testing.T) {
	t.Parallel()
	dump, _ := hostDump(t)
	data, err := os.ReadFile(dump)
	require.NoError(t, err)
	compressed := zstandard(t, data)
	frames, err := seekable.NewReader(bytes.NewReader(compressed), int64(len(compressed)), seekable.ReaderOptions{})
	require.NoError(t, err)
	for i := range frames.Frames() {
		broken := bytes.Clone(compressed)
		broken[frames.Frame(i).Offset+frames.Frame(i).CompressedSize-1] ^= 0x10
		r := dumper(t, "verify", "--json", writeTemporary(t, "broken", broken))
		require.Equal(t, exitDamaged, r.code, r.out+r.errors)
		name := fmt.Sprintf("frame %d at", i)
		if i == 0 { // in it is what says that this is a dump
			require.Contains(t, r.errors, name)
			continue
		}
		var fact verifyFact
		require.NoError(t, json.Unmarshal([]byte(r.out), &fact), r.errors)
		require.Equal(t, uint64(1), fact.Counts["frame"], "frame %d", i)
		require.Contains(t, r.out, name)
	}

	cut := gzipped(t, data)
	r := dumper(t, "verify", writeTemporary(t, "cut", cut[:len(cut)*3/4]))
	require.Equal(t, exitIncomplete, r.code, r.out)
	require.Contains(t, r.out, "container")
	var f facts
	require.NoError(t, json.Unmarshal([]byte(requireDone(t, "info", "--json", writeTemporary(t, "cut", cut[:len(cut)*3/4]))), &f))
	require.False(t, f.Complete)
	require.NotEmpty(t, f.Problems)
}

// Encrypted dumps open with the private key, on the device and as savecore
// saves them.
func TestEncrypted(t *testing.T) {
	t.Parallel()
	dump, _ := hostDump(t)
	data, err := os.ReadFile(dump)
	require.NoError(t, err)
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	key, block, err := ekcd.NewKey(&private.PublicKey, ekcd.AES256CBC, ekcd.OAEP, nil)
	require.NoError(t, err)
	encrypted := written(t, data, func(w io.Writer) io.WriteCloser {
		e, err := ekcd.NewWriter(w, block, key)
		require.NoError(t, err)
		return e
	})
	blockBytes, err := block.AppendBinary(nil)
	require.NoError(t, err)
	pemFile := func(k *rsa.PrivateKey) string {
		return writeTemporary(t, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)}))
	}
	good := pemFile(private)

	directory := t.TempDir()
	saved := filepath.Join(directory, "vmcore_encrypted.3")
	require.NoError(t, os.WriteFile(saved, encrypted, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(directory, "key.3"), blockBytes, 0o600))
	device := writeTemporary(t, "device", onDevice(t, encrypted, kerneldump.WriterOptions{KeyBlock: blockBytes}))
	other := writeTemporary(t, "elsewhere", encrypted)
	for _, args := range [][]string{{device}, {saved}, {"--key-block", filepath.Join(directory, "key.3"), other}} {
		require.Equal(t, hostLog, requireDone(t, append([]string{"log", "--private-key", good}, args...)...))
		requireFails(t, exitUsage, "private key is needed", append([]string{"info"}, args...)...)
	}
	wrong, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	requireFails(t, exitUsage, "does not fit", "info", "--private-key", pemFile(wrong), saved)
	requireFails(t, exitUsage, "no usable RSA private key", "info", "--private-key", other, saved)
	requireFails(t, exitIO, "no such file", "info", "--private-key", filepath.Join(directory, "none"), saved)
}

// Files of others are named.
func TestForeignFormats(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]string{"Breakpad": "MDMP", "Windows": "PAGEDU64", "makedumpfile": "KDUMP   ", "LiME": "EMiL\x01\x00\x00\x00", "empty": ""} {
		data := append([]byte(start), make([]byte, 8192)...)
		if start == "" {
			data = nil
		}
		requireFails(t, exitNotDump, name, "info", writeTemporary(t, "foreign", data))
	}
}
