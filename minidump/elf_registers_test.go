package minidump

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"testing"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/stretchr/testify/require"
)

// TestPRStatus compares the registers' places with those of Linux's struct
// elf_prstatus: user_regs_struct in asm/ptrace.h.
func TestPRStatus(t *testing.T) {
	t.Parallel()
	x86 := amd64.CPUState{
		Valid: amd64.StateGeneral | amd64.StateSegments, RAX: 1, RBX: 2, RCX: 3, RDX: 4, RSI: 5, RDI: 6, RBP: 7, RSP: 8,
		R8: 9, R9: 10, R10: 11, R11: 12, R12: 13, R13: 14, R14: 15, R15: 16, RIP: 17, RFLAGS: 18,
		CS: 19, SS: 20, DS: 21, ES: 22, FS: 23, GS: 24, FSBase: 25, GSBase: 26,
	}
	state, err := x86.AppendBinary(nil)
	require.NoError(t, err)
	c := CPUNote{Number: 6, Flags: CPUPanicked, Architecture: AMD64, State: state}
	b := prstatus(&c, linuxRegisters(&c, AMD64))
	require.Len(t, b, 336)
	require.EqualValues(t, 6, binary.LittleEndian.Uint32(b))      // SIGABRT
	require.EqualValues(t, 7, binary.LittleEndian.Uint32(b[32:])) // pid
	for i, want := range []uint64{16, 15, 14, 13, 7, 2, 12, 11, 10, 9, 1, 3, 4, 5, 6, ^uint64(0), 17, 19, 18, 8, 20, 25, 26, 21, 22, 23, 24, 0} {
		require.Equal(t, want, binary.LittleEndian.Uint64(b[112+8*i:]), "register %d", i)
	}

	arm := arm64.CPUState{Valid: arm64.StateGeneral, SP: 100, PC: 101, PSTATE: 102}
	for i := range arm.X {
		arm.X[i] = uint64(i)
	}
	state, err = arm.AppendBinary(nil)
	require.NoError(t, err)
	c = CPUNote{Architecture: ARM64, State: state}
	b = prstatus(&c, linuxRegisters(&c, ARM64))
	require.Len(t, b, 392)
	require.Zero(t, binary.LittleEndian.Uint32(b))
	for i, want := range []uint64{30: 30, 31: 100, 32: 101, 33: 102} {
		if i < 30 {
			want = uint64(i)
		}
		require.Equal(t, want, binary.LittleEndian.Uint64(b[112+8*i:]), "register %d", i)
	}

	for _, bad := range []CPUNote{
		{Architecture: AMD64, State: state},
		{Architecture: ARM64, State: state[:50]},
		{Architecture: ARM64, State: make([]byte, len(state))},
		{Architecture: ARM64},
	} {
		require.Nil(t, linuxRegisters(&bad, ARM64))
	}
}

// TestELFThreads converts a dump whose notes have CPUs of all kinds.
func TestELFThreads(t *testing.T) {
	t.Parallel()
	m := smallMachine(t)
	s := m.withNotes(m.source(), 2)
	good, err := (&amd64.CPUState{Valid: amd64.StateGeneral, RIP: 0x1234}).AppendBinary(nil)
	require.NoError(t, err)
	s.Notes.CPUs = []CPUNote{
		{Number: 0, Architecture: AMD64, State: good},
		{Number: 1, Architecture: AMD64, State: good[:9]},
		{Number: 2, Architecture: ARM64, State: good},
		{Number: 3, Architecture: AMD64, State: good, Flags: CPUPanicked},
		{Number: 4, Architecture: AMD64, State: good, Flags: CPUNotStopped},
		{Number: 5, Architecture: AMD64, State: bytes.Repeat([]byte{0xff}, 3000)},
	}
	_, _, r := openDump(t, s)
	_, data, f := convert(t, r)
	var threads []uint32
	for _, status := range elfNotes(t, f)[uint32(elf.NT_PRSTATUS)] {
		threads = append(threads, binary.LittleEndian.Uint32(status[32:]))
	}
	require.Equal(t, []uint32{4, 1, 5, 6}, threads)
	checkReadelf(t, data)
}
