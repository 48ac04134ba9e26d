package native

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func start(t *testing.T) *Process {
	t.Helper()
	p, err := Start(context.Background(), t.TempDir(), "max")
	if errors.Is(err, ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

func TestRun(t *testing.T) {
	t.Parallel()
	p := start(t)
	var s State
	for i := range s.X {
		s.X[i] = uint64(i) * 0x0101010101010101
	}
	for i := range s.V {
		s.V[i] = [2]uint64{uint64(i), ^uint64(i)}
	}
	for i := range s.Memory {
		s.Memory[i] = byte(i)
	}
	s.SP, s.NZCV, s.FPCR, s.FPSR = 0x1230, 0xa<<28, 1<<24, 0x11
	cases := []Case{
		{Code: [4]uint32{0xd503201f}, State: s}, // nop
		{Code: [4]uint32{0x8b1e03bd}, State: s}, // add x29, x29, x30
		{Code: [4]uint32{0x17fffffe}, State: s}, // b .-8
		{Code: [4]uint32{0x14000005}, State: s}, // b .+20
		{Code: [4]uint32{0, 0, 0, 0}, State: s},
		{Code: [4]uint32{0x00000000, 1, 0, 0}, State: s},
		{Code: [4]uint32{0xd4200020}, State: s}, // brk #1
		{Code: [4]uint32{0xf9400000}, State: s}, // ldr x0, [x0]
		{Code: [4]uint32{0xf9400000}, State: s}, // ldr x0, [x0]
	}
	cases[7].X[0] = End - 1
	cases[8].X[0] = Windows[1] + 8
	results := make([]Result, len(cases))
	require.NoError(t, p.Run(cases, results))
	require.Equal(t, Result{Exit: Entry + 1, State: s}, results[0])
	want := s
	want.X[29] += want.X[30]
	require.Equal(t, Result{Exit: Entry + 1, State: want}, results[1])
	require.Equal(t, Result{Exit: Entry - 2, State: s}, results[2])
	require.Equal(t, Result{Exit: Entry + 5, State: s}, results[3])
	require.Equal(t, Result{Exit: Entry, State: s}, results[4])
	require.Equal(t, 5, results[6].Signal)
	require.Equal(t, Slot(6)+4*Entry, results[6].PC)
	require.Equal(t, s, results[6].State)
	require.Equal(t, 11, results[7].Signal)
	require.Equal(t, uint64(End), (results[7].Address+7)&^7)
	want = s
	want.X[0] = 0x0f0e0d0c0b0a0908
	require.Equal(t, Result{Exit: Entry + 1, State: want}, results[8])
}
