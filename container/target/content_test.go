package target_test

import (
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/container/target"
)

func TestContent(t *testing.T) {
	t.Parallel()
	put := func(at int64, text string) func(*disk) {
		return func(d *disk) {
			if at < 0 {
				at += d.Size()
			}
			copy(d.b[at:], text)
		}
	}
	for _, test := range []struct {
		name string
		make func(*disk)
		want string
	}{
		{"nothing", func(*disk) {}, ""},
		{"noise", func(d *disk) { copy(d.b, content(100_000)); d.b[510] = 0 }, ""},
		{"gpt", put(512, "EFI PART"), "partition table"},
		{"gpt, large sectors", put(4096, "EFI PART"), "partition table"},
		{"backup gpt", put(-512, "EFI PART"), "backup"},
		{"mbr", func(d *disk) {
			put(510, "\x55\xaa")(d)
			put(446, "\x80\x01\x01\x00\x83\xfe\xff\xff\x3f\x00\x00\x00\x00\x10\x00\x00")(d)
		}, "MBR"},
		{"empty mbr", put(510, "\x55\xaa"), ""},
		{"bsd", put(512, "\x57\x45\x56\x82"), "BSD"},
		{"ext4", put(1080, "\x53\xef"), "ext4"},
		{"xfs", put(0, "XFSB"), "XFS"},
		{"btrfs", put(65600, "_BHRfS_M"), "btrfs"},
		{"ufs1", put(9564, "\x54\x19\x01\x00"), "UFS1"},
		{"ufs2", put(66908, "\x19\x01\x54\x19"), "UFS2"},
		{"zfs, first label", put(128<<10+3072, "\x0c\xb1\xba\x00\x00\x00\x00\x00"), "ZFS"},
		{"zfs, last label, big-endian", put(-128<<10, "\x00\x00\x00\x00\x00\xba\xb1\x0c"), "ZFS"},
		{"fat16", put(54, "FAT16   "), "FAT"},
		{"fat32", put(82, "FAT32   "), "FAT"},
		{"ntfs", put(3, "NTFS    "), "NTFS"},
		{"swap", put(4086, "SWAPSPACE2"), "swap"},
		{"swap, 64 KiB pages", put(65526, "SWAPSPACE2"), "swap"},
		{"luks", put(0, "LUKS\xba\xbe"), "LUKS"},
		{"lvm", put(512, "LABELONE"), "LVM"},
		{"iso", put(32769, "CD001"), "ISO"},
		{"raid", put(4096, "\xfc\x4e\x2b\xa9"), "RAID"},
		{"geli", put(-512, "GEOM::ELI"), "GELI"},
	} {
		d := newDisk(2<<20, 512)
		test.make(d)
		found, err := target.Content(d, d.Size())
		require.NoError(t, err, test.name)
		if test.want == "" {
			require.Empty(t, found, test.name)
			continue
		}
		require.Contains(t, found, test.want, test.name)

		before := d.clone()
		_, err = target.Prepare(d, target.PrepareOptions{ID: testID, Size: d.Size()})
		require.ErrorIs(t, err, target.ErrInUse, test.name)
		require.ErrorContains(t, err, test.want)
		require.Equal(t, before.b, d.b, "%s: a refused device was written", test.name)
		_, err = target.Prepare(d, target.PrepareOptions{ID: testID, Size: d.Size(), Force: true})
		require.NoError(t, err, test.name)
	}
}

func TestContentOfTheExtent(t *testing.T) {
	t.Parallel()
	d := newDisk(4<<20, 512)
	copy(d.b[1<<20:], "XFSB")
	_, err := target.Prepare(d, target.PrepareOptions{ID: testID, Size: d.Size(), Start: 1 << 20})
	var inUse *target.InUseError
	require.ErrorAs(t, err, &inUse)
	require.Equal(t, int64(1<<20), inUse.Start)
	_, err = target.Prepare(d, target.PrepareOptions{ID: testID, Size: d.Size(), Start: 2 << 20})
	require.NoError(t, err)
}

func TestContentFindsOurs(t *testing.T) {
	t.Parallel()
	d := newDisk(2<<20, 512)
	l := prepare(t, d, 0, 0)
	found, err := target.Content(d, d.Size())
	require.NoError(t, err)
	require.Contains(t, found, l.ID.String())

	w := newWriter(t, d, l, header("anvil", 1))
	_, err = w.Write(content(1000))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	clear(d.b[target.LabelOffset:][:512])
	found, err = target.Content(d, d.Size())
	require.NoError(t, err)
	require.Contains(t, found, "anvil")

	// Prepared by force, the older dump is not there any more.
	_, err = target.Prepare(d, target.PrepareOptions{ID: target.ID{9}, Size: d.Size(), Force: true})
	require.NoError(t, err)
	clear(d.b[target.LabelOffset:][:512])
	found, err = target.Content(d, d.Size())
	require.NoError(t, err)
	require.Empty(t, found)
}

type badReader struct {
	*disk
	bad int64
}

func (b badReader) ReadAt(p []byte, off int64) (int, error) {
	if off <= b.bad && b.bad < off+int64(len(p)) {
		return 0, errDisk
	}
	return b.disk.ReadAt(p, off)
}

func TestContentThatCannotBeRead(t *testing.T) {
	t.Parallel()
	d := newDisk(2<<20, 512)
	_, err := target.Content(badReader{d, 66908}, d.Size())
	require.ErrorIs(t, err, errDisk)
	_, err = target.Prepare(badReader{d, 66908}, target.PrepareOptions{ID: testID, Size: d.Size()})
	require.ErrorIs(t, err, errDisk)
	_, err = target.Content(io.NewSectionReader(d, 0, 100), 100)
	require.NoError(t, err)
}

func TestPrepareRefuses(t *testing.T) {
	t.Parallel()
	d := newDisk(2<<20, 512)
	for name, test := range map[string]struct {
		o    target.PrepareOptions
		want error
	}{
		"no identity":    {target.PrepareOptions{Size: 2 << 20}, nil},
		"sector":         {target.PrepareOptions{ID: testID, Size: 2 << 20, SectorSize: 1000}, nil},
		"too small":      {target.PrepareOptions{ID: testID, Size: 2 << 20, Length: 4096}, target.ErrTooSmall},
		"beyond the end": {target.PrepareOptions{ID: testID, Size: 2 << 20, Start: 1 << 20, Length: 2 << 20}, target.ErrTooSmall},
		"start beyond":   {target.PrepareOptions{ID: testID, Size: 2 << 20, Start: 3 << 20}, target.ErrTooSmall},
		"shorter device": {target.PrepareOptions{ID: testID, Size: 3 << 20, Force: true}, nil},
	} {
		_, err := target.Prepare(d, test.o)
		require.Error(t, err, name)
		if test.want != nil {
			require.ErrorIs(t, err, test.want, name)
		}
		require.Equal(t, make([]byte, 2<<20), d.b, "%s: it was written", name)
	}
	d.left = 3
	_, err := target.Prepare(d, target.PrepareOptions{ID: testID, Size: d.Size()})
	require.True(t, errors.Is(err, errDisk))
	require.Zero(t, binary.LittleEndian.Uint64(d.b[target.LabelOffset:]), "the label goes last")
}
