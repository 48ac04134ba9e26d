package target

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/seed64aab995/rescuekernel/container/kerneldump"
)

// signature is a few bytes that tell what is on a device. at counts from the
// start, or where it is negative from the end.
type signature struct {
	name string
	at   int64
	text string
}

// signatures are of what is found by bytes at one place. Sources: the formats'
// own headers as libblkid and file(1) know them.
var signatures = []signature{
	{"a GUID partition table", 512, "EFI PART"},
	{"a GUID partition table", 4096, "EFI PART"},
	{"the backup of a GUID partition table", -512, "EFI PART"},
	{"the backup of a GUID partition table", -4096, "EFI PART"},
	{"a BSD disk label", 512, "\x57\x45\x56\x82"},
	{"a BSD disk label", 64, "\x57\x45\x56\x82"},
	{"an Apple partition map", 512, "PM\x00\x00"},
	{"an ext2, ext3 or ext4 file system", 1024 + 56, "\x53\xef"},
	{"an XFS file system", 0, "XFSB"},
	{"a btrfs file system", 65536 + 64, "_BHRfS_M"},
	{"an F2FS file system", 1024, "\x10\x20\xf5\xf2"},
	{"a ReiserFS file system", 65536 + 52, "ReIsEr"},
	{"a squashfs file system", 0, "hsqs"},
	{"an EROFS file system", 1024, "\xe2\xe1\xf5\xe0"},
	{"an APFS container", 32, "NXSB"},
	{"an HFS+ file system", 1024, "H+\x00\x04"},
	{"a UFS1 file system", 8192 + 1372, "\x54\x19\x01\x00"},
	{"a UFS2 file system", 65536 + 1372, "\x19\x01\x54\x19"},
	{"a UFS2 file system", 262144 + 1372, "\x19\x01\x54\x19"},
	{"a FAT file system", 54, "FAT12   "},
	{"a FAT file system", 54, "FAT16   "},
	{"a FAT file system", 82, "FAT32   "},
	{"an exFAT file system", 3, "EXFAT   "},
	{"an NTFS file system", 3, "NTFS    "},
	{"a BitLocker volume", 3, "-FVE-FS-"},
	{"Linux swap space", 4096 - 10, "SWAPSPACE2"},
	{"Linux swap space", 8192 - 10, "SWAPSPACE2"},
	{"Linux swap space", 16384 - 10, "SWAPSPACE2"},
	{"Linux swap space", 65536 - 10, "SWAPSPACE2"},
	{"Linux swap space", 4096 - 10, "SWAP-SPACE"},
	{"a hibernated Linux", 4096 - 10, "S1SUSPEND"},
	{"a LUKS volume", 0, "LUKS\xba\xbe"},
	{"a GELI volume", -512, "GEOM::ELI"},
	{"a GELI volume", -4096, "GEOM::ELI"},
	{"an LVM physical volume", 0, "LABELONE"},
	{"an LVM physical volume", 512, "LABELONE"},
	{"an LVM physical volume", 1024, "LABELONE"},
	{"an LVM physical volume", 1536, "LABELONE"},
	{"a member of a Linux RAID", 0, "\xfc\x4e\x2b\xa9"},
	{"a member of a Linux RAID", 4096, "\xfc\x4e\x2b\xa9"},
	{"a bcache device", 4096 + 24, "\xc6\x85\x73\xf6\x4e\x1a\x45\xca"},
	{"an ISO 9660 file system", 32769, "CD001"},
	{"a UDF file system", 32769, "BEA01"},
	{"a qcow2 image", 0, "QFI\xfb"},
}

// Content says what of others is on the device r of size bytes: a partition
// table, a file system, a volume, a dump that nobody has saved, or a label of
// this package. It is empty where nothing is known. What lies at the start of an
// extent is found by an io.SectionReader.
func Content(r io.ReaderAt, size int64) (string, error) {
	c := content{r: r, size: size}
	for _, s := range signatures {
		if c.has(s.at, s.text) {
			return s.name, nil
		}
	}
	for _, look := range []func() string{c.zfs, c.partitions, c.label, c.dump} {
		if name := look(); name != "" {
			return name, nil
		}
	}
	return "", c.err
}

// content looks at a device. A place that is not there has nothing; a place
// that cannot be read is an error, because anything may be there.
type content struct {
	r    io.ReaderAt
	size int64
	err  error
}

// read reads whole 4 KiB around n bytes, since a raw device gives no less.
func (c *content) read(at int64, n int) []byte {
	if at < 0 {
		at += c.size
	}
	if at < 0 || at > c.size-int64(n) {
		return nil
	}
	start := at / blockSize * blockSize
	end := min(roundUp(at+int64(n), blockSize), c.size)
	b := make([]byte, end-start)
	if err := readFull(c.r, b, start); err != nil {
		if c.err == nil {
			c.err = err
		}
		return nil
	}
	return b[at-start:][:n]
}

func (c *content) has(at int64, text string) bool {
	return string(c.read(at, len(text))) == text
}

// zfs looks for an uberblock in the ring of each of the four labels of a vdev
// (OpenZFS vdev_label.c): 256 KiB each, two at either end.
func (c *content) zfs() string {
	const label, ring, magic = 256 << 10, 128 << 10, 0x00bab10c
	end := c.size / label * label
	for _, at := range []int64{0, label, end - 2*label, end - label} {
		b := c.read(max(at, 0)+ring, ring)
		for i := 0; i+8 <= len(b); i += 1024 {
			if binary.LittleEndian.Uint64(b[i:]) == magic || binary.BigEndian.Uint64(b[i:]) == magic {
				return "a ZFS vdev"
			}
		}
	}
	return ""
}

// partitions looks for an MBR with an entry in use.
func (c *content) partitions() string {
	b := c.read(0, 512)
	if b == nil || b[510] != 0x55 || b[511] != 0xaa {
		return ""
	}
	for i := 446; i < 510; i += 16 {
		entry := b[i : i+16]
		if entry[4] != 0 && entry[0]&0x7f == 0 && !bytes.Equal(entry[8:], make([]byte, 8)) {
			return "an MBR partition table"
		}
	}
	return ""
}

func (c *content) label() string {
	l, err := ParseLabel(c.read(LabelOffset, labelSize))
	if err != nil {
		return ""
	}
	return fmt.Sprintf("the dump-target label %v", l.ID)
}

// dump looks for a dump that was not saved, at the end or where FreeBSD puts
// the leading header of a compressed one.
func (c *content) dump() string {
	d, err := kerneldump.Find(c.r, c.size, kerneldump.FindOptions{ScanLimit: blockSize})
	if err != nil || d.Header.Kind == kerneldump.KindCleared {
		return ""
	}
	return fmt.Sprintf("a kernel dump of %q that was not saved", d.Header.HostName)
}
