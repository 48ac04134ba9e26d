package arm64

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// TestKnownVectors executes instructions on vector registers that were once
// executed wrong, or that random operands seldom reach. What they give is from
// QEMU.
func TestKnownVectors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name       string
		word       uint32 // of V0, V1 and V2
		fpcr       uint64
		d, n, m    word128
		want       word128
		cumulative uint64
	}{
		{"SQADD saturates a negative sum of 64 bits", 0x4ee20c20, 0, word128{}, word128{1 << 63, 1<<63 - 1}, word128{^uint64(0), 1},
			word128{1 << 63, 1<<63 - 1}, 1 << 27},
		{"SQSUB of 64 bits", 0x5ee22c20, 0, word128{}, word128{1 << 63}, word128{1}, word128{1 << 63}, 1 << 27},
		{"SQDMLAL saturates to the lowest number", 0x5ea29020, 0, word128{1 << 63}, word128{0xffffffff}, word128{1}, word128{1 << 63}, 1 << 27},
		{"FCVT to half of a large negative number, alternative format", 0x1e63c020, 1 << 26, word128{}, word128{0xc7efffffe0000000}, word128{},
			word128{0xffff}, 1},
		{"FCVT to half of minus infinity, alternative format", 0x1e63c020, 1 << 26, word128{}, word128{0xfff0000000000000}, word128{},
			word128{0xffff}, 1},
		{"FMADD of infinity times zero", 0x1f420020, 0, word128{}, word128{0x7ff0000000000000}, word128{}, word128{0x7ff8000000000000}, 1},
	} {
		memory := emulator.NewMemory(physmem.NewRanges(physmem.Range{End: 0x2000}))
		_, err := memory.WritePhysical(binary.LittleEndian.AppendUint32(nil, tt.word), 0)
		require.NoError(t, err)
		c := New(0, memory, Config{Model: Max})
		require.NoError(t, c.SetState(&machine.ARM64State{PSTATE: 5, System: map[string]uint64{"CPACR_EL1": 3 << 20}}))
		c.v[0], c.v[1], c.v[2], c.fpcr = tt.d, tt.n, tt.m, tt.fpcr
		require.Nil(t, c.Step(), tt.name)
		require.Equal(t, uint64(4), c.pc, tt.name)
		require.Equal(t, tt.want, c.v[0], tt.name)
		require.Equal(t, tt.cumulative, c.fpsr, tt.name)
	}
}
