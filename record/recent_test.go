package record_test

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/record"
)

func text(v record.View) string {
	b := make([]byte, v.Len())
	for i := range b {
		b[i] = v.At(uintptr(i))
	}
	return string(b)
}

// From the newest on, these are the valid records, those of an earlier boot last.
func TestBefore(t *testing.T) { // not parallel: it counts allocations
	before := tornArea(t)
	a, _ := reboot(t, before.Memory(), taskLayout(2), second)
	add(t, a, other, 9)
	contents, err := a.Contents()
	require.NoError(t, err)
	var want []record.Stored
	for _, s := range contents.Records {
		if !s.Loss {
			want = append(want, s)
		}
	}
	memory := a.Memory()
	start, size := uintptr(unsafe.Pointer(&memory[0])), uintptr(len(memory))
	boot, sequence := ^uint32(0), ^uint64(0)
	for n := len(want) - 1; n >= 0; n-- {
		r, ok := record.Before(start, size, boot, sequence)
		require.True(t, ok, n)
		boot, sequence = r.Boot, r.Sequence
		full, err := record.Decode(want[n].Data)
		require.NoError(t, err)
		require.Equal(t, want[n].Boot, r.Boot)
		require.Equal(t, want[n].Sequence, r.Sequence)
		require.Equal(t, full.Class, text(r.Class))
		require.Equal(t, full.Source, text(r.Source))
		require.Equal(t, full.Message, text(r.Message))
	}
	_, ok := record.Before(start, size, boot, sequence)
	require.False(t, ok)
	require.Zero(t, testing.AllocsPerRun(10, func() { record.Before(start, size, ^uint32(0), ^uint64(0)) }))

	_, ok = record.Before(start, 64, ^uint32(0), ^uint64(0))
	require.False(t, ok, "no area")
	_, ok = record.Before(0, 0, ^uint32(0), ^uint64(0))
	require.False(t, ok)
}

// Whatever byte of the area is broken, what is found is inside of it.
func TestBeforeInBrokenAreas(t *testing.T) {
	t.Parallel()
	memory := tornArea(t).Memory()
	start, size := uintptr(unsafe.Pointer(&memory[0])), uintptr(len(memory))
	for i := range memory {
		memory[i] ^= 0xff
		boot, sequence := ^uint32(0), ^uint64(0)
		for found := 0; ; found++ {
			r, ok := record.Before(start, size, boot, sequence)
			if !ok {
				break
			}
			boot, sequence = r.Boot, r.Sequence
			_ = text(r.Class) + text(r.Source) + text(r.Message)
			require.Less(t, found, 100)
		}
		memory[i] ^= 0xff
	}
}
