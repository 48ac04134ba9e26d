package record_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/record"
)

// tornArea is an area with a panic, two records, a loss, and noted faults.
func tornArea(t testing.TB) *record.Area {
	t.Helper()
	a := newArea(t, 2)
	address, size := at(a.Memory())
	n, f := beginPanic(t, address, size, "boom")
	require.True(t, record.CompletePanic(address, size, n, f))
	for i := range int64(3) {
		add(t, a, task, i+1)
	}
	(&record.Reporter{Area: a}).Note("task")
	return a
}

// known are the bytes of every record of an area.
func known(t testing.TB, memory []byte) map[string]bool {
	t.Helper()
	c, err := record.Parse(memory)
	require.NoError(t, err)
	set := map[string]bool{}
	for _, r := range c.Records {
		set[string(r.Data)] = true
	}
	return set
}

// requireSound checks that whatever happened to an area, what is read of it is
// what was written, or a loss.
func requireSound(t testing.TB, memory []byte, set map[string]bool, at int) (found int) {
	t.Helper()
	c, err := record.Parse(memory)
	if err != nil {
		require.ErrorIs(t, err, record.ErrNoArea, "at %d", at)
		return 0
	}
	for _, r := range c.Records {
		if !r.Loss && !r.Minimal {
			require.True(t, set[string(r.Data)], "at %d: %x", at, r.Data)
			found++
		}
	}
	return found
}

// TestTornAtEachByte flips the bits of each byte in turn: no record that is read
// is another than was written, and no more than one is missing.
func TestTornAtEachByte(t *testing.T) {
	t.Parallel()
	a := tornArea(t)
	memory := bytes.Clone(a.Memory())
	set := known(t, memory)
	all := requireSound(t, memory, set, -1)
	require.Equal(t, 3, all)
	for i := range memory {
		for _, flip := range []byte{1, 0x80, 0xff} {
			memory[i] ^= flip
			found := requireSound(t, memory, set, i)
			if i >= 12 { // before are magic and version
				require.GreaterOrEqual(t, found, all-1, "byte %d", i)
			}
			memory[i] ^= flip
		}
	}
}

// TestCutAtEachByte has the rest zero, or not there.
func TestCutAtEachByte(t *testing.T) {
	t.Parallel()
	memory := tornArea(t).Memory()
	set := known(t, memory)
	before := 0
	for n := range len(memory) + 1 {
		cut := make([]byte, len(memory))
		copy(cut, memory[:n])
		found := requireSound(t, cut, set, n)
		require.GreaterOrEqual(t, found, before, "cut at %d", n)
		before = found
		if n%37 == 0 {
			requireSound(t, bytes.Clone(memory[:n]), set, n)
		}
	}
	require.Equal(t, 3, before)
}

// TestTornSlots tears a record itself at each byte, and the area counts it.
func TestTornSlots(t *testing.T) {
	t.Parallel()
	a := newArea(t, 2)
	add(t, a, task, 1)
	c, err := a.Contents()
	require.NoError(t, err)
	data := c.Records[0].Data
	memory := bytes.Clone(a.Memory())
	start := bytes.Index(memory, data)
	require.Positive(t, start)
	for i := start - 64; i < start+len(data); i++ {
		memory[i] ^= 0x10
		c, err := record.Parse(memory)
		require.NoError(t, err)
		require.Empty(t, c.Records, "byte %d", i)
		require.Equal(t, 1, c.Torn, "byte %d", i)
		require.False(t, c.Damaged)
		memory[i] ^= 0x10
	}
}

// TestTornCompletion has the complete record of a panic torn: the minimal one is
// what is left.
func TestTornCompletion(t *testing.T) {
	t.Parallel()
	a, address, size := panicArea(t)
	n, f := beginPanic(t, address, size, "boom")
	f.Stack = record.ViewString("the stack")
	require.True(t, record.CompletePanic(address, size, n, f))
	memory := a.Memory()
	i := bytes.Index(memory, []byte("the stack"))
	for j := range 9 {
		memory[i+j] ^= 1
		r := mustDecode(t, latest(address, size))
		require.Equal(t, record.FlagMinimal, r.Flags)
		require.Equal(t, "boom", r.Message)
		list := records(t, a)
		require.Len(t, list, 1)
		require.Equal(t, r, list[0])
		memory[i+j] ^= 1
	}
	require.Zero(t, mustDecode(t, latest(address, size)).Flags)
}

func FuzzParse(f *testing.F) {
	memory := tornArea(f).Memory()
	f.Add(memory)
	f.Add(memory[:1500])
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte("RKSL"), 400))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := record.Parse(data)
		if err != nil {
			require.ErrorIs(t, err, record.ErrNoArea)
			return
		}
		require.LessOrEqual(t, len(c.Records), len(data)/64+record.MaxSources)
		layout := taskLayout(2)
		a, _, err := record.Adopt(make([]byte, layout.Size()), data, layout, second)
		require.NoError(t, err)
		_, err = a.Contents()
		require.NoError(t, err)
	})
}
