package handoff_test

import (
	"bytes"
	"encoding/binary"
	"flag"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

var update = flag.Bool("update", false, "write the golden files anew")

// sample is a block with something in every field and list.
func sample() *handoff.Block {
	const base = 0x4000_0000
	b := &handoff.Block{
		Minor:           handoff.VersionMinor,
		Architecture:    handoff.AMD64,
		Role:            handoff.RoleRescue,
		Reservation:     physmem.Range{Start: base, End: base + 8<<20},
		CPUs:            2,
		PagingLevels:    4,
		TrampolineEntry: 0x4010,
		Image: handoff.Image{
			Entry: handoff.LinkText + 0x40, LinkBase: handoff.LinkBase,
			FileEnd: handoff.LinkBase + 0x10000, MemoryEnd: handoff.LinkBase + 0x40000,
		},
		Tables: handoff.Tables{Root4: 0x8000, Root5: 0x9000, Used: 0x4000},
		Space: handoff.Space{
			StackTop: handoff.EntryStackTop, DirectMap: handoff.DirectMapBase, DirectMapEnd: handoff.DirectMapBase + 4<<30,
			Window: handoff.KernelBase, WindowEnd: handoff.KernelBase + 8<<30,
		},
		Limits: handoff.Limits{Memory: 5 << 20, GCPercent: 20, ZstdWindow: 64 << 10},
		Clock:  handoff.Clock{Kilohertz: 2_400_000, Counter: 123456789, Wall: 1_700_000_000_000_000_000},
		Seed:   [32]byte{0: 1, 31: 2},
		Host: handoff.Host{
			PageSize: 4096, CPUs: 2, KernelBase: handoff.KernelBase, KernelEnd: handoff.KernelBase + 5<<30,
			DirectMapBase: handoff.DirectMapBase, DirectMapEnd: handoff.DirectMapBase + 1<<30,
			Name: "anvil", Version: "kernel 1", BuildID: "abc", Architecture: "amd64",
		},
		Memory:        []physmem.Range{{Start: 0x1000, End: 0x9f000}, {Start: 0x100000, End: base}},
		Redactions:    []physmem.Range{{Start: 0x2000, End: 0x2010}},
		DumpAvail:     handoff.Region{Length: 48, Extents: []physmem.Range{{Start: 0x3000, End: 0x3030}}},
		Bitmap:        handoff.Region{Length: 0x8000, Extents: []physmem.Range{{Start: 0x200000, End: 0x204000}, {Start: 0x300000, End: 0x304000}}},
		MessageBuffer: handoff.Region{Length: 0x4000, Extents: []physmem.Range{{Start: 0x400000, End: 0x404000}}},
		Targets: []handoff.Target{
			{Kind: handoff.TargetBlock, Bus: handoff.BusPCI, Address: 3 << 11, DeviceSize: 1 << 30, Start: 1 << 20, Length: 512 << 20, Label: [16]byte{7}, Flags: handoff.TargetTruncate},
			{Kind: handoff.TargetSerial, Bus: handoff.BusPort, Address: 0x3f8, Speed: 115200},
		},
	}
	put := func(p handoff.Part, offset, size uint64, length uint32, access handoff.Access) {
		b.Parts[p] = handoff.Extent{Offset: offset, Size: size, Length: length, Access: access}
	}
	put(handoff.PartBlock, 0, 0x1000, 0, 0)
	put(handoff.PartPanicArea, 0x1000, 0x3000, 0, handoff.AccessWrite|handoff.AccessHostWrite)
	put(handoff.PartTrampoline, 0x4000, 0x2000, 0x100, handoff.AccessExecute|handoff.AccessIdentity|handoff.AccessSupervisor)
	put(handoff.PartTrampolineRAM, 0x6000, 0x2000, 0, handoff.AccessWrite|handoff.AccessIdentity|handoff.AccessSupervisor)
	put(handoff.PartTables, 0x8000, 0x8000, 0, handoff.AccessWrite)
	put(handoff.PartEntryStack, 0x10000, 0x4000, 0, handoff.AccessWrite)
	put(handoff.PartEnvironment, 0x14000, 0x1000, 33, 0)
	put(handoff.PartMetadata, 0x15000, 0x1000, 480, 0)
	put(handoff.PartImage, 0x16000, 0x10000, 0, 0)
	put(handoff.PartRecords, 0x26000, 0x4000, 0, handoff.AccessWrite|handoff.AccessHostWrite)
	put(handoff.PartProgram, 0x100000, 0x700000, 0, handoff.AccessWrite)
	b.Seals = []handoff.Seal{{Part: handoff.PartImage, Offset: 0x16000, Length: 0x10000, CRC: 0x1234}}
	b.Firmware = []handoff.Firmware{
		{Kind: handoff.FirmwareEFIMap, Version: 1, EntrySize: 48, Offset: 0x15000, Length: 480},
		{Kind: handoff.FirmwareACPI, Address: 0xe0000},
	}
	b.Interrupts = []handoff.InterruptTable{
		{Kind: handoff.InterruptProperties, Controller: 0x80a_0000, Register: 0x4800_078f, Memory: physmem.Range{Start: 0x480_0000, End: 0x480_e000}},
		{Kind: handoff.InterruptITS + 1, Controller: 0x808_0000, Register: 1 << 63, Memory: physmem.Range{Start: 0x600_0000, End: 0x601_0000}},
	}
	b.Digests = []handoff.Digest{{Part: handoff.PartImage, Kind: handoff.DigestText, Offset: 0x16000, Length: 0x1000, SHA256: [32]byte{9}}}
	return b
}

func encode(t testing.TB, b *handoff.Block) []byte {
	t.Helper()
	data, err := b.AppendBinary(nil)
	require.NoError(t, err)
	return data
}

// reseal makes a changed block's checksums right again, so that a test
// reaches the checks behind them.
func reseal(data []byte) []byte {
	table := crc32.MakeTable(crc32.Castagnoli)
	header := binary.LittleEndian.Uint32(data[handoff.OffsetHeaderLength:])
	total := binary.LittleEndian.Uint32(data[handoff.OffsetTotalLength:])
	if uint64(total) > uint64(len(data)) || header > total || header < handoff.HeaderLength {
		return data
	}
	binary.LittleEndian.PutUint32(data[handoff.OffsetSeals+handoff.OffsetSealCRC:], crc32.Checksum(data[header:total], table))
	crc := crc32.Update(0, table, data[:handoff.OffsetHeaderCRC])
	crc = crc32.Update(crc, table, data[handoff.OffsetHeaderCRC+4:header])
	binary.LittleEndian.PutUint32(data[handoff.OffsetHeaderCRC:], crc)
	return data
}

func TestBlockRoundTrip(t *testing.T) {
	t.Parallel()
	want := sample()
	data := encode(t, want)
	require.Len(t, data, 0x1000)
	got, err := handoff.Parse(append(data, 0xff)) // what follows does not matter
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Equal(t, data, encode(t, got))
	require.LessOrEqual(t, want.EncodedLength(), uint64(len(data)))
}

// TestBlockGolden holds the ABI: these bytes were written by version 1.1 and
// must be read, and written, for ever.
func TestBlockGolden(t *testing.T) {
	t.Parallel()
	name := filepath.Join("testdata", "block-v1.1.bin")
	data := encode(t, sample())
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o777))
		require.NoError(t, os.WriteFile(name, data, 0o666))
	}
	golden, err := os.ReadFile(name)
	require.NoError(t, err)
	require.True(t, bytes.Equal(golden, data), "the encoding has changed: that is a new version of the ABI")
	b, err := handoff.Parse(golden)
	require.NoError(t, err)
	require.Equal(t, sample(), b)
}

// Blocks of version 1.0 are read: they have no interrupt tables.
func TestBlockOlder(t *testing.T) {
	t.Parallel()
	older, err := os.ReadFile(filepath.Join("testdata", "block-v1.0.bin"))
	require.NoError(t, err)
	b, err := handoff.Parse(older)
	require.NoError(t, err)
	require.EqualValues(t, 0, b.Minor)
	want := sample()
	want.Minor, want.Interrupts = 0, nil
	require.Equal(t, want, b)
}

// TestBlockPlainLoads reads the fields that code without a heap needs.
func TestBlockPlainLoads(t *testing.T) {
	t.Parallel()
	b := sample()
	data := encode(t, b)
	u64 := func(at int) uint64 { return binary.LittleEndian.Uint64(data[at:]) }
	u32 := func(at int) uint32 { return binary.LittleEndian.Uint32(data[at:]) }
	part := func(p handoff.Part) int { return handoff.OffsetParts + int(p)*handoff.PartSlotSize }
	require.Equal(t, "GORESCUE", string(data[:8]))
	require.Equal(t, handoff.Magic, u64(handoff.OffsetMagic))
	require.Equal(t, uint64(b.Reservation.Start), u64(handoff.OffsetReservation))
	require.Equal(t, b.Reservation.Size(), u64(handoff.OffsetSize))
	require.Equal(t, b.Image.Entry, u64(handoff.OffsetEntry))
	require.Equal(t, b.Tables.Root4, u64(handoff.OffsetRoot4))
	require.Equal(t, b.Limits.Memory, u64(handoff.OffsetMemoryLimit))
	require.Equal(t, b.Limits.GCPercent, u32(handoff.OffsetGCPercent))
	require.Equal(t, uint64(0x100000), u64(part(handoff.PartProgram)+handoff.OffsetPartOffset))
	require.Equal(t, uint64(0x700000), u64(part(handoff.PartProgram)+handoff.OffsetPartSize))
	require.Equal(t, uint32(2), u32(handoff.OffsetSealCount))
	second := handoff.OffsetSeals + handoff.SealSlotSize
	require.Equal(t, uint64(0x16000), u64(second+handoff.OffsetSealOffset))
	require.Equal(t, uint32(0x1234), u32(second+handoff.OffsetSealCRC))
}

// TestBlockEveryByte flips each byte: the block's own checksums cover all.
func TestBlockEveryByte(t *testing.T) {
	t.Parallel()
	data := encode(t, sample())
	for i := range data {
		data[i] ^= 0x40
		_, err := handoff.Parse(data)
		var wrong *handoff.BlockError
		require.ErrorAs(t, err, &wrong, "byte %#x", i)
		data[i] ^= 0x40
	}
}

func TestBlockTruncated(t *testing.T) {
	t.Parallel()
	data := encode(t, sample())
	for n := range len(data) {
		_, err := handoff.Parse(data[:n])
		require.ErrorIs(t, err, handoff.ErrTruncated, "%d bytes", n)
	}
}

// TestBlockHost is what bootimage makes: no host, no memory, no panic area of
// the rescue program's form.
func TestBlockHost(t *testing.T) {
	t.Parallel()
	b := sample()
	b.Role, b.CPUs, b.PagingLevels = handoff.RoleHost, 0, 0
	b.Host, b.Memory, b.Redactions, b.Targets, b.Firmware, b.Interrupts, b.Digests = handoff.Host{}, nil, nil, nil, nil, nil, nil
	b.DumpAvail, b.Bitmap, b.MessageBuffer = handoff.Region{}, handoff.Region{}, handoff.Region{}
	b.Parts[handoff.PartPanicArea].Size = handoff.BootAreaSize
	data := encode(t, b)
	require.Equal(t, uint64(handoff.HeaderLength), b.EncodedLength(), "no section")
	got, err := handoff.Parse(data)
	require.NoError(t, err)
	require.Equal(t, b, got)
}

func TestBlockRange(t *testing.T) {
	t.Parallel()
	b := sample()
	require.Equal(t, physmem.Range{Start: 0x4001_6000, End: 0x4002_6000}, b.Range(handoff.PartImage))
	require.Equal(t, b.Reservation.Start+0x4010, b.At(b.TrampolineEntry, 1).Start)
	for _, p := range []handoff.Part{handoff.PartIndex, handoff.MaxParts, 1 << 31} {
		require.Equal(t, physmem.Range{}, b.Range(p))
	}
	require.Equal(t, "[0x40001000, 0x40004000) [0x40026000, 0x4002a000)", b.WithAccess(handoff.AccessHostWrite).String())
	require.Equal(t, "[0x40004000, 0x40006000)", b.WithAccess(handoff.AccessIdentity|handoff.AccessExecute).String())
}

// What an arm64 machine needs before there is a heap lies in the header.
func TestFirmwareCalls(t *testing.T) {
	t.Parallel()
	b := sample()
	b.Architecture = handoff.ARM64
	b.Calls = handoff.FirmwareCalls{Console: 0x900_0000, Conduit: handoff.ConduitSMC}
	data := encode(t, b)
	require.EqualValues(t, 0x900_0000, binary.LittleEndian.Uint64(data[handoff.OffsetConsole:]))
	require.EqualValues(t, 2, binary.LittleEndian.Uint32(data[handoff.OffsetConduit:]))
	parsed, err := handoff.Parse(data)
	require.NoError(t, err)
	require.Equal(t, b.Calls, parsed.Calls)
}
