package emulator_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/physmem"
)

var ram = physmem.NewRanges(physmem.Range{End: 0x20000}, physmem.Range{Start: 0x100000, End: 0x103000})

// observer counts what it is told.
type observer struct {
	code  []physmem.Address
	moved int
}

func (o *observer) CodeChanged(page physmem.Address) { o.code = append(o.code, page) }
func (o *observer) PagesMoved()                      { o.moved++ }

func TestMemory(t *testing.T) {
	t.Parallel()
	m := emulator.NewMemory(ram)
	data := []byte("across the edge of a page")
	_, err := m.WritePhysical(data, 0x1ff0)
	require.NoError(t, err)
	got := make([]byte, len(data))
	_, err = m.ReadPhysical(got, 0x1ff0)
	require.NoError(t, err)
	require.Equal(t, data, got)
	require.Equal(t, physmem.NewRanges(physmem.Range{End: 0x10000}), m.Populated(), "only what was written takes memory")
	require.Equal(t, "across", string(m.ViewPhysical(physmem.Range{Start: 0x1ff0, End: 0x1ff6})))
	require.Nil(t, m.ViewPhysical(physmem.Range{Start: 0x1ff0, End: 0x2001}), "two pages are not lent as one")
	require.Nil(t, m.ViewPhysical(physmem.Range{Start: 0x50000, End: 0x50001}))
	require.Nil(t, m.PageForWrite(0x20000))
	require.Nil(t, m.PageForRead(0x103000))
}

func TestMemoryEnds(t *testing.T) {
	t.Parallel()
	m := emulator.NewMemory(ram)
	var access *physmem.AccessError
	n, err := m.WritePhysical(make([]byte, 16), 0x1fff8)
	require.ErrorAs(t, err, &access)
	require.Equal(t, 8, n)
	require.Equal(t, physmem.Range{Start: 0x20000, End: 0x20008}, access.Range)
	n, err = m.ReadPhysical(make([]byte, 16), 0x40000)
	require.ErrorIs(t, err, physmem.ErrOutside)
	require.Zero(t, n)
}

func TestObservers(t *testing.T) {
	t.Parallel()
	m, o := emulator.NewMemory(ram), &observer{}
	m.Observe(o)
	m.PageForWrite(0x1000)
	require.Equal(t, 1, o.moved, "the zero page was replaced")
	m.PageForWrite(0x2000)
	require.Equal(t, 1, o.moved)
	m.MarkCode(0x2abc)
	require.Equal(t, 2, o.moved)
	m.PageForRead(0x2000)
	m.PageForWrite(0x1000)
	require.Empty(t, o.code)
	m.PageForWrite(0x2000)
	m.PageForWrite(0x2000)
	require.Equal(t, []physmem.Address{0x2000}, o.code, "once for each MarkCode")
	w := &emulator.Watch{Ranges: ram, Kinds: emulator.Read, Seen: func(emulator.Access) bool { return true }}
	m.Watch(w)
	require.True(t, m.Watched(0x1000, emulator.Read))
	require.False(t, m.Watched(0x1000, emulator.Write))
	m.Unwatch(w)
	require.False(t, m.Watched(0x1000, emulator.Read))
	require.Equal(t, 4, o.moved)
	m.Unobserve()
	m.PageForWrite(0x100000)
	require.Equal(t, 4, o.moved)
}
