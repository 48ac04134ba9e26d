package arm64

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/emulator/arm64/internal/native"
)

// TestUserRegisters writes and reads the system registers that EL0 has, and
// clears memory by DC ZVA. SCTLR_EL1.DZE is set, as Linux has it. Of FPCR and
// FPSR what AArch32 uses is left out: QEMU's CPU has that, ours has not.
func TestUserRegisters(t *testing.T) {
	t.Parallel()
	if runtime.GOARCH == "arm64" {
		t.Skip("compares with a CPU model of QEMU's")
	}
	r := newRig(t, *seed+2, CortexA57, string(CortexA57))
	const (
		nzcv, fpcr, fpsr, tpidr = 0x1b4200, 0x1b4400, 0x1b4420, 0x1bd040
		dczid, daif             = 0x1b00e0, 0x1b4220
		write, read             = 0xd5000000, 0xd5200000
		zero                    = 0xd50b7420
	)
	for range 40 {
		for _, register := range []uint32{nzcv, fpcr, fpsr, tpidr} {
			s, d := r.random.Uint32N(30), r.random.Uint32N(30)
			c := native.Case{Code: [native.MaxCode]uint32{write | register | s, read | register | d}, State: r.state()}
			if register == fpcr || register == fpsr {
				c.X[s] &^= 0xf0370000
			}
			r.add("MSR, MRS", c)
		}
		r.add("MRS DCZID_EL0", native.Case{Code: [native.MaxCode]uint32{read | dczid | r.random.Uint32N(30)}, State: r.state()})
		r.add("MRS DAIF", native.Case{Code: [native.MaxCode]uint32{read | daif}, State: r.state()})
		c := native.Case{Code: [native.MaxCode]uint32{zero | 3}, State: r.state()}
		c.X[3] = native.End - 1 - r.random.Uint64N(256) // in the second half of the memory
		r.add("DC ZVA", c)
	}
	r.flush(func(name string, c *native.Case, d string) { t.Errorf("%s: %s\n\t%s", name, describe(c), d) })
	require.Empty(t, r.cases)
}
