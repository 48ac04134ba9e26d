package bootimage

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/arch/arm64/arm64asm"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/trampoline"
)

// programARM64 is the program for arm64.
func programARM64() []byte {
	return program(func(h []byte) { binary.LittleEndian.PutUint16(h[18:], 183) })
}

// wrapARM wraps the program, and returns the file and the block in it.
func wrapARM(t *testing.T, options Options) ([]byte, *physmem.Bytes, *handoff.Block) {
	t.Helper()
	file, err := Wrap(bytes.NewReader(programARM64()), options)
	require.NoError(t, err)
	base := options.Base
	if base == 0 {
		base = DefaultBaseARM64
	}
	block, err := handoff.Parse(file[armHeader:][:arm64.Granule4K])
	require.NoError(t, err)
	return file, physmem.NewBytes(base, file), block
}

func TestWrapARM64(t *testing.T) {
	t.Parallel()
	for _, base := range []physmem.Address{0, 1 << 30, 0x8020_0000, 5<<30 + 0x3457000, 1<<40 + 1<<30 - 0x20000} {
		file, memory, block := wrapARM(t, Options{Base: base, Module: []byte("a module")})
		base = memory.Range().Start
		order := binary.LittleEndian
		require.Equal(t, "ARM\x64", string(file[56:60]))
		require.EqualValues(t, uint64(base)&(1<<30-1), order.Uint64(file[8:]), "text_offset")
		require.EqualValues(t, len(file), order.Uint64(file[16:]), "image_size")
		require.EqualValues(t, 2, order.Uint64(file[24:]), "little-endian, pages of 4 KiB")

		require.Equal(t, physmem.Range{Start: base + armHeader, End: memory.Range().End}, block.Reservation)
		require.Equal(t, handoff.RoleHost, block.Role)
		require.Equal(t, handoff.ARM64, block.Architecture)
		require.EqualValues(t, handoff.LinkText+0x20, block.Image.Entry)
		require.GreaterOrEqual(t, block.Space.DirectMapEnd-block.Space.DirectMap, uint64(block.Reservation.End))
		image := make([]byte, 0x5000)
		_, err := memory.ReadPhysical(image, block.Range(handoff.PartImage).Start)
		require.NoError(t, err)
		require.Equal(t, append(programARM64()[:0x1f00], make([]byte, 0x100)...), image[:0x2000])
		module := make([]byte, 8)
		_, err = memory.ReadPhysical(module, block.Range(handoff.PartMetadata).Start)
		require.NoError(t, err)
		require.Equal(t, "a module", string(module))
	}
	one, _, _ := wrapARM(t, Options{})
	two, _, _ := wrapARM(t, Options{})
	require.True(t, bytes.Equal(one, two))
}

// The tables map what package handoff says.
func TestTablesARM64(t *testing.T) {
	t.Parallel()
	_, memory, block := wrapARM(t, Options{})
	w, err := arm64.NewWalker(memory, nil, arm64.Paging{Root: block.Reservation.Start + physmem.Address(block.Tables.Root4)})
	require.NoError(t, err)
	image, stub, stack := block.Range(handoff.PartImage).Start, block.Range(handoff.PartTrampoline).Start, block.Range(handoff.PartEntryStack)
	var got []arm64.Mapping
	mapped := uint64(0)
	require.NoError(t, w.Walk(0, 1<<48-1, func(m arm64.Mapping) error {
		require.Zero(t, m.Entry.MemoryAttribute())
		require.True(t, m.Entry.Accessed())
		if m.Virtual < handoff.DirectMapBase || m.Virtual >= handoff.DirectMapBase+handoff.DirectMapLimit {
			m.Entry = 0
			got = append(got, m)
			return nil
		}
		require.EqualValues(t, m.Virtual-handoff.DirectMapBase, m.Physical)
		require.True(t, m.Writable && m.User && !m.Executable && m.Size == largest)
		mapped += m.Size
		return nil
	}))
	require.EqualValues(t, 1<<30, mapped)
	page := func(va uint64, pa physmem.Address, writable, user, executable bool) arm64.Mapping {
		return arm64.Mapping{Virtual: va, Physical: pa, Size: 4096, Level: 3, Writable: writable, User: user, Executable: executable}
	}
	want := []arm64.Mapping{page(uint64(stub), stub, false, false, true)}
	for o := uint64(0); o < entryStack; o += 4096 {
		want = append(want, page(handoff.EntryStackTop-entryStack+o, stack.Start+physmem.Address(o), true, true, false))
	}
	for i, rights := range [][2]bool{{false, true}, {false, true}, {false, false}, {true, false}, {true, false}} {
		want = append(want, page(handoff.LinkBase+uint64(i)<<12, image+physmem.Address(i)<<12, rights[0], true, rights[1]))
	}
	require.Equal(t, want, got)
}

// What comes before the trampoline, from the header's branch on.
func TestStubARM64(t *testing.T) {
	t.Parallel()
	file, memory, block := wrapARM(t, Options{})
	decode := func(at uint64) string {
		inst, err := arm64asm.Decode(file[at:])
		require.NoError(t, err, "%#x", binary.LittleEndian.Uint32(file[at:]))
		return inst.String()
	}
	stub := uint64(block.Range(handoff.PartTrampoline).Start - memory.Range().Start)
	require.EqualValues(t, stub+trampoline.ARM64Free, 4*(binary.LittleEndian.Uint32(file)&0x3ffffff))
	var text []string
	for at := stub + trampoline.ARM64Free; at < stub+trampoline.ARM64Free+19*4; at += 4 {
		text = append(text, decode(at))
	}
	require.Equal(t, []string{
		"ISB SY", "MRS X1, S3_3_C14_C0_2", "LDR X2, .+0x78", "LDR X3, .+0x7c", "ADR X4, .+0x0", "AND X4, X4, #0xfffffffffffff000", "CMP X4, X3",
		"B NE, .+0x8", "B .+0xc", "WFE ", "B .+0xfffffffffffffffc",
		"MOV W3, #0x3", "STR W3, [X2]", "STR X0, [X2,#8]", "STR X1, [X2,#16]", "DSB SY", "DC IVAC, X2", "DSB SY",
		"B .+0xfffffffffffff9b8",
	}, text)
	literal := func(at uint64) uint64 { return binary.LittleEndian.Uint64(file[stub+at:]) }
	require.EqualValues(t, block.Range(handoff.PartPanicArea).Start, literal(trampoline.ARM64Free+0x80))
	require.EqualValues(t, block.Range(handoff.PartTrampoline).Start, literal(trampoline.ARM64Free+0x88))
}

func TestRefusalsARM64(t *testing.T) {
	t.Parallel()
	for _, base := range []physmem.Address{0x4020_0800, 1<<30 + 1<<30 - 0x4000, 16 << 40} {
		_, err := Wrap(bytes.NewReader(programARM64()), Options{Base: base})
		require.ErrorIs(t, err, ErrBase, "%v", base)
	}
}
