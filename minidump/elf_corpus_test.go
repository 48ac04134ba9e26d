package minidump

import (
	"context"
	"debug/elf"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestELFRealDumps converts FreeBSD's own dumps and reads symbols of them.
func TestELFRealDumps(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		file    string
		machine elf.Machine
		want    map[uint64]uint32 // 32-bit numbers by address
		same    []uint64          // addresses that are one place in memory
	}{
		{"vmcore-amd64-minidump", elf.EM_X86_64, map[uint64]uint32{
			0xffffffff81cd4c0c: 100,        // hz
			0xffffffff81ca69a8: 100670,     // dumptid
			0xfffffe0045b13610: 0x009f5e00, // a PCB's r15, through a 2 MiB page
			0xfffffe00798c4748: 0x80c09b18, // a stack, through a page table
		}, []uint64{0xffffffff81cd4c0c, 0xfffff80000000000 + 0x1cd4c0c}},
		{"vmcore-arm64-minidump", elf.EM_AARCH64, map[uint64]uint32{
			0xffff000000e2651c: 1000,   // hz
			0xffff000000df3cf0: 100137, // dumptid
		}, []uint64{0xffff000000e2651c, 0xffffa00000000000 + 0x4a2651c}},
	} {
		t.Run(test.file, func(t *testing.T) {
			t.Parallel()
			c, err := NewELFCore(context.Background(), openCorpus(t, test.file))
			require.NoError(t, err)
			f, err := elf.NewFile(c)
			require.NoError(t, err)
			require.Equal(t, test.machine, f.Machine)
			var p, q [4]byte
			for va, want := range test.want {
				require.True(t, readVirtual(f, p[:], va), "%#x", va)
				require.Equal(t, want, binary.LittleEndian.Uint32(p[:]), "%#x", va)
			}
			require.True(t, readVirtual(f, p[:], test.same[0]))
			require.True(t, readVirtual(f, q[:], test.same[1]))
			require.Equal(t, p, q)
			head := make([]byte, min(c.Size(), 32<<20))
			_, err = c.ReadAt(head, 0)
			require.NoError(t, err)
		})
	}
}
