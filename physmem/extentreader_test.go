package physmem_test

import (
	"fmt"
	"io"
	"math"
	"testing"

	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/stretchr/testify/require"
)

func TestExtentReader(t *testing.T) {
	t.Parallel()
	memory := fixtures(t)[0].memory
	list := []physmem.Range{span(0x9000, 0x9003), span(4, 4), span(0x1000, 0x1002), span(0x57ff, 0x5801), span(0x1000, 0x1001)}
	e := physmem.NewExtentReader(memory, list)
	require.Equal(t, int64(8), e.Size())
	require.Len(t, e.Extents(), 4)
	want := append(pattern(span(0x9000, 0x9003)), pattern(span(0x1000, 0x1002))...)
	want = append(want, pattern(span(0x57ff, 0x5800))...)

	p := make([]byte, 8)
	n, err := e.ReadAt(p, 0)
	require.Equal(t, 6, n)
	require.EqualError(t, err, "read physical memory [0x5800, 0x5801): outside of physical memory")
	require.Equal(t, want, p[:n])
	n, err = e.ReadAt(p[:2], 2)
	require.NoError(t, err)
	require.Equal(t, want[2:4], p[:n])
	n, err = e.ReadAt(p, 7)
	require.Equal(t, 1, n)
	require.Equal(t, io.EOF, err)
	n, err = e.ReadAt(p[:1], math.MaxInt64)
	require.Zero(t, n)
	require.Equal(t, io.EOF, err)
	_, err = e.ReadAt(p, -1)
	require.Error(t, err)
	address, length := e.Locate(4)
	require.Equal(t, physmem.Address(0x1001), address)
	require.Equal(t, uint64(1), length)
	_, length = e.Locate(8)
	require.Zero(t, length)
	_, err = physmem.NewExtentReader(stub{1, nil}, list).ReadAt(p, 0)
	require.ErrorIs(t, err, physmem.ErrOutside, "a reader that is short and silent")

	huge := make([]physmem.Range, 3)
	for i := range huge {
		huge[i] = span(0, 1<<62)
	}
	require.Equal(t, int64(math.MaxInt64), physmem.NewExtentReader(memory, huge).Size())
	require.Zero(t, physmem.NewExtentReader(memory, nil).Size())
}

func ExampleNewExtentReader() {
	memory := physmem.NewBytes(0x1000, []byte("world, hello"))
	message := physmem.NewExtentReader(memory, []physmem.Range{{Start: 0x1007, End: 0x100c}, {Start: 0x1005, End: 0x1007}, {Start: 0x1000, End: 0x1005}})
	text, err := io.ReadAll(io.NewSectionReader(message, 0, message.Size()))
	fmt.Printf("%s %v\n", text, err)
	_, err = memory.ReadPhysical(make([]byte, 8), 0x1008)
	fmt.Println(err)
	// Output:
	// hello, world <nil>
	// read physical memory [0x100c, 0x1010): outside of physical memory
}
