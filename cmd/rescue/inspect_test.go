package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/bootimage"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/reserve"
)

// smallImage is an image of a page of text and one of data, as reserve takes it.
func smallImage() []byte {
	file := make([]byte, 3*4096)
	order := binary.LittleEndian
	copy(file, "\x7fELF\x02\x01\x01")
	put := func(at int, value any) {
		if _, err := binary.Encode(file[at:], order, value); err != nil {
			panic(err)
		}
	}
	put(16, []uint16{2, uint16(handoff.AMD64)})
	put(20, uint32(1))
	put(24, []uint64{handoff.LinkBase + 0x1000, 64})
	put(52, []uint16{64, 56, 2, 64})
	for i, flags := range []uint32{5, 6} {
		put(64+56*i, []uint32{1, flags})
		offset := uint64(0x1000 * (i + 1))
		put(64+56*i+8, []uint64{offset, handoff.LinkBase + offset, 0, 0x1000, 0x1000 + 0x1000*uint64(i)})
	}
	copy(file[0x1000:], "code")
	copy(file[0x2000:], "data")
	return file
}

// reserved is a machine's memory with an armed reservation at base. Panicked,
// the host has written its panic area.
func reserved(t testing.TB, base physmem.Address, panicked bool) (*physmem.Sparse, *handoff.Block) {
	t.Helper()
	image, err := reserve.OpenImage(bytes.NewReader(smallImage()))
	require.NoError(t, err)
	ram := physmem.Range{Start: 0x100000, End: 0x4000000}
	r := physmem.Range{Start: base, End: base + 8<<20}
	request := reserve.Request{
		Reservation: r, Image: image, Memory: physmem.Ranges{ram},
		Host:        handoff.Host{Name: "anvil", Version: "1.0", CPUs: 1},
		Bitmap:      handoff.Region{Length: 4096, Extents: []physmem.Range{{Start: 0x200000, End: 0x201000}}},
		Environment: handoff.Environment{{Name: "rescue.end", Value: "reset"}},
		Targets:     []handoff.Target{{Kind: handoff.TargetBlock, Bus: handoff.BusPCI, Address: 0x800, DeviceSize: 2 << 20, Start: 512, Length: 1 << 20}},
		Clock:       handoff.Clock{Kilohertz: 1000000},
		Interrupts: []handoff.InterruptTable{
			{Kind: handoff.InterruptProperties, Controller: 0x80a0000, Register: 0x30078f, Memory: physmem.Range{Start: 0x300000, End: 0x30e000}},
			{Kind: handoff.InterruptProperties, Controller: 0x80c0000, Register: 0x30078f, Memory: physmem.Range{Start: 0x300000, End: 0x30e000}},
			{Kind: handoff.InterruptITS, Controller: 0x8080000, Register: 1 << 63, Memory: physmem.Range{Start: 0x310000, End: 0x320000}},
		},
	}
	memory := physmem.NewSparse(physmem.NewRanges(ram, r))
	plan, err := reserve.New(memory, request)
	require.NoError(t, err)
	require.NoError(t, plan.Populate(memory))
	block := plan.Block()
	if panicked {
		writePanic(t, memory, block.Range(handoff.PartPanicArea).Start)
	}
	return memory, &block
}

func writePanic(t testing.TB, memory physmem.Writer, area physmem.Address) {
	t.Helper()
	put := func(offset uint64, value any) {
		data, err := binary.Append(nil, binary.LittleEndian, value)
		require.NoError(t, err)
		_, err = memory.WritePhysical(data, area+physmem.Address(offset))
		require.NoError(t, err)
	}
	message := "the roof is on fire\x1b[1m"
	put(handoff.PanicOffsetState, uint32(handoff.StateCaptured))
	put(handoff.PanicOffsetReason, uint32(handoff.ReasonKernelFault))
	put(handoff.PanicOffsetMessageLength, uint32(len(message)))
	put(handoff.PanicOffsetMessage, []byte(message))
	put(handoff.PanicOffsetRoot, uint64(0x201000))
	put(handoff.PanicOffsetVector, uint64(14))
	put(handoff.PanicOffsetFaultAddress, uint64(0xdead0))
	put(handoff.PanicOffsetPC, uint64(0xabcd))
	put(handoff.PanicOffsetPhases, []uint64{5000, 6000, 1500000})
	state, err := (&amd64.CPUState{Valid: ^amd64.StateParts(0), RIP: 0xabcd, RAX: 7}).AppendBinary(nil)
	require.NoError(t, err)
	put(handoff.PanicOffsetRegisters+handoff.SlotOffsetLength, uint32(len(state)))
	put(handoff.PanicOffsetRegisters+handoff.SlotOffsetState, state)
	put(handoff.PanicOffsetRegisters+handoff.SlotOffsetValid, uint32(1))
}

// bytesOf is a range of a memory.
func bytesOf(t testing.TB, memory physmem.Reader, r physmem.Range) []byte {
	t.Helper()
	data := make([]byte, r.Size())
	_, err := memory.ReadPhysical(data, r.Start)
	require.NoError(t, err)
	return data
}

// rawFile is a memory as a raw file, each byte at its address.
func rawFile(t testing.TB, memory *physmem.Sparse, ranges ...physmem.Range) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ram")
	file, err := os.Create(path)
	require.NoError(t, err)
	for _, r := range ranges {
		_, err := file.WriteAt(bytesOf(t, memory, r), int64(r.Start))
		require.NoError(t, err)
	}
	require.NoError(t, file.Close())
	return path
}

func inspected(t testing.TB, code int, path string) inspection {
	t.Helper()
	r := rescue(t, "inspect", "--json", path)
	require.Equal(t, code, r.code, r.errors)
	var f inspection
	require.NoError(t, json.Unmarshal([]byte(r.out), &f))
	return f
}

func TestInspectReservation(t *testing.T) {
	t.Parallel()
	memory, block := reserved(t, 0x2000000, true)
	path := rawFile(t, memory, block.Reservation)
	f := inspected(t, exitDone, path)
	require.Equal(t, kindMemory, f.Kind)
	require.Len(t, f.Reservations, 1)
	r := f.Reservations[0]
	require.Equal(t, rangeFact{0x2000000, 0x2800000}, r.Range)
	require.Equal(t, int64(0x2000000), r.FileOffset)
	require.Equal(t, "rescue", r.Role)
	require.True(t, r.Complete)
	require.Empty(t, r.Problems)
	require.Empty(t, r.Broken)
	require.Equal(t, "anvil", r.Host.Name)
	require.Equal(t, map[string]string{"rescue.end": "reset"}, r.Environment)
	require.Equal(t, "block", r.Targets[0].Kind)
	require.Len(t, r.Interrupts, 3)
	require.Equal(t, interruptFact{"LPI configuration", 0x80c0000, 0x30078f, rangeFact{0x300000, 0x30e000}}, r.Interrupts[1])
	require.Contains(t, rescue(t, "inspect", path).out, "LPI configuration [0x300000, 0x30e000); ITS table 0 [0x310000, 0x320000)")
	require.Equal(t, handoff.ReasonKernelFault.String(), r.Panic.Reason)
	require.Equal(t, hexadecimal(0xabcd), r.Panic.PC)
	require.Equal(t, "the roof is on fire\x1b[1m", r.Panic.Message)
	require.Equal(t, []string{"entered", "captured", "sealed"}, []string{r.Panic.Phases[0].Name, r.Panic.Phases[1].Name, r.Panic.Phases[2].Name})
	require.Equal(t, int64(1000), *r.Panic.Phases[1].Nanos)
	require.Equal(t, hexadecimal(7), r.Panic.Registers[0].Registers["rax"])
	for _, s := range r.Seals {
		require.Equal(t, sealHolds, s.Verdict, s.Name)
	}

	screen := requireDone(t, "inspect", path)
	for _, want := range []string{
		"anvil 1.0", "rescue.end=reset", "seals         hold\n", `on fire\x1b[1m`, "captured +1µs, sealed +1.495ms", "vector 14", "block pci 0x800", "000000000000abcd",
	} {
		require.Contains(t, screen, want)
	}
	require.Less(t, strings.Count(screen, "\n"), 48, "more than a screen")
}

// Each seal that is broken is named, wherever a byte of it was flipped.
func TestInspectBrokenSeals(t *testing.T) {
	t.Parallel()
	memory, block := reserved(t, 0x2000000, false)
	data := bytesOf(t, memory, block.Reservation)
	for name, at := range map[string]uint64{
		"trampoline": block.Parts[handoff.PartTrampoline].Offset + 1, "page tables": block.Parts[handoff.PartTables].Offset + 9,
		"image": block.Parts[handoff.PartImage].Offset + 0x1fff, "text": block.Parts[handoff.PartImage].Offset + 3,
		"environment": block.Parts[handoff.PartEnvironment].Offset,
	} {
		data[at] ^= 1
		path := writeTemporary(t, "reservation", data)
		f := inspected(t, exitDamaged, path)
		require.Equal(t, kindReservation, f.Kind, name)
		require.Contains(t, f.Reservations[0].Broken, name)
		r := rescue(t, "inspect", path)
		require.Equal(t, exitDamaged, r.code)
		require.Contains(t, r.out, "BROKEN: ")
		require.Contains(t, r.out, "SEAL BROKEN")
		data[at] ^= 1
	}

	// Once the rescue program runs, its data and tables change.
	state := block.Parts[handoff.PartPanicArea].Offset + handoff.PanicOffsetState
	data[state] = byte(handoff.StateEnteredGo)
	data[block.Parts[handoff.PartTables].Offset] ^= 0x20
	f := inspected(t, exitDone, writeTemporary(t, "ran", data))
	require.Empty(t, f.Reservations[0].Broken)
	require.Equal(t, sealChanged, seal(f.Reservations[0], "page tables"))
	require.Equal(t, sealHolds, seal(f.Reservations[0], "trampoline"))
	data[block.Parts[handoff.PartEnvironment].Offset] ^= 1
	f = inspected(t, exitDamaged, writeTemporary(t, "broken", data))
	require.Equal(t, []string{"environment"}, f.Reservations[0].Broken)
}

func seal(f reservationFact, part string) string {
	for _, p := range f.Parts {
		if p.Name == part {
			return p.Seal
		}
	}
	return ""
}

// A block alone, a reservation that is cut, one behind a gap of the machine's
// memory, and one in an ELF core are all found.
func TestInspectForms(t *testing.T) {
	t.Parallel()
	memory, block := reserved(t, 0x1_4000_0000, true)
	data := bytesOf(t, memory, block.Reservation)

	f := inspected(t, exitDone, writeTemporary(t, "block", data[:4096]))
	require.Equal(t, kindBlock, f.Kind)
	r := f.Reservations[0]
	require.False(t, r.Complete)
	require.Len(t, r.Problems, 1)
	require.Nil(t, r.Panic)
	require.Equal(t, sealUnknown, r.Seals[0].Verdict)
	require.Contains(t, requireDone(t, "inspect", writeTemporary(t, "block", data[:4096])), "not checked")

	f = inspected(t, exitDone, writeTemporary(t, "cut", data[:0x20000]))
	require.False(t, f.Reservations[0].Complete)
	require.NotNil(t, f.Reservations[0].Panic, "what is there is told")

	gap := append(make([]byte, 0x300000), data...)
	f = inspected(t, exitDone, writeTemporary(t, "gap", gap))
	require.Equal(t, kindMemory, f.Kind)
	require.Equal(t, int64(0x300000), f.Reservations[0].FileOffset)
	require.Equal(t, hexadecimal(0x1_4000_0000), f.Reservations[0].Range.Start)
	require.True(t, f.Reservations[0].Complete)
	require.Contains(t, requireDone(t, "inspect", writeTemporary(t, "gap", gap)), "at offset 0x300000")

	// A copy of the block in the host's heap is none.
	heap := append(make([]byte, 0x3000), data[:4096]...)
	requireFails(t, exitNotOurs, "neither", "inspect", writeTemporary(t, "heap", append(heap, make([]byte, 1<<20)...)))

	f = inspected(t, exitDone, writeTemporary(t, "core", core(data, block.Reservation.Start)))
	require.Equal(t, kindMemory, f.Kind)
	require.Equal(t, int64(-1), f.Reservations[0].FileOffset)
	require.Equal(t, hexadecimal(0x1_4000_0000), f.Reservations[0].Range.Start)
	require.NotNil(t, f.Reservations[0].Panic)
}

// core is an ELF core of one segment, given twice.
func core(data []byte, address physmem.Address) []byte {
	file := make([]byte, 4096)
	order := binary.LittleEndian
	copy(file, "\x7fELF\x02\x01\x01")
	order.PutUint16(file[16:], elfTypeCore)
	order.PutUint16(file[18:], 62)
	order.PutUint32(file[20:], 1)
	order.PutUint64(file[32:], 64)
	order.PutUint16(file[54:], 56)
	order.PutUint16(file[56:], 2)
	for i := range 2 {
		p := file[64+56*i:]
		order.PutUint32(p, 1)
		order.PutUint64(p[8:], 4096)
		order.PutUint64(p[24:], uint64(address))
		order.PutUint64(p[32:], uint64(len(data)))
	}
	return append(file, data...)
}

// A file of nothing but blocks is looked at for as long as one of a few.
func TestInspectManyBlocks(t *testing.T) {
	t.Parallel()
	wrapped, err := bootimage.Wrap(bytes.NewReader(smallImage()), bootimage.Options{})
	require.NoError(t, err)
	block, _, ok := bootBlock(wrapped)
	require.True(t, ok)
	length := physmem.Address(block.Reservation.Size())
	var file []byte
	for i := range physmem.Address(40) {
		block.Reservation = physmem.Range{Start: i * 4096, End: i*4096 + length}
		file, err = block.AppendBinary(file)
		require.NoError(t, err)
	}
	f := inspected(t, exitDone, writeTemporary(t, "blocks", file))
	require.Len(t, f.Reservations, maxFound)
	require.Equal(t, 40-maxFound, f.Omitted)
	require.Contains(t, requireDone(t, "inspect", writeTemporary(t, "blocks", file)), "and 24 more")
}

// A machine of much memory, hardly used, takes no longer than what is there.
func TestInspectSparseFile(t *testing.T) {
	t.Parallel()
	memory, block := reserved(t, 0x4_0000_0000, false)
	path := rawFile(t, memory, block.Reservation)
	require.NoError(t, os.Truncate(path, 64<<30))
	f := inspected(t, exitDone, path)
	require.Equal(t, hexadecimal(0x4_0000_0000), f.Reservations[0].Range.Start)
}

func TestInspectImages(t *testing.T) {
	t.Parallel()
	path := writeTemporary(t, "image", smallImage())
	f := inspected(t, exitDone, path)
	require.Equal(t, kindImage, f.Kind)
	require.Equal(t, uint64(0x2000), f.Image.Loaded)
	require.Equal(t, uint64(0x3000), f.Image.Memory)
	require.Equal(t, []string{"r-x", "rw-"}, []string{f.Image.Segments[0].Access, f.Image.Segments[1].Access})
	require.Equal(t, uint64(8<<20), f.Image.Least)
	large := requireDone(t, "inspect", "--host-memory", "64G", path)
	require.Contains(t, large, "at least 9.5 MiB in a host of 64 GiB")
	requireFails(t, exitUsage, "not a host's memory", "inspect", "--host-memory", "0", path)

	wrapped, err := bootimage.Wrap(bytes.NewReader(smallImage()), bootimage.Options{})
	require.NoError(t, err)
	f = inspected(t, exitDone, writeTemporary(t, "wrapped", wrapped))
	require.Equal(t, kindBootImage, f.Kind)
	require.Equal(t, hexadecimal(bootimage.DefaultBase), f.Reservations[0].Range.Start)
}

func TestInspectRefusals(t *testing.T) {
	t.Parallel()
	requireFails(t, exitNotOurs, "neither an image nor memory", "inspect", writeTemporary(t, "text", []byte("hello, world")))
	requireFails(t, exitNotOurs, "neither", "inspect", writeTemporary(t, "empty", nil))
	requireFails(t, exitNotOurs, "directory", "inspect", t.TempDir())
	requireFails(t, exitIO, "no such file", "inspect", filepath.Join(t.TempDir(), "none"))
	own, err := os.Executable()
	require.NoError(t, err)
	requireFails(t, exitNotOurs, "", "inspect", own)
	requireFails(t, exitNotOurs, "neither", "inspect", writeTemporary(t, "core", core(make([]byte, 8192), 0x1000)))
}

// Whatever a file is, inspect says what, or that it does not know.
func FuzzInspect(f *testing.F) {
	memory, block := reserved(f, 0x2000000, true)
	data := bytesOf(f, memory, physmem.Range{Start: block.Reservation.Start, End: block.Reservation.Start + 0x30000})
	wrapped, err := bootimage.Wrap(bytes.NewReader(smallImage()), bootimage.Options{})
	require.NoError(f, err)
	for _, seed := range [][]byte{nil, data[:0x1000], data, smallImage(), wrapped, core(data, block.Reservation.Start), []byte("hello, world")} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		found, err := inspect(input{ReaderAt: bytes.NewReader(file), size: int64(len(file))}, 1<<30)
		if err != nil {
			return
		}
		var out bytes.Buffer
		p := &program{out: newWriter(&out)}
		p.showInspection(found)
		if err := p.json(found); err != nil {
			t.Fatal(err)
		}
		if len(found.Reservations) == 0 && found.Image == nil {
			t.Fatal("nothing was found, and no error")
		}
	})
}
