package kerneldump

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// golden is a version 4 header, put together from sys/kerneldump.h's field
// list by hand and not by AppendBinary.
func golden(t *testing.T) []byte {
	t.Helper()
	b := make([]byte, 512)
	copy(b[0:], "FreeBSD Kernel Dump")
	copy(b[20:], "amd64")
	b[35] = 4
	b[39] = 2
	copy(b[40:], []byte{0, 0, 0, 0, 0x12, 0x34, 0x50, 0x00})
	copy(b[48:], []byte{0, 0, 0, 0, 0x65, 0x00, 0x00, 0x01})
	copy(b[56:], []byte{0, 0, 2, 0})
	copy(b[60:], []byte{0, 0, 2, 0})
	copy(b[64:], "crash.example.org")
	copy(b[128:], "FreeBSD 15.0-CURRENT #0: GENERIC\n")
	copy(b[320:], "page fault")
	b[495] = 2
	copy(b[496:], []byte{0, 0, 0, 0, 0x20, 0, 0, 0})
	seal(b)
	return b
}

// seal sets the parity of a header, little-endian on purpose: XOR does not care.
func seal(b []byte) {
	binary.LittleEndian.PutUint32(b[508:], 0)
	var x uint32
	for i := 0; i < 512; i += 4 {
		x ^= binary.LittleEndian.Uint32(b[i:])
	}
	binary.LittleEndian.PutUint32(b[508:], x)
}

var goldenHeader = Header{
	Kind: KindKernel, Architecture: "amd64", Version: 4, ArchitectureVersion: 2,
	Length: 0x12345000, Time: 0x65000001, KeySize: 512, BlockSize: 512,
	HostName: "crash.example.org", VersionString: "FreeBSD 15.0-CURRENT #0: GENERIC\n",
	PanicString: "page fault", Compression: CompressionZstd, Extent: 0x20000000,
}

func TestHeaderGolden(t *testing.T) {
	h, err := ParseHeader(golden(t))
	require.NoError(t, err)
	require.Equal(t, goldenHeader, h)
	b, err := h.AppendBinary(nil)
	require.NoError(t, err)
	require.Equal(t, golden(t), b)
}

func TestHeaderOlderVersions(t *testing.T) {
	for _, c := range []struct {
		version     uint32
		at          [4]int // block size, host name, version string, panic string
		keySize     int
		compression int
	}{
		{1, [4]int{56, 60, 124, 316}, 0, 0},
		{2, [4]int{60, 64, 128, 320}, 56, 0},
		{3, [4]int{60, 64, 128, 320}, 56, 507},
	} {
		b := make([]byte, 512)
		copy(b, "FreeBSD Kernel Dump")
		copy(b[20:], "i386")
		binary.BigEndian.PutUint32(b[32:], c.version)
		binary.BigEndian.PutUint64(b[40:], 0x7000)
		binary.BigEndian.PutUint32(b[c.at[0]:], 512)
		copy(b[c.at[1]:], "host")
		copy(b[c.at[2]:], "version")
		copy(b[c.at[3]:], "panic")
		want := Header{Kind: KindKernel, Architecture: "i386", Version: c.version, Length: 0x7000, Extent: 0x7000,
			BlockSize: 512, HostName: "host", VersionString: "version", PanicString: "panic"}
		if c.keySize != 0 {
			binary.BigEndian.PutUint32(b[c.keySize:], 1024)
			want.KeySize = 1024
		}
		if c.compression != 0 {
			b[c.compression] = 1
			want.Compression = CompressionGzip
		}
		seal(b)
		h, err := ParseHeader(b)
		require.NoError(t, err)
		require.Equal(t, want, h)
	}
}

func TestHeaderRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(b []byte)
		want   error
	}{
		"other magic":     {func(b []byte) { b[0] = 'f' }, ErrNotHeader},
		"longer magic":    {func(b []byte) { b[19] = '!' }, ErrNotHeader},
		"parity":          {func(b []byte) { b[300] ^= 1 }, ErrParity},
		"version 0":       {func(b []byte) { b[35] = 0; seal(b) }, ErrVersion},
		"version 5":       {func(b []byte) { b[35] = 5; seal(b) }, ErrVersion},
		"version 4 in LE": {func(b []byte) { b[32], b[35] = 4, 0; seal(b) }, ErrVersion},
	} {
		t.Run(name, func(t *testing.T) {
			b := golden(t)
			c.change(b)
			_, err := ParseHeader(b)
			require.ErrorIs(t, err, c.want)
		})
	}
	_, err := ParseHeader(make([]byte, 511))
	require.ErrorIs(t, err, ErrNotHeader)
}

// Every single bit flip of a header is seen: by its magic or by its parity.
func TestHeaderBitFlips(t *testing.T) {
	b := golden(t)
	for i := range 512 * 8 {
		b[i/8] ^= 1 << (i % 8)
		_, err := ParseHeader(b)
		require.Error(t, err, "bit %d", i)
		b[i/8] ^= 1 << (i % 8)
	}
}

func TestHeaderLongStrings(t *testing.T) {
	h := Header{
		Architecture: strings.Repeat("a", 40), HostName: strings.Repeat("h", 100),
		VersionString: strings.Repeat("v", 300), PanicString: strings.Repeat("p", 300),
		Compression: CompressionGzip, Incomplete: true,
	}
	b, err := h.AppendBinary(nil)
	require.NoError(t, err)
	got, err := ParseHeader(b)
	require.NoError(t, err)
	require.Len(t, got.Architecture, 11)
	require.Len(t, got.HostName, 63)
	require.Equal(t, strings.Repeat("v", 190)+"\n", got.VersionString)
	require.Len(t, got.PanicString, 174)
	require.True(t, got.Incomplete)
	require.Equal(t, CompressionGzip, got.Compression)

	_, err = (&Header{Kind: 9}).AppendBinary(nil)
	require.Error(t, err)
	require.Equal(t, "FreeBSD Text Dump", KindText.String())
	require.Equal(t, "none gzip zstd", CompressionNone.String()+" "+CompressionGzip.String()+" "+CompressionZstd.String())
}

func FuzzParseHeader(f *testing.F) {
	b, _ := goldenHeader.AppendBinary(nil)
	f.Add(b)
	for _, kind := range []Kind{KindText, KindCleared} {
		h := goldenHeader
		h.Kind = kind
		h.Incomplete = true
		b, _ := h.AppendBinary(nil)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= HeaderSize {
			b = append([]byte(nil), b[:HeaderSize]...)
			seal(b) // else hardly any input gets past parity
		}
		h, err := ParseHeader(b)
		if err != nil || h.Version != HeaderVersion {
			return
		}
		again, err := h.AppendBinary(nil)
		require.NoError(t, err)
		back, err := ParseHeader(again)
		require.NoError(t, err)
		require.Equal(t, h, back)
	})
}

func TestIdentity(t *testing.T) {
	h := goldenHeader
	id := h.Identity()
	h.Length, h.Incomplete, h.Kind = 5, true, KindCleared
	require.Equal(t, id, h.Identity(), "what changes while the dump is written does not count")
	h.Time++
	require.NotEqual(t, id, h.Identity())
	h = goldenHeader
	h.PanicString = "double fault"
	require.NotEqual(t, id, h.Identity())
}

// Two dumps that nothing else tells apart have different identities, and other
// readers see the architecture as it is.
func TestNonce(t *testing.T) {
	for _, architecture := range []string{"amd64", "aarch64"} {
		h := Header{Architecture: architecture, Version: HeaderVersion, Nonce: 0x01020304}
		b, err := h.AppendBinary(nil)
		require.NoError(t, err)
		require.Equal(t, architecture, text(b[20:32]))
		got, err := ParseHeader(b)
		require.NoError(t, err)
		require.Equal(t, h, got)
		other := h
		other.Nonce++
		require.NotEqual(t, h.Identity(), other.Identity())
	}
	h := Header{Architecture: "powerpc64le", Version: HeaderVersion, Nonce: 1}
	b, err := h.AppendBinary(nil)
	require.NoError(t, err)
	got, err := ParseHeader(b)
	require.NoError(t, err)
	require.Equal(t, "powerpc64le", got.Architecture)
	require.Zero(t, got.Nonce)
}
