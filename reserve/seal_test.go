package reserve_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/reserve"
)

// whole is a populated reservation as one slice, and memory over it.
func whole(t testing.TB) (reserve.Request, *handoff.Block, []byte, physmem.Memory) {
	t.Helper()
	q := request(t, 64*mib, physmem.Range{Start: 0x1000, End: 128 * mib})
	data := make([]byte, 8<<20)
	memory := physmem.NewBytes(64*mib, data)
	plan := newPlan(t, q)
	require.NoError(t, plan.Populate(memory))
	b := plan.Block()
	return q, &b, data, memory
}

// broken opens the reservation and says which seals do not hold.
func broken(t testing.TB, memory physmem.Reader, stage reserve.Stage) []string {
	t.Helper()
	r, err := reserve.Open(memory, 64*mib, stage)
	if err == nil {
		return nil
	}
	var block *handoff.BlockError
	if errors.As(err, &block) {
		require.Nil(t, r)
		return []string{"block"}
	}
	var seals *reserve.BrokenError
	require.ErrorAs(t, err, &seals)
	require.ErrorIs(t, err, reserve.ErrBroken)
	require.NotNil(t, r, "what is not broken can be used")
	var names []string
	for _, s := range seals.Seals {
		names = append(names, s.Name)
	}
	return names
}

// plainCheck is the first stage as a panic path does it: plain loads at the
// ABI's offsets, nothing else. It returns what goes to
// handoff.PanicOffsetBrokenSeals.
func plainCheck(data []byte) (mask uint64) {
	u32 := func(at int) uint32 { return binary.LittleEndian.Uint32(data[at:]) }
	u64 := func(at int) uint64 { return binary.LittleEndian.Uint64(data[at:]) }
	table := crc32.MakeTable(crc32.Castagnoli)
	crc := crc32.Update(0, table, data[:handoff.OffsetHeaderCRC])
	crc = crc32.Update(crc, table, data[handoff.OffsetHeaderCRC+4:handoff.HeaderLength])
	if crc != u32(handoff.OffsetHeaderCRC) {
		return 1 << 63 // the table cannot be relied on
	}
	for i := range int(u32(handoff.OffsetSealCount)) {
		slot := handoff.OffsetSeals + i*handoff.SealSlotSize
		offset, length := u64(slot+handoff.OffsetSealOffset), u64(slot+handoff.OffsetSealLength)
		if crc32.Checksum(data[offset:][:length], table) != u32(slot+handoff.OffsetSealCRC) {
			mask |= 1 << i
		}
	}
	return mask
}

// TestSealsEveryByte flips every byte of every sealed part, one at a time:
// each stage names the part, and that part alone.
func TestSealsEveryByte(t *testing.T) {
	t.Parallel()
	_, b, _, _ := whole(t)
	image := b.Parts[handoff.PartImage].Offset
	part := func(p handoff.Part) (offset, length uint64) { return b.Parts[p].Offset, b.Parts[p].Size }
	type sealed struct {
		offset, length uint64
		first, second  []string
	}
	tests := map[string]sealed{}
	add := func(name string, offset, length uint64, first, second []string) {
		tests[name] = sealed{offset, length, first, second}
	}
	blockOffset, blockLength := part(handoff.PartBlock)
	add("block", blockOffset, blockLength, []string{"block"}, []string{"block"})
	for _, p := range []handoff.Part{handoff.PartTrampoline, handoff.PartTables} {
		offset, length := part(p)
		add(p.String(), offset, length, []string{p.String()}, nil)
	}
	add("trampoline data", b.Parts[handoff.PartTrampolineRAM].Offset, 4096, []string{"trampoline data"}, nil)
	add("text", image, 0x3000, []string{"image"}, []string{"text"})
	add("read-only data", image+0x3000, 0x2000, []string{"image"}, []string{"read-only data"})
	add("data", image+0x5000, 0x2000, []string{"image"}, nil)
	for _, p := range []handoff.Part{handoff.PartEnvironment, handoff.PartMetadata} {
		add(p.String(), b.Parts[p].Offset, b.Parts[p].Used(), nil, []string{p.String()})
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, data, memory := whole(t)
			for i := tt.offset; i < tt.offset+tt.length; i++ {
				bit := byte(1) << (i % 8)
				data[i] ^= bit
				if mask := plainCheck(data); (mask != 0) != (tt.first != nil) {
					require.Equal(t, tt.first != nil, mask != 0, "panic path, byte %#x", i)
				}
				if got := broken(t, memory, reserve.StageFirst); fmt.Sprint(got) != fmt.Sprint(tt.first) {
					require.Equal(t, tt.first, got, "first stage, byte %#x", i)
				}
				// The second stage is slow; where it must find nothing a
				// sample does.
				if tt.second != nil || i%64 == 0 {
					if got := broken(t, memory, reserve.StageSecond); fmt.Sprint(got) != fmt.Sprint(tt.second) {
						require.Equal(t, tt.second, got, "second stage, byte %#x", i)
					}
				}
				data[i] ^= bit
			}
			require.Empty(t, broken(t, memory, reserve.StageBoth))
			require.Zero(t, plainCheck(data))
		})
	}
}

// TestSealsOfNothing changes what nobody relies on: no seal says a word.
func TestSealsOfNothing(t *testing.T) {
	t.Parallel()
	_, b, data, memory := whole(t)
	for _, p := range []handoff.Part{
		handoff.PartPanicArea, handoff.PartRecords, handoff.PartEntryStack, handoff.PartPanicStack,
		handoff.PartISTStacks, handoff.PartBitmap, handoff.PartIndex, handoff.PartProgram,
	} {
		e := b.Parts[p]
		require.NotZero(t, e.Size, p.String())
		for i := e.Offset; i < e.End(); i += 97 {
			data[i] ^= 0xff
		}
	}
	stack := b.Parts[handoff.PartTrampolineRAM]
	data[stack.End()-1] ^= 0xff
	require.Empty(t, broken(t, memory, reserve.StageBoth))
}

// TestSealsSeveral breaks two parts: both are named, with where and what.
func TestSealsSeveral(t *testing.T) {
	t.Parallel()
	_, b, data, memory := whole(t)
	data[b.Parts[handoff.PartTables].Offset] ^= 1
	data[b.Parts[handoff.PartEnvironment].Offset] ^= 1
	require.Equal(t, []string{"page tables", "environment"}, broken(t, memory, reserve.StageBoth))
	_, err := reserve.Open(memory, 64*mib, reserve.StageBoth)
	require.ErrorContains(t, err, "open reservation at 0x4000000: page tables in [0x4018000, ")
	require.ErrorContains(t, err, "; environment in ")
}

// TestSealOfParameters changes the block as one who can make its CRCs right
// again: SHA-256 still knows.
func TestSealOfParameters(t *testing.T) {
	t.Parallel()
	_, b, _, memory := whole(t)
	forged := *b
	forged.Memory = append([]physmem.Range(nil), b.Memory...)
	forged.Memory[0].End -= 0x1000
	data, err := forged.AppendBinary(nil)
	require.NoError(t, err)
	_, err = memory.WritePhysical(data, 64*mib)
	require.NoError(t, err)
	require.Empty(t, broken(t, memory, reserve.StageFirst))
	require.Equal(t, []string{"dump parameters"}, broken(t, memory, reserve.StageSecond))
}

// TestOpenWithoutMemory has the block and not the rest, as a cut snapshot.
func TestOpenWithoutMemory(t *testing.T) {
	t.Parallel()
	_, b, data, _ := whole(t)
	for _, tt := range []struct {
		name   string
		length uint64
		stage  reserve.Stage
	}{
		{"nothing", 0, reserve.StageBoth},
		{"half a header", 0x400, reserve.StageBoth},
		{"header", 0x800, reserve.StageBoth},
		{"no tables", b.Parts[handoff.PartTables].Offset + 1, reserve.StageFirst},
		{"no image", b.Parts[handoff.PartImage].Offset + 1, reserve.StageSecond},
	} {
		r, err := reserve.Open(physmem.NewBytes(64*mib, data[:tt.length]), 64*mib, tt.stage)
		require.Nil(t, r, tt.name)
		require.ErrorIs(t, err, physmem.ErrOutside, tt.name)
	}
}

// FuzzOpen opens hostile reservations; the checksums of the block are right.
func FuzzOpen(f *testing.F) {
	_, _, data, _ := whole(f)
	f.Add(data[:0x1000], uint32(0), byte(0))
	f.Add(data[:0x1000], uint32(0x900), byte(1))
	f.Fuzz(func(t *testing.T, start []byte, at uint32, v byte) {
		hostile := append([]byte(nil), data[:0x60000]...)
		copy(hostile[:0x1000], start)
		hostile[at%0x1000] ^= v
		if b, err := handoff.Parse(hostile); err == nil {
			b.Parts[handoff.PartBlock].Size = 0x1000
			if again, err := b.AppendBinary(nil); err == nil {
				copy(hostile, again)
			}
		}
		r, err := reserve.Open(physmem.NewBytes(64*mib, hostile), 64*mib, reserve.StageBoth)
		if r == nil {
			require.Error(t, err)
			return
		}
		_, _ = r.Environment()
		_, _ = r.PanicArea()
		_, _ = r.Firmware(handoff.FirmwareE820)
	})
}
