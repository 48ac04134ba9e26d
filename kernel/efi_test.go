//go:build amd64 || arm64

package kernel

import (
	"encoding/binary"
	"hash/crc32"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
)

// Where things are in the memory of these tests: the image, with the EFI area, and
// firmware's tables behind it.
const (
	efiTestArea   = 0x1000
	efiTestTables = 0x2_0000
	efiTestMemory = 0x4_0000
)

type descriptor struct{ kind, start, pages, attribute uint64 }

// efiBoot is what an EFI application leaves: descriptors of 48 bytes.
type efiBoot struct {
	memory  []byte
	options string
	tables  [][3]uint64 // GUID as two numbers, address
	list    []descriptor
}

func newEFIBoot() *efiBoot {
	return &efiBoot{
		memory: make([]byte, efiTestMemory), options: "panic=nil",
		list: []descriptor{
			{7, 0, 0x10, efiWriteBack}, {3, 0x1_0000, 0x10, efiWriteBack}, // one range
			{9, efiTestTables, 0x10, efiWriteBack}, {11, 0x3_0000, 1, 1}, {10, 0x3_1000, 1, efiWriteBack},
			{5, 0x3_2000, 1, 1<<63 | efiWriteBack}, {7, 0x3_3000, 1, efiWriteBack | efiSpecific}, {8, 0x3_4000, 1, efiWriteBack},
			{14, 0x3_5000, 1, efiWriteBack}, {0x8000_0000, 0x3_6000, 1, efiWriteBack}, {2, 1 << 32, 0x100, efiWriteBack},
		},
	}
}

// gather writes it, and reads it as the kernel does.
func (e *efiBoot) gather() *bootFacts {
	order, area := binary.LittleEndian, e.memory[efiTestArea:]
	order.PutUint64(area[handoff.EFIOffsetSystem:], 0x5000)
	order.PutUint64(area[handoff.EFIOffsetRuntime:], 0x6000)
	order.PutUint64(area[handoff.EFIOffsetMapSize:], uint64(48*len(e.list)))
	order.PutUint64(area[handoff.EFIOffsetDescriptor:], 48)
	order.PutUint32(area[handoff.EFIOffsetVersion:], 1)
	for i, d := range e.list {
		p := area[handoff.EFIOffsetMap+48*i:]
		for n, v := range []uint64{d.kind, d.start, 0, d.pages, d.attribute} {
			order.PutUint64(p[8*n:], v)
		}
	}
	for i, c := range e.options {
		order.PutUint16(area[handoff.EFIOffsetOptions+2*i:], uint16(c))
	}
	order.PutUint64(area[handoff.EFIOffsetOptionsSize:], uint64(2*len(e.options)+2))
	for i, table := range e.tables {
		for n, v := range table {
			order.PutUint64(area[handoff.EFIOffsetTableList+handoff.EFITableSize*i+8*n:], v)
		}
	}
	order.PutUint64(area[handoff.EFIOffsetTables:], uint64(len(e.tables)))
	return e.read()
}

func (e *efiBoot) read() *bootFacts {
	b := &bootFacts{}
	w := &physicalWindow{
		base: address(e.memory), limit: uintptr(len(e.memory)),
		own: [2]uintptr{efiTestArea, efiTestArea + handoff.EFIAreaSize}, firmware: &b.efi,
	}
	b.gather(w, uintptr(handoff.BootEFI), efiTestArea)
	return b
}

func TestGatherEFI(t *testing.T) {
	t.Parallel()
	b := newEFIBoot().gather()
	require.Equal(t, []mapEntry{
		{0, 0x2_0000, 1}, {0x2_0000, 0x3_0000, 3}, {0x3_0000, 0x3_1000, 2}, {0x3_1000, 0x3_2000, 4},
		{0x3_2000, 0x3_4000, 2}, {0x3_4000, 0x3_5000, 5}, {0x3_5000, 0x3_6000, 7}, {0x3_6000, 0x3_7000, 2}, {1 << 32, 1<<32 + 0x10_0000, 1},
	}, b.memory[:b.mapCount])
	require.Equal(t, "panic=nil", string(b.command[:b.commandLength]))
	require.EqualValues(t, 0x5000, b.efi.system)
	require.EqualValues(t, 0x6000, b.efi.runtime)
	require.EqualValues(t, 48*11, b.efi.mapSize)
	require.EqualValues(t, 48, b.efi.descriptor)
	require.True(t, b.tables(0x2_0000))
	require.False(t, b.tables(0x3_0000), "registers")
	require.False(t, b.tables(0x5000_0000))
}

// Load options that are no text are somebody else's.
func TestGatherEFIOptions(t *testing.T) {
	t.Parallel()
	for options, want := range map[string]string{"": "", "a b": "a b", "a\x01b": "", "a\xe4": ""} {
		e := newEFIBoot()
		e.options = options
		b := e.gather()
		require.Equal(t, want, string(b.command[:b.commandLength]), "%q", options)
	}
	b := &bootFacts{}
	text := []byte("first\x00second")
	b.addCommand(address(text), 5, 1)
	b.addOptions(address([]byte("s\x00e\x00c\x00\x00\x00")), 8)
	require.Equal(t, "first sec", string(b.command[:b.commandLength]))
}

// Firmware's tables are found by their GUIDs, the newer root pointer first, and only
// in memory.
func TestGatherEFITables(t *testing.T) {
	t.Parallel()
	e := newEFIBoot()
	copy(e.memory[efiTestTables:], virt().bytes())
	e.tables = [][3]uint64{{1, 2, 3}, {acpi10Low, acpi10High, 0x777}, {acpi20Low, acpi20High, 0x3_0000}, {treeLow, treeHigh, efiTestTables}}
	b := e.gather()
	require.EqualValues(t, 0x3_0000, b.rsdp)
	require.EqualValues(t, efiTestTables, b.tree.physical)
	require.EqualValues(t, 0x900_0000, b.calls.Console)
	require.EqualValues(t, 1<<32, b.memory[b.mapCount-1].start, "memory is EFI's")
	kinds := map[uintptr]bool{}
	for _, m := range b.memory[:b.mapCount] {
		kinds[m.start] = true
	}
	require.False(t, kinds[0x4000_0000], "of the tree")
	require.True(t, kinds[0x4a00_0000], "reserved in the tree")

	e.tables = e.tables[:2]
	require.EqualValues(t, 0x777, e.gather().rsdp)
	e.tables[0] = [3]uint64{treeLow, treeHigh, 0x3_0000} // registers
	require.Zero(t, e.gather().tree.size)
}

func TestGatherEFIRefuses(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(area []byte){
		"no map":              func(a []byte) { binary.LittleEndian.PutUint64(a[handoff.EFIOffsetMapSize:], 0) },
		"map too large":       func(a []byte) { binary.LittleEndian.PutUint64(a[handoff.EFIOffsetMapSize:], handoff.EFIMaxMap+1) },
		"descriptor small":    func(a []byte) { binary.LittleEndian.PutUint64(a[handoff.EFIOffsetDescriptor:], 32) },
		"descriptor odd":      func(a []byte) { binary.LittleEndian.PutUint64(a[handoff.EFIOffsetDescriptor:], 44) },
		"descriptor enormous": func(a []byte) { binary.LittleEndian.PutUint64(a[handoff.EFIOffsetDescriptor:], 1<<40) },
	} {
		e := newEFIBoot()
		e.gather()
		change(e.memory[efiTestArea:])
		b := e.read()
		require.Zero(t, b.mapCount+b.efi.mapSize, name)
	}
}

func TestEFITime(t *testing.T) {
	t.Parallel()
	for _, want := range []time.Time{
		time.Date(2026, 11, 22, 0, 30, 59, 0, time.UTC), time.Date(2000, 2, 29, 23, 59, 0, 0, time.FixedZone("", 90*60)),
	} {
		p := make([]byte, 16)
		binary.LittleEndian.PutUint16(p, uint16(want.Year()))
		p[2], p[3], p[4], p[5], p[6] = byte(want.Month()), byte(want.Day()), byte(want.Hour()), byte(want.Minute()), byte(want.Second())
		_, offset := want.Zone()
		binary.LittleEndian.PutUint16(p[12:], uint16(-offset/60))
		require.EqualValues(t, want.Unix(), efiSeconds(address(p)))
	}
	require.Zero(t, efiSeconds(address(make([]byte, 16))))
}

func TestSealHeader(t *testing.T) {
	t.Parallel()
	block := make([]byte, handoff.HeaderLength)
	for i := range block {
		block[i] = byte(i * 7)
	}
	sealHeader(address(block))
	table := crc32.MakeTable(crc32.Castagnoli)
	want := crc32.Update(crc32.Checksum(block[:handoff.OffsetHeaderCRC], table), table, block[handoff.OffsetHeaderCRC+4:])
	require.Equal(t, want, binary.LittleEndian.Uint32(block[handoff.OffsetHeaderCRC:]))
}

// Whatever the area holds, only memory of the test is read.
func FuzzGatherEFI(f *testing.F) {
	e := newEFIBoot()
	e.tables = [][3]uint64{{acpi20Low, acpi20High, efiTestTables}, {treeLow, treeHigh, efiTestTables + 0x1000}}
	e.gather()
	f.Add(e.memory[efiTestArea:][:handoff.EFIOffsetTableList+48], e.memory[efiTestArea+handoff.EFIOffsetMap:][:48*11], acpiTables())
	f.Fuzz(func(t *testing.T, area, memoryMap, tables []byte) {
		e := &efiBoot{memory: make([]byte, efiTestMemory)}
		copy(e.memory[efiTestArea:][:handoff.EFIOffsetOptions], area)
		copy(e.memory[efiTestArea+handoff.EFIOffsetMap:][:handoff.EFIMaxMap], memoryMap)
		copy(e.memory[efiTestTables:], tables)
		b := e.read()
		require.LessOrEqual(t, b.mapCount, uintptr(maxMap))
		require.Less(t, b.commandLength, uintptr(maxCommandLine))
	})
}
