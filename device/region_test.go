package device

import (
	"encoding/binary"
	"errors"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/physmem"
)

func aligned(size int) []byte {
	b := make([]byte, size+pageSize)
	skip := -int(addressOf(b)) & (pageSize - 1)
	return b[skip : skip+size : skip+size]
}

func TestCarve(t *testing.T) {
	t.Parallel()
	r := Region{Memory: aligned(4 * pageSize), Address: 0x10_0000}
	a, err := r.Carve(100, 1)
	require.NoError(t, err)
	require.Equal(t, physmem.Range{Start: 0x10_0000, End: 0x10_0064}, a.Range())
	b, err := r.Carve(pageSize, pageSize)
	require.NoError(t, err)
	require.Equal(t, physmem.Range{Start: 0x10_1000, End: 0x10_2000}, b.Range())
	require.Equal(t, pageSize, cap(b.Memory))
	_, err = r.Carve(2*pageSize+1, 1)
	require.ErrorIs(t, err, ErrRegion)
	_, err = r.Carve(1, 1<<20)
	require.ErrorIs(t, err, ErrRegion)
	_, err = r.Carve(1, 3)
	require.ErrorIs(t, err, ErrRegion)
	_, err = r.Carve(1, 0)
	require.ErrorIs(t, err, ErrRegion)
	rest, err := r.Carve(2*pageSize, pageSize)
	require.NoError(t, err)
	require.EqualValues(t, 0x10_2000, rest.Address)
	require.Empty(t, r.Memory)
	_, err = r.Carve(1, 1)
	require.ErrorIs(t, err, ErrRegion)
	_, err = r.Carve(0xffff_ffff_ffff_ffff, 1)
	require.ErrorIs(t, err, ErrRegion)

	odd := Region{Memory: aligned(2 * pageSize)[8:], Address: 0x10_0000}
	_, err = odd.Carve(16, 16)
	require.ErrorIs(t, err, ErrRegion, "mapped at another place of the page")
}

func TestLocate(t *testing.T) {
	t.Parallel()
	all := aligned(4 * pageSize)
	r := Region{Memory: all[pageSize : 3*pageSize], Address: 0x4000}
	for name, c := range map[string]struct {
		p    []byte
		want physmem.Address
	}{
		"all":            {all[pageSize : 3*pageSize], 0x4000},
		"middle":         {all[pageSize+5 : pageSize+9], 0x4005},
		"last byte":      {all[3*pageSize-1 : 3*pageSize], 0x5fff},
		"before":         {all[pageSize-1 : pageSize+1], 0},
		"behind":         {all[3*pageSize-1 : 3*pageSize+1], 0},
		"just behind":    {all[3*pageSize : 3*pageSize+1], 0},
		"around":         {all, 0},
		"empty":          {nil, 0},
		"somewhere else": {make([]byte, 10), 0},
	} {
		got, ok := r.Locate(c.p)
		require.Equal(t, c.want != 0, ok, name)
		require.Equal(t, c.want, got, name)
	}
	_, ok := Region{}.Locate(all)
	require.False(t, ok)
}

func TestMMIO(t *testing.T) {
	t.Parallel()
	b := aligned(64)
	m := NewMMIO(addressOf(b), 64)
	m.Write8(1, 0x11)
	m.Write16(2, 0x2233)
	m.Write32(4, 0x44556677)
	m.Write64(8, 0x8899aabbccddeeff)
	require.Equal(t, []byte{0, 0x11, 0x33, 0x22, 0x77, 0x66, 0x55, 0x44, 0xff, 0xee, 0xdd, 0xcc, 0xbb, 0xaa, 0x99, 0x88}, b[:16])
	require.EqualValues(t, 0x11, m.Read8(1))
	require.EqualValues(t, 0x2233, m.Read16(2))
	require.EqualValues(t, 0x44556677, m.Read32(4))
	require.EqualValues(t, uint64(0x8899aabbccddeeff), m.Read64(8))

	before := string(b)
	for _, at := range []uint64{64, 61, 1 << 63, 0xffff_ffff_ffff_ffff} {
		require.EqualValues(t, 0xffff_ffff, m.Read32(at), "%#x", at)
		m.Write32(at, 1)
	}
	require.EqualValues(t, 0xff, m.Read8(64))
	require.EqualValues(t, 0xffff, m.Read16(3), "not aligned")
	require.EqualValues(t, uint64(0xffff_ffff_ffff_ffff), m.Read64(60))
	m.Write8(64, 1)
	m.Write16(3, 1)
	m.Write64(60, 1)
	require.Equal(t, before, string(b))
	require.EqualValues(t, 0xff, NewMMIO(0, 0).Read8(0))
}

// portSpace is a model of I/O ports.
type portSpace [1 << 16]byte

func (p *portSpace) functions() *PortFunctions {
	le := binary.LittleEndian
	return &PortFunctions{
		In8:   func(port uint16) uint8 { return p[port] },
		In16:  func(port uint16) uint16 { return le.Uint16(p[port:]) },
		In32:  func(port uint16) uint32 { return le.Uint32(p[port:]) },
		Out8:  func(port uint16, v uint8) { p[port] = v },
		Out16: func(port uint16, v uint16) { le.PutUint16(p[port:], v) },
		Out32: func(port uint16, v uint32) { le.PutUint32(p[port:], v) },
	}
}

func TestPorts(t *testing.T) {
	t.Parallel()
	space := &portSpace{}
	bus := Access{PortFunctions: space.functions()}
	r, err := bus.Ports(0xc000, 16)
	require.NoError(t, err)
	r.Write8(1, 0x11)
	r.Write16(2, 0x2233)
	r.Write32(4, 0x44556677)
	r.Write64(8, 0x8899aabbccddeeff)
	require.Equal(t, []byte{0, 0x11, 0x33, 0x22, 0x77, 0x66, 0x55, 0x44, 0xff, 0xee, 0xdd, 0xcc, 0xbb, 0xaa, 0x99, 0x88}, space[0xc000:0xc010])
	require.EqualValues(t, 0x11, r.Read8(1))
	require.EqualValues(t, 0x2233, r.Read16(2))
	require.EqualValues(t, 0x44556677, r.Read32(4))
	require.EqualValues(t, uint64(0x8899aabbccddeeff), r.Read64(8))
	before := *space
	r.Write8(16, 1)
	r.Write16(15, 1)
	r.Write32(1<<40, 1)
	r.Write32(13, 1)
	require.Equal(t, before, *space)
	require.EqualValues(t, 0xff, r.Read8(16))
	require.EqualValues(t, 0xffff, r.Read16(15))
	require.EqualValues(t, 0xffff_ffff, r.Read32(13))
	end, err := bus.Ports(0xfffe, 16) // which there are not
	require.NoError(t, err)
	require.EqualValues(t, 0xffff_ffff, end.Read32(0))
	require.EqualValues(t, 0, end.Read16(0))
}

func TestAccess(t *testing.T) {
	t.Parallel()
	var none Access
	_, err := none.Ports(0, 1)
	require.ErrorIs(t, err, ErrNoBus)
	_, err = none.Memory(physmem.Range{End: 1})
	require.ErrorIs(t, err, ErrNoBus)
	b := aligned(16)
	mapped := Access{Map: func(r physmem.Range) (uintptr, error) {
		if r.Start != 0x1000 {
			return 0, errors.New("as asked for")
		}
		return uintptr(unsafe.Pointer(&b[0])), nil
	}}
	r, err := mapped.Memory(physmem.Range{Start: 0x1000, End: 0x1010})
	require.NoError(t, err)
	r.Write32(12, 7)
	require.EqualValues(t, 7, b[12])
	require.EqualValues(t, 0xffff_ffff, r.Read32(16))
	_, err = mapped.Memory(physmem.Range{Start: 0x2000, End: 0x2010})
	require.EqualError(t, err, "as asked for")
}
