package amd64

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// enforcing is a CPU with CET on: its shadow stack is the page at 0x5000.
func enforcing(t *testing.T, control uint64, code []byte) *CPU {
	t.Helper()
	c := debugged(t, code, func(s *machine.AMD64State) { s.CR4 |= cr4CET })
	c.cet.control[0], c.cet.ssp = control, 0x5f00
	// One page of the identity map becomes read only and dirty: 4 KiB pages for it.
	put := func(at physmem.Address, v uint64) {
		for i := range 8 {
			_, err := c.memory.WritePhysical([]byte{byte(v >> (8 * i))}, at+physmem.Address(i))
			require.NoError(t, err)
		}
	}
	for page := range uint64(512) {
		flags := uint64(0x63)
		if page == 5 {
			flags = 0x61
		}
		put(physmem.Address(0x30000+8*page), page<<12|flags)
	}
	put(0x22000, 0x30000|0x63)
	c.flushTLB()
	return c
}

// runs steps a CPU until #CP comes, and gives it.
func runs(t *testing.T, c *CPU, steps int) amd64.Vector {
	t.Helper()
	for range steps {
		c.fault = fault{}
		if exit := c.Step(); exit != nil { // there is no gate for #CP, or it cannot be delivered
			require.Contains(t, []machine.Reason{machine.TripleFault, machine.Failed}, exit.Reason, "%v", exit)
			require.Contains(t, exit.Detail, "#CP")
			return amd64.VectorControlProtection
		}
	}
	return 0
}

func TestIndirectBranchTracking(t *testing.T) {
	t.Parallel()
	jump := []byte{0xff, 0xe0, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90} // jmp rax
	for _, test := range []struct {
		name    string
		control uint64
		at      []byte // at 0x8010
		prefix  []byte
		want    amd64.Vector
	}{
		{"ENDBR64", cetEndbranch, []byte{0xf3, 0x0f, 0x1e, 0xfa, 0x90}, nil, 0},
		{"none", cetEndbranch, []byte{0x90}, nil, amd64.VectorControlProtection},
		{"off", 0, []byte{0x90, 0x90}, nil, 0},
		{"not tracked", cetEndbranch | cetNoTrack, []byte{0x90, 0x90}, []byte{0x3e}, 0},
		{"not tracked, not allowed", cetEndbranch, []byte{0x90, 0x90}, []byte{0x3e}, amd64.VectorControlProtection},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			code := append(append([]byte{}, test.prefix...), jump...)
			code = append(append(code, make([]byte, 16-len(code))...), test.at...)
			c := enforcing(t, test.control, code)
			c.r[machine.RAX] = 0x8010
			v := runs(t, c, 3)
			require.Equal(t, test.want, v)
		})
	}
}

func TestShadowStack(t *testing.T) {
	t.Parallel()
	call := []byte{0xe8, 3, 0, 0, 0, 0x90, 0x90, 0x90, 0xc3} // call to ret
	c := enforcing(t, cetShadow, call)
	v := runs(t, c, 1)
	require.Zero(t, v)
	require.EqualValues(t, 0x5ef8, c.cet.ssp)
	v = runs(t, c, 1)
	require.Zero(t, v)
	require.EqualValues(t, 0x8005, c.rip)
	require.EqualValues(t, 0x5f00, c.cet.ssp)

	c = enforcing(t, cetShadow, call)
	runs(t, c, 1)
	require.True(t, c.store64(c.r[machine.RSP], 0x9000)) // somebody overwrites the return address
	sp := c.r[machine.RSP]
	v = runs(t, c, 1)
	require.Equal(t, amd64.VectorControlProtection, v)
	require.Equal(t, sp, c.r[machine.RSP])

	c = enforcing(t, cetShadow, []byte{0x48, 0x89, 0x06})
	c.r[machine.RSI] = 0x5000
	c.Step()
	require.EqualValues(t, 0x5000, c.cr2, "an ordinary store to a shadow stack is a page fault")

	c = enforcing(t, cetShadow, []byte{0x48, 0xcf})
	exit := c.Step()
	require.NotNil(t, exit)
	require.Equal(t, machine.Failed, exit.Reason)
	require.Contains(t, exit.Detail, "IRET with shadow stacks on is not there")
}
