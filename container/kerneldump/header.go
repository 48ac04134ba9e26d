package kerneldump

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"
)

// HeaderSize is the size of a header. On a device with larger sectors it is
// padded with zeros to a sector.
const HeaderSize = 512

// HeaderVersion is the version that is written (FreeBSD sys/kerneldump.h,
// KERNELDUMPVERSION).
const HeaderVersion = 4

// Kind is what a header's magic says.
type Kind uint8

const (
	KindKernel  Kind = iota // a kernel dump
	KindText                // a text dump: a tar file of ddb's output
	KindCleared             // a kernel dump that savecore has saved already
)

// The magics, NUL-padded to 20 bytes (FreeBSD sys/kerneldump.h).
var magics = [...]string{
	KindKernel:  "FreeBSD Kernel Dump",
	KindText:    "FreeBSD Text Dump",
	KindCleared: "Cleared Kernel Dump",
}

// String is the magic's text.
func (k Kind) String() string {
	if int(k) < len(magics) {
		return magics[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Compression is how the dump is compressed on the device.
type Compression uint8

const (
	CompressionNone Compression = iota
	CompressionGzip
	CompressionZstd
)

// String is "none", "gzip" or "zstd".
func (c Compression) String() string {
	switch c {
	case CompressionNone:
		return "none"
	case CompressionGzip:
		return "gzip"
	case CompressionZstd:
		return "zstd"
	}
	return fmt.Sprintf("Compression(%d)", uint8(c))
}

// Header is a kernel dump header. Strings are without their NULs.
type Header struct {
	Kind                Kind
	Architecture        string // MACHINE_ARCH: "amd64", "aarch64"; 11 bytes at most
	Version             uint32 // 1 to 4; written as 4
	ArchitectureVersion uint32 // amd64 2, arm64 1
	Length              uint64 // bytes of the dump, without headers and key
	Time                uint64 // seconds since 1970
	KeySize             uint32 // bytes of the key block, 0 if the dump is not encrypted
	BlockSize           uint32 // of the device's sectors
	HostName            string // 63 bytes at most
	VersionString       string // the kernel's; 191 bytes at most
	PanicString         string // 174 bytes at most
	Compression         Compression
	Extent              uint64 // bytes reserved for the dump: locates it from the end of the device

	// Incomplete is ours: the header was written when the dump began, or by
	// Writer.CloseIncomplete. It is "cut" in the header's four unused bytes,
	// which FreeBSD writes as zeros and does not read.
	Incomplete bool

	// Nonce is ours: it tells apart dumps that the other fields do not, those of
	// a machine without a clock. It is in the architecture's last four bytes
	// where its name leaves them free, as amd64 and aarch64 do; else it is not
	// kept. FreeBSD writes zeros there and reads up to the first.
	Nonce uint32
}

// offsetNonce is in the field of the architecture.
const offsetNonce = 20 + architectureSize - 4

// incompleteMark in the unused bytes at 504 says that the dump has no end.
const incompleteMark = "cut\x00"

// field offsets by version (FreeBSD sys/kerneldump.h; versions 2 and 3 from its
// history). Zero is "this version has no such field".
type headerLayout struct {
	keySize, blockSize, hostName, versionString int
	panicString, panicSize                      int
	compression, extent                         int
}

var headerLayouts = [...]headerLayout{
	1: {blockSize: 56, hostName: 60, versionString: 124, panicString: 316, panicSize: 192},
	2: {keySize: 56, blockSize: 60, hostName: 64, versionString: 128, panicString: 320, panicSize: 188},
	3: {keySize: 56, blockSize: 60, hostName: 64, versionString: 128, panicString: 320, panicSize: 187, compression: 507},
	4: {keySize: 56, blockSize: 60, hostName: 64, versionString: 128, panicString: 320, panicSize: 175, compression: 495, extent: 496},
}

const (
	magicSize         = 20
	architectureSize  = 12
	hostNameSize      = 64
	versionStringSize = 192
	offsetUnused      = 504
	offsetParity      = 508
)

// parity is the XOR of the header's 32-bit words. XOR does not care for the
// byte order, so little-endian on both sides of it gives FreeBSD's value.
func parity(b []byte) uint32 {
	var x uint32
	for i := 0; i < HeaderSize; i += 4 {
		x ^= binary.BigEndian.Uint32(b[i:])
	}
	return x
}

// ParseHeader parses the first 512 bytes of b. The errors are ErrNotHeader,
// ErrParity and ErrVersion; no field is believed before parity is right.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderSize {
		return Header{}, fmt.Errorf("kernel dump header of %d bytes: %w", len(b), ErrNotHeader)
	}
	kind, ok := parseMagic(b)
	if !ok {
		return Header{}, ErrNotHeader
	}
	if p := parity(b); p != 0 {
		return Header{}, fmt.Errorf("%q: %w: %#x left over", kind, ErrParity, p)
	}
	h := Header{
		Kind:                kind,
		Architecture:        text(b[20 : 20+architectureSize]),
		Version:             binary.BigEndian.Uint32(b[32:]),
		ArchitectureVersion: binary.BigEndian.Uint32(b[36:]),
		Length:              binary.BigEndian.Uint64(b[40:]),
		Time:                binary.BigEndian.Uint64(b[48:]),
	}
	if h.Version == 0 || int(h.Version) >= len(headerLayouts) {
		return Header{}, fmt.Errorf("%q: %w: %d", kind, ErrVersion, h.Version)
	}
	l := headerLayouts[h.Version]
	h.BlockSize = binary.BigEndian.Uint32(b[l.blockSize:])
	h.HostName = text(b[l.hostName : l.hostName+hostNameSize])
	h.VersionString = text(b[l.versionString : l.versionString+versionStringSize])
	h.PanicString = text(b[l.panicString : l.panicString+l.panicSize])
	h.Extent = h.Length
	if l.keySize != 0 {
		h.KeySize = binary.BigEndian.Uint32(b[l.keySize:])
	}
	if l.compression != 0 {
		h.Compression = Compression(b[l.compression])
	}
	if l.extent != 0 {
		h.Extent = binary.BigEndian.Uint64(b[l.extent:])
		h.Incomplete = string(b[offsetUnused:offsetParity]) == incompleteMark
		if b[offsetNonce-1] == 0 {
			h.Nonce = binary.BigEndian.Uint32(b[offsetNonce:])
		}
	}
	return h, nil
}

func parseMagic(b []byte) (Kind, bool) {
	for k, m := range magics {
		if string(b[:len(m)]) == m && b[len(m)] == 0 {
			return Kind(k), true
		}
	}
	return 0, false
}

// text is b up to its first NUL.
func text(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}

// AppendBinary appends the 512 bytes of h, as version 4 whatever h.Version
// says. Strings that are too long are cut as FreeBSD cuts them.
func (h *Header) AppendBinary(dst []byte) ([]byte, error) {
	if int(h.Kind) >= len(magics) {
		return dst, fmt.Errorf("kernel dump header: kind %d: %w", h.Kind, ErrNotHeader)
	}
	dst = append(dst, make([]byte, HeaderSize)...)
	b := dst[len(dst)-HeaderSize:]
	l := headerLayouts[HeaderVersion]
	putText(b[:magicSize], magics[h.Kind])
	putText(b[20:20+architectureSize], h.Architecture)
	if b[offsetNonce-1] == 0 {
		binary.BigEndian.PutUint32(b[offsetNonce:], h.Nonce)
	}
	binary.BigEndian.PutUint32(b[32:], HeaderVersion)
	binary.BigEndian.PutUint32(b[36:], h.ArchitectureVersion)
	binary.BigEndian.PutUint64(b[40:], h.Length)
	binary.BigEndian.PutUint64(b[48:], h.Time)
	binary.BigEndian.PutUint32(b[l.keySize:], h.KeySize)
	binary.BigEndian.PutUint32(b[l.blockSize:], h.BlockSize)
	putText(b[l.hostName:l.hostName+hostNameSize], h.HostName)
	version := b[l.versionString : l.versionString+versionStringSize]
	putText(version, h.VersionString)
	if len(h.VersionString) >= versionStringSize {
		version[versionStringSize-2] = '\n' // kern_shutdown.c does so, to end the line in savecore's info file
	}
	putText(b[l.panicString:l.panicString+l.panicSize], h.PanicString)
	b[l.compression] = byte(h.Compression)
	binary.BigEndian.PutUint64(b[l.extent:], h.Extent)
	if h.Incomplete {
		copy(b[offsetUnused:], incompleteMark)
	}
	binary.BigEndian.PutUint32(b[offsetParity:], parity(b))
	return dst, nil
}

// putText copies s, up to a NUL in it, into b and leaves a NUL at the end.
func putText(b []byte, s string) {
	if i := strings.IndexByte(s, 0); i >= 0 {
		s = s[:i]
	}
	copy(b[:len(b)-1], s)
}

// Identity is a number for this dump: the CRC-32 of what the header tells of
// it, without what changes while it is written. Whoever compresses a dump for
// a device puts it into the stream (seekable.WriterOptions.Stream), so that
// what an older dump left behind a cut one is not taken for its end.
func (h *Header) Identity() uint32 {
	same := *h
	same.Kind, same.Length, same.Incomplete = KindKernel, 0, false
	b, err := same.AppendBinary(nil)
	if err != nil {
		return 0 // cannot be: the kind is right
	}
	return crc32.ChecksumIEEE(b[:offsetParity])
}
