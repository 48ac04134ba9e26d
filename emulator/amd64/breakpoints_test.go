package amd64

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// debugged is a CPU at 0x8000 whose #DB comes to 0x9000, on the same stack.
func debugged(t *testing.T, code []byte, change func(*machine.AMD64State)) *CPU {
	t.Helper()
	memory := emulator.NewMemory(physmem.NewRanges(physmem.Range{End: 0x100000}))
	require.NoError(t, machine.WriteIdentityTables(memory, 0x20000))
	s := machine.LongModeState(0x8000, 0x20000)
	s.GDTR, s.IDTR = machine.DescriptorTable{Base: 0x1000, Limit: 0x1f}, machine.DescriptorTable{Base: 0x2000, Limit: 0xfff}
	s.Registers[machine.RSP] = 0x7000
	change(s)
	for at, data := range map[physmem.Address][]byte{
		0x1010: {0xff, 0xff, 0, 0, 0, 0x9b, 0xaf, 0}, 0x1018: {0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0},
		0x2010: {0x00, 0x90, 0x10, 0, 0, 0x8e, 0, 0}, 0x8000: code, 0x9000: {0x48, 0xcf}, // iretq
	} {
		_, err := memory.WritePhysical(data, at)
		require.NoError(t, err)
	}
	c := New(0, memory, machine.NewBus(), false)
	require.NoError(t, c.SetState(s))
	return c
}

// where are the addresses of the instructions that a CPU comes to, each time by
// Run, which has its own way of executing them.
func where(c *CPU, n int) (at []uint64) {
	for range n {
		if exit := c.Run(c.count+1, true); exit != nil {
			return append(at, ^uint64(0))
		}
		at = append(at, c.rip)
	}
	return at
}

func TestInstructionBreakpoint(t *testing.T) {
	t.Parallel()
	c := debugged(t, []byte{0x90, 0x90, 0x90, 0x90}, func(s *machine.AMD64State) {
		s.DR[2], s.DR7 = 0x8001, 0x400|2<<4
	})
	require.Equal(t, []uint64{0x8001, 0x9000, 0x8001, 0x8002, 0x8003}, where(c, 5), "RF holds it back the second time")
	require.EqualValues(t, 1<<2, c.dr6&0xf)
	c = debugged(t, []byte{0x90, 0x90, 0x90, 0x90}, func(s *machine.AMD64State) { s.DR[2], s.DR7 = 0x8001, 0x400 })
	require.Equal(t, []uint64{0x8001, 0x8002, 0x8003}, where(c, 3), "it is not enabled")
}

func TestDataBreakpoints(t *testing.T) {
	t.Parallel()
	code := []byte{
		0x48, 0x89, 0x06, // mov [rsi], rax
		0x48, 0x8b, 0x06, // mov rax, [rsi]
		0x90,
	}
	for _, test := range []struct {
		name    string
		address uint64
		control uint64 // R/W and length of breakpoint 0
		stores  bool
		loads   bool
	}{
		{"writes", 0x3004, 1 | 3<<2, true, false},
		{"accesses", 0x3007, 3, true, true},
		{"eight bytes", 0x3000, 3 | 2<<2, true, true},
		{"beside", 0x3008, 3 | 2<<2, false, false},
		{"aligned down", 0x300b, 3 | 3<<2, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := debugged(t, code, func(s *machine.AMD64State) {
				s.Registers[machine.RSI], s.DR[0], s.DR7 = 0x3000, test.address, 0x401|test.control<<16
			})
			var want []uint64
			for i, hit := range []bool{test.stores, test.loads} {
				if hit {
					want = append(want, 0x9000)
				}
				want = append(want, uint64(0x8003+3*i))
			}
			want = append(want, 0x8007)
			got := where(c, len(want))
			require.Equal(t, want, got)
		})
	}
}

// Breakpoints that are turned on by the code itself count from the next
// instruction on, also for pages that were used before.
func TestBreakpointsTurnedOn(t *testing.T) {
	t.Parallel()
	c := debugged(t, []byte{
		0x48, 0x89, 0x06, // mov [rsi], rax
		0x0f, 0x23, 0xc6, // mov dr0, rsi
		0x0f, 0x23, 0xfb, // mov dr7, rbx
		0x48, 0x89, 0x06, // mov [rsi], rax
		0x90,
	}, func(s *machine.AMD64State) {
		s.Registers[machine.RSI], s.Registers[machine.RBX] = 0x3000, 0x401|1<<16
	})
	require.Nil(t, c.Run(4, true))
	require.EqualValues(t, 0x9000, c.rip)
}
