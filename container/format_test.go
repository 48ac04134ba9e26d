package container

import (
	"bytes"
	"encoding/binary"
	"math/rand"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/container/kerneldump"
)

// elfCore makes a 64-bit ELF core with one note.
func elfCore(kind uint16, osabi byte, order binary.ByteOrder, note string) []byte {
	b := make([]byte, 64+56)
	copy(b, "\x7fELF\x02\x01\x01")
	if order == binary.ByteOrder(binary.BigEndian) {
		b[5] = 2
	}
	b[7] = osabi
	order.PutUint16(b[16:], kind)
	order.PutUint64(b[32:], 64)
	order.PutUint16(b[54:], 56)
	order.PutUint16(b[56:], 1)
	order.PutUint32(b[64:], 4)
	order.PutUint64(b[64+8:], uint64(len(b)))
	notes := order.(binary.AppendByteOrder).AppendUint32(nil, 5) // "CORE"
	notes = order.(binary.AppendByteOrder).AppendUint32(notes, 3)
	notes = order.(binary.AppendByteOrder).AppendUint32(notes, 1)
	notes = append(notes, "CORE\x00\x00\x00\x00abc\x00"...)
	notes = order.(binary.AppendByteOrder).AppendUint32(notes, uint32(len(note)+1))
	notes = append(notes, make([]byte, 8)...)
	notes = append(notes, note...)
	notes = append(notes, make([]byte, 8)...)
	order.PutUint64(b[64+32:], uint64(len(notes)))
	return append(b, notes...)
}

func padded(s string) []byte { return append([]byte(s), make([]byte, 5000)...) }

func TestOthersAreNamed(t *testing.T) {
	tar := make([]byte, 2048)
	copy(tar, "ddb.txt")
	copy(tar[257:], "ustar")
	otherTar := bytes.Clone(tar)
	copy(otherTar, "other.txt")
	noise := make([]byte, 10_000)
	rand.New(rand.NewSource(1)).Read(noise)
	textDevice := make([]byte, 100*512)
	text := kerneldump.Header{Kind: kerneldump.KindText, BlockSize: 512, Length: 512}
	header, err := text.AppendBinary(nil)
	require.NoError(t, err)
	copy(textDevice[99*512:], header)
	copy(textDevice[97*512:], header)

	le, be := binary.ByteOrder(binary.LittleEndian), binary.ByteOrder(binary.BigEndian)
	for name, c := range map[string]struct {
		file   []byte
		format Format
		says   string
	}{
		"empty":             {nil, FormatEmpty, "empty"},
		"zeros":             {make([]byte, 3<<20), FormatZeros, "zeros"},
		"one zero":          {make([]byte, 1), FormatZeros, "zeros"},
		"text":              {padded("hello"), FormatUnknown, "unknown"},
		"noise":             {noise, FormatUnknown, "key.N"},
		"Breakpad":          {padded("MDMP\x93\xa7"), FormatBreakpad, "Crashpad"},
		"Windows 64":        {padded("PAGEDU64"), FormatWindows, "WinDbg"},
		"Windows 32":        {padded("PAGEDUMP"), FormatWindows, "32-bit"},
		"kdump":             {padded("KDUMP   \x06"), FormatDiskdump, "crash or drgn"},
		"diskdump":          {padded("DISKDUMP"), FormatDiskdump, "makedumpfile"},
		"flattened":         {padded("makedumpfile\x00\x00\x00\x00"), FormatFlattened, "makedumpfile -R"},
		"LiME":              {padded("EMiL\x01\x00\x00\x00"), FormatLiME, "volatility"},
		"AVML":              {padded("AVML"), FormatAVML, "avml"},
		"QEMU state":        {padded("QEVM"), FormatQEMUState, "QEMU"},
		"qcow2":             {padded("QFI\xfb"), FormatDiskImage, "qemu-img"},
		"xz":                {padded("\xfd7zXZ\x00"), FormatArchive, "xz"},
		"bzip2":             {padded("BZh91AY&SY"), FormatArchive, "bzip2"},
		"tar":               {otherTar, FormatArchive, "tar"},
		"text dump":         {tar, FormatTextDump, "textdump.tar"},
		"text dump device":  {textDevice, FormatTextDump, "on a dump device"},
		"info file":         {padded("Dump header from device: /dev/ada0p2\n"), FormatInfo, "vmcore"},
		"ELF program":       {elfCore(2, 0, le, ""), FormatELF, "kernel"},
		"Linux core":        {elfCore(4, 0, le, "LINUX"), FormatELFCore, "Linux"},
		"FreeBSD user core": {elfCore(4, 9, le, "FreeBSD"), FormatELFCore, "FreeBSD"},
		"Linux vmcore":      {elfCore(4, 0, le, "VMCOREINFO"), FormatLinuxVmcore, "drgn"},
		"same, big-endian":  {elfCore(4, 0, be, "VMCOREINFO"), FormatLinuxVmcore, "drgn"},
		"QEMU core":         {elfCore(4, 0, le, "QEMU"), FormatQEMUCore, "virtual machine"},
		"ours, converted":   {elfCore(4, 0, le, "rescuekernel"), FormatConverted, "made of a minidump"},
		"other core":        {elfCore(4, 3, le, "GNU"), FormatELFCore, "OS ABI 3"},
		"ELF, cut":          {[]byte("\x7fELF\x02\x01"), FormatELF, "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(bytes.NewReader(c.file), int64(len(c.file)))
			var format *FormatError
			require.ErrorAs(t, err, &format)
			require.ErrorIs(t, err, ErrNotDump)
			require.Equal(t, c.format, format.Format)
			require.ErrorContains(t, err, c.says)
			require.NotEmpty(t, format.Advice)
		})
	}
}

func TestFullDumpAndOtherArchitectures(t *testing.T) {
	require.Equal(t, FormatFullDump, open(t, elfCore(4, 255, binary.LittleEndian, "")).Format())
	for _, architecture := range []string{"arm64", "riscv", "i386", "powerpc64", "toaster"} {
		require.Equal(t, FormatMinidump, open(t, padded("minidump FreeBSD/"+architecture)).Format())
	}
}

// Every name and advice is there.
func TestDescriptions(t *testing.T) {
	for f := range Format(255) {
		if d, ok := descriptions[f]; ok {
			require.NotEmpty(t, d.name)
			require.Equal(t, d.name, f.String())
			if f >= FormatEmpty {
				require.NotEmpty(t, d.advice, d.name)
			}
		}
	}
	require.Equal(t, "Format(200)", Format(200).String())
}
