package gic_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/device/gic"
)

// Encodings as the manual has them (IHI 0069, 12.2).
func TestEncodings(t *testing.T) {
	t.Parallel()
	for register, want := range map[gic.SystemRegister]gic.SystemRegister{
		gic.PMR: gic.Encode(3, 0, 4, 6, 0), gic.IAR0: gic.Encode(3, 0, 12, 8, 0), gic.EOIR0: gic.Encode(3, 0, 12, 8, 1),
		gic.HPPIR0: gic.Encode(3, 0, 12, 8, 2), gic.BPR0: gic.Encode(3, 0, 12, 8, 3), gic.AP0R0: gic.Encode(3, 0, 12, 8, 4),
		gic.AP1R0: gic.Encode(3, 0, 12, 9, 0), gic.DIR: gic.Encode(3, 0, 12, 11, 1), gic.RPR: gic.Encode(3, 0, 12, 11, 3),
		gic.SGI1R: gic.Encode(3, 0, 12, 11, 5), gic.ASGI1R: gic.Encode(3, 0, 12, 11, 6), gic.SGI0R: gic.Encode(3, 0, 12, 11, 7),
		gic.IAR1: gic.Encode(3, 0, 12, 12, 0), gic.EOIR1: gic.Encode(3, 0, 12, 12, 1), gic.HPPIR1: gic.Encode(3, 0, 12, 12, 2),
		gic.BPR1: gic.Encode(3, 0, 12, 12, 3), gic.CTLR: gic.Encode(3, 0, 12, 12, 4), gic.SRE: gic.Encode(3, 0, 12, 12, 5),
		gic.IGRPEN0: gic.Encode(3, 0, 12, 12, 6), gic.IGRPEN1: gic.Encode(3, 0, 12, 12, 7), gic.SREEL2: gic.Encode(3, 4, 12, 9, 5), gic.HCREL2: gic.Encode(3, 4, 12, 11, 0),
	} {
		require.Equal(t, want, register)
	}
}
