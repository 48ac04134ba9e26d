package handoff_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// TestBlockRefused changes one thing of a good block, in the struct: neither
// the encoder nor (as both share the checks) the decoder takes it.
func TestBlockRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		field string
		spoil func(*handoff.Block)
	}{
		{"architecture", "architecture", func(b *handoff.Block) { b.Architecture = 3 }},
		{"role", "role", func(b *handoff.Block) { b.Role = 0 }},
		{"empty reservation", "reservation", func(b *handoff.Block) { b.Reservation.End = b.Reservation.Start }},
		{"unaligned reservation", "reservation", func(b *handoff.Block) { b.Reservation.Start += 8 }},
		{"reservation beyond the address space", "reservation", func(b *handoff.Block) {
			b.Reservation = physmem.Range{Start: physmem.MaxAddress - 0x1000, End: physmem.MaxAddress + 0x1000}
		}},
		{"too many CPUs", "CPUs", func(b *handoff.Block) { b.CPUs = handoff.MaxCPUs + 1 }},
		{"paging levels", "paging levels", func(b *handoff.Block) { b.PagingLevels = 6 }},
		{"part outside", "program memory", func(b *handoff.Block) { b.Parts[handoff.PartProgram].Size += 0x1000 }},
		{"part wraps", "program memory", func(b *handoff.Block) { b.Parts[handoff.PartProgram].Offset = ^uint64(0xfff) }},
		{"parts overlap", "page tables", func(b *handoff.Block) { b.Parts[handoff.PartTables].Offset -= 0x1000 }},
		{"part writable and executable", "image", func(b *handoff.Block) {
			b.Parts[handoff.PartImage].Access = handoff.AccessWrite | handoff.AccessExecute
		}},
		{"part of unknown access", "image", func(b *handoff.Block) { b.Parts[handoff.PartImage].Access = 1 << 20 }},
		{"place without bytes", "index", func(b *handoff.Block) { b.Parts[handoff.PartIndex].Offset = 0x1000 }},
		{"used more than there is", "environment", func(b *handoff.Block) { b.Parts[handoff.PartEnvironment].Length = 0x1001 }},
		{"block not first", "hand-off block", func(b *handoff.Block) { b.Parts[handoff.PartBlock].Offset = 0x30000 }},
		{"panic area too small", "panic area", func(b *handoff.Block) { b.CPUs = 3 }},
		{"image below the window", "image", func(b *handoff.Block) { b.Image.LinkBase = 0x400000 }},
		{"image of another size", "image", func(b *handoff.Block) { b.Image.FileEnd += 0x1000 }},
		{"image ends before its file", "image", func(b *handoff.Block) { b.Image.MemoryEnd = b.Image.LinkBase }},
		{"entry outside", "entry", func(b *handoff.Block) { b.Image.Entry = b.Image.FileEnd }},
		{"stack in the image", "stack top", func(b *handoff.Block) { b.Space.StackTop = b.Image.FileEnd }},
		{"stack below the window", "stack top", func(b *handoff.Block) { b.Space.StackTop = b.Space.Window + 0x1000 }},
		{"direct map in the window", "direct map", func(b *handoff.Block) { b.Space.DirectMapEnd = b.Space.Window + 1 }},
		{"zstd window", "zstd window", func(b *handoff.Block) { b.Limits.ZstdWindow = 3 }},
		{"root outside of the tables", "page-table root", func(b *handoff.Block) { b.Tables.Root4 = 0xc000 }},
		{"no root", "page-table root", func(b *handoff.Block) { b.Tables.Root4 = 0 }},
		{"tables overflow", "page tables", func(b *handoff.Block) { b.Tables.Used = 0x9000 }},
		{"trampoline entry outside", "trampoline entry", func(b *handoff.Block) { b.TrampolineEntry = 0x6000 }},
		{"seal outside", "seals", func(b *handoff.Block) { b.Seals[0].Length++ }},
		{"seal of no part", "seals", func(b *handoff.Block) { b.Seals[0].Part = 4000 }},
		{"too many seals", "seals", func(b *handoff.Block) { b.Seals = make([]handoff.Seal, handoff.MaxSeals) }},
		{"digest outside", "digests", func(b *handoff.Block) { b.Digests[0].Offset-- }},
		{"too many digests", "digests", func(b *handoff.Block) { b.Digests = make([]handoff.Digest, handoff.MaxDigests+1) }},
		{"no host", "host", func(b *handoff.Block) { b.Host = handoff.Host{} }},
		{"page size", "host", func(b *handoff.Block) { b.Host.PageSize = 4097 }},
		{"kernel ends before it begins", "host", func(b *handoff.Block) { b.Host.KernelEnd = 0 }},
		{"long name", "host", func(b *handoff.Block) { b.Host.Name = string(make([]byte, 256)) }},
		{"memory overlaps the reservation", "memory", func(b *handoff.Block) { b.Memory[1].End += 0x1000 }},
		{"memory out of order", "memory", func(b *handoff.Block) { b.Memory[0], b.Memory[1] = b.Memory[1], b.Memory[0] }},
		{"memory not in pages", "memory", func(b *handoff.Block) { b.Memory[0].End-- }},
		{"memory beyond the direct map", "memory", func(b *handoff.Block) { b.Space.DirectMapEnd = b.Space.DirectMap + 0x1000 }},
		{"too much memory", "memory", func(b *handoff.Block) { b.Memory = make([]physmem.Range, handoff.MaxRanges+1) }},
		{"redactions overlap", "redactions", func(b *handoff.Block) { b.Redactions = append(b.Redactions, b.Redactions[0]) }},
		{"extent outside of memory", "bitmap", func(b *handoff.Block) { b.Bitmap.Extents[0].Start = 0xa0000 }},
		{"extent empty", "dump_avail", func(b *handoff.Block) { b.DumpAvail.Extents[0].End = 0 }},
		{"region longer than its extents", "message buffer", func(b *handoff.Block) { b.MessageBuffer.Length++ }},
		{"too many extents", "bitmap", func(b *handoff.Block) { b.Bitmap.Extents = make([]physmem.Range, handoff.MaxExtents+1) }},
		{"target outside of its device", "targets", func(b *handoff.Block) { b.Targets[0].Start = 1<<30 - 1 }},
		{"target of no kind", "targets", func(b *handoff.Block) { b.Targets[0].Kind = 0 }},
		{"firmware outside of the metadata", "firmware", func(b *handoff.Block) { b.Firmware[0].Offset = 0x14000 }},
		{"interrupt table of no kind", "interrupt tables", func(b *handoff.Block) { b.Interrupts[0].Kind = 5 }},
		{"interrupt table of no ITS register", "interrupt tables", func(b *handoff.Block) { b.Interrupts[0].Kind = handoff.InterruptITS + 8 }},
		{"interrupt table without memory", "interrupt tables", func(b *handoff.Block) { b.Interrupts[1].Memory.End = 0 }},
		{"interrupt table not in pages", "interrupt tables", func(b *handoff.Block) { b.Interrupts[1].Memory.End-- }},
		{"interrupt table in the reservation", "interrupt tables", func(b *handoff.Block) { b.Interrupts[1].Memory = b.Range(handoff.PartProgram) }},
		{"too many interrupt tables", "interrupt tables", func(b *handoff.Block) { b.Interrupts = make([]handoff.InterruptTable, handoff.MaxInterruptTables+1) }},
		{"block does not fit", "length", func(b *handoff.Block) { b.Redactions = many(300) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := sample()
			tt.spoil(b)
			_, err := b.AppendBinary(nil)
			require.ErrorContains(t, err, "hand-off block: "+tt.field)
			var wrong *handoff.BlockError
			require.ErrorAs(t, err, &wrong)
		})
	}
}

// many are n ranges that are apart.
func many(n int) []physmem.Range {
	ranges := make([]physmem.Range, n)
	for i := range ranges {
		ranges[i] = physmem.Range{Start: physmem.Address(i) << 13, End: physmem.Address(i)<<13 + 16}
	}
	return ranges
}

// TestBlockHostileBytes changes bytes under right checksums.
func TestBlockHostileBytes(t *testing.T) {
	t.Parallel()
	u32 := func(at int, v uint32) func([]byte) {
		return func(b []byte) { binary.LittleEndian.PutUint32(b[at:], v) }
	}
	first := handoff.HeaderLength // the host section
	for _, tt := range []struct {
		name  string
		want  error
		spoil func([]byte)
	}{
		{"magic", handoff.ErrMagic, u32(0, 0)},
		{"major version", handoff.ErrVersion, u32(handoff.OffsetVersionMajor, 2)},
		{"header too short", handoff.ErrInvalid, u32(handoff.OffsetHeaderLength, 0x10)},
		{"header longer in our version", handoff.ErrInvalid, u32(handoff.OffsetHeaderLength, handoff.HeaderLength+8)},
		{"header longer than all", handoff.ErrInvalid, u32(handoff.OffsetHeaderLength, 1<<31)},
		{"total length over the cap", handoff.ErrTooLarge, u32(handoff.OffsetTotalLength, handoff.MaxBlockLength+1)},
		{"total length over the data", handoff.ErrTruncated, u32(handoff.OffsetTotalLength, 0x2000)},
		{"total length below the part's", handoff.ErrInvalid, u32(handoff.OffsetTotalLength, 0xff8)},
		{"no seal", handoff.ErrInvalid, u32(handoff.OffsetSealCount, 0)},
		{"seals without end", handoff.ErrInvalid, u32(handoff.OffsetSealCount, 1<<31)},
		{"sections without end", handoff.ErrInvalid, u32(handoff.OffsetSectionCount, 1<<31)},
		{"one section less", handoff.ErrInvalid, u32(handoff.OffsetSectionCount, 8)},
		{"unknown section", handoff.ErrInvalid, u32(first, 77)},
		{"section twice", handoff.ErrInvalid, u32(first, 2)},
		{"section too long", handoff.ErrTruncated, u32(first+4, 1<<31)},
		{"section with a rest", handoff.ErrInvalid, u32(first+4, 88)},
		{"section cut", handoff.ErrTruncated, u32(first+4, 8)},
		{"unknown conduit", handoff.ErrInvalid, u32(handoff.OffsetConduit, 3)},
		{"console beyond memory", handoff.ErrInvalid, u32(handoff.OffsetConsole+4, 1<<31)},
		{"reservation wraps", handoff.ErrInvalid, u32(handoff.OffsetSize+4, 1<<31)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			data := encode(t, sample())
			tt.spoil(data)
			_, err := handoff.Parse(reseal(data))
			require.ErrorIs(t, err, tt.want)
		})
	}
}

// newer makes what a later minor version may write: a longer header, an
// unknown section of the given type in front, and a longer host section.
func newer(t *testing.T, kind uint32) []byte {
	old := encode(t, sample())
	header := append(bytesOf(old[:handoff.HeaderLength]), make([]byte, 64)...)
	sections := binary.LittleEndian.AppendUint32(nil, kind)
	sections = binary.LittleEndian.AppendUint32(sections, 5)
	sections = append(sections, 1, 2, 3, 4, 5, 0, 0, 0)
	body := append(sections, old[handoff.HeaderLength:len(old)-64-len(sections)]...)
	data := append(header, body...)
	binary.LittleEndian.PutUint16(data[handoff.OffsetVersionMinor:], handoff.VersionMinor+1)
	binary.LittleEndian.PutUint32(data[handoff.OffsetHeaderLength:], uint32(len(header)))
	binary.LittleEndian.PutUint32(data[handoff.OffsetSectionCount:], binary.LittleEndian.Uint32(data[handoff.OffsetSectionCount:])+1)
	seal := data[handoff.OffsetSeals:]
	binary.LittleEndian.PutUint64(seal[handoff.OffsetSealOffset:], uint64(len(header)))
	binary.LittleEndian.PutUint64(seal[handoff.OffsetSealLength:], uint64(len(body)))
	return reseal(data)
}

func bytesOf(b []byte) []byte { return append([]byte(nil), b...) }

func TestBlockNewerMinor(t *testing.T) {
	t.Parallel()
	want := sample()
	want.Minor = handoff.VersionMinor + 1
	got, err := handoff.Parse(newer(t, 0x77))
	require.NoError(t, err)
	require.Equal(t, want, got)

	_, err = handoff.Parse(newer(t, 1<<31|0x77))
	require.ErrorIs(t, err, handoff.ErrInvalid)
	require.ErrorContains(t, err, "section 0x80000077")
}

func FuzzParse(f *testing.F) {
	f.Add(encode(f, sample()))
	host := sample()
	host.Role, host.Host, host.Memory = handoff.RoleHost, handoff.Host{}, nil
	host.DumpAvail, host.Bitmap, host.MessageBuffer = handoff.Region{}, handoff.Region{}, handoff.Region{}
	f.Add(encode(f, host))
	f.Add(encode(f, sample())[:handoff.HeaderLength])
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) >= handoff.HeaderLength {
			data = reseal(bytesOf(data))
		}
		b, err := handoff.Parse(data)
		if err != nil {
			return
		}
		if b.Minor > handoff.VersionMinor {
			return
		}
		again, err := b.AppendBinary(nil)
		require.NoError(t, err)
		c, err := handoff.Parse(again)
		require.NoError(t, err)
		require.Equal(t, b, c)
	})
}
