package arm64

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machine"
)

// TestTablesAreUnambiguous: of two entries that match one word, one has more
// fixed bits.
func TestTablesAreUnambiguous(t *testing.T) {
	t.Parallel()
	for i := range decoding.all {
		a := &decoding.all[i]
		require.False(t, a.run == nil && a.lower == nil, "%s does nothing", a.name)
		for j := range i {
			b := &decoding.all[j]
			if (a.value^b.value)&a.mask&b.mask == 0 && bits.OnesCount32(a.mask) == bits.OnesCount32(b.mask) {
				require.Failf(t, "two entries for one word", "%s and %s: %#08x %#08x", a.name, b.name, a.value, b.value)
			}
		}
	}
}

// TestFind looks every entry up by words that it matches.
func TestFind(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for i := range decoding.all {
		o := &decoding.all[i]
		hit := false
		for range 200 {
			word := random.Uint32()&^o.mask | o.value
			found := decoding.find(word)
			require.NotNil(t, found, o.name)
			require.GreaterOrEqual(t, bits.OnesCount32(found.mask), bits.OnesCount32(o.mask))
			hit = hit || found == o
		}
		require.True(t, hit, "%s is never found", o.name)
	}
}

func TestPattern(t *testing.T) {
	t.Parallel()
	o := opcode{name: "test", pattern: "x0001011 ss0mmmmm iiiiiinn nnnddddd"}
	o.parse()
	require.Equal(t, uint32(0x7f200000), o.mask)
	require.Equal(t, uint32(0x0b000000), o.value)
	require.True(t, o.uses('m'))
	require.False(t, o.uses('a'))
	require.Panics(t, func() { (&opcode{pattern: "01"}).parse() })
}

func TestMissingInstruction(t *testing.T) {
	t.Parallel()
	r := newBed(t, Config{})
	r.code(bedCode, 0xd2800020, 0x05208000) // MOV X0, #1; an SVE instruction
	require.Nil(t, r.c.Step())
	exit := r.c.Step()
	require.NotNil(t, exit)
	require.Equal(t, machine.Failed, exit.Reason)
	require.Equal(t, uint64(bedCode+4), exit.PC)
	require.Contains(t, exit.Detail, "not emulated: 00 80 20 05 .word 0x05208000 at 0x40000004, EL1\n")
	require.Contains(t, exit.Detail, "x0=0x1 ")
	require.Equal(t, uint64(1), r.c.Instructions())
	again := r.c.Run(10, false)
	require.Equal(t, exit, again, "it stays there")
}

// FuzzInstruction: no word and no registers make the emulator panic.
func FuzzInstruction(f *testing.F) {
	f.Add(uint32(0xd503201f), uint64(0), uint8(0))
	f.Add(uint32(0xa9bf7bfd), uint64(bedData), uint8(1))
	f.Add(uint32(0xd69f03e0), uint64(0xffffffff), uint8(2))
	for i := range decoding.all {
		if i%16 == 0 {
			f.Add(decoding.all[i].value, uint64(pagedBase+1), uint8(i))
		}
	}
	f.Fuzz(func(t *testing.T, word uint32, seed uint64, how uint8) {
		model := CortexA57
		if how&1 != 0 {
			model = Max
		}
		r := newPagedBed(t, Config{Model: model, EL2: how&2 != 0, Delayed: how&8 != 0})
		if how&4 != 0 {
			r.system(levelEL0, nil)
		}
		random := rand.New(rand.NewPCG(seed, 1))
		for i := range 31 {
			r.c.r[i] = []uint64{seed, pagedBase + seed&0xfff, random.Uint64(), bedData}[random.IntN(4)]
		}
		r.c.r[regSP] = pagedBase + seed&0xff0
		for i := range r.c.v {
			r.c.v[i] = word128{random.Uint64(), seed}
		}
		code := make([]uint32, 8)
		for i := range code {
			code[i] = word
		}
		r.code(bedCode, code...)
		r.c.pc = bedCode
		for range 8 {
			if exit := r.c.Run(r.c.count+4, false); exit != nil {
				break
			}
		}
		require.Zero(t, r.c.r[regZero], "%08x", binary.LittleEndian.Uint32(binary.LittleEndian.AppendUint32(nil, word)))
	})
}
