package handoff_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
)

// writePanic does what a host's panic path does, with plain stores.
func writePanic(area []byte) {
	u32 := func(at int, v uint32) { binary.LittleEndian.PutUint32(area[at:], v) }
	u64 := func(at int, v uint64) { binary.LittleEndian.PutUint64(area[at:], v) }
	u32(handoff.PanicOffsetReason, uint32(handoff.ReasonKernelFault))
	u32(handoff.PanicOffsetCPU, 1)
	u32(handoff.PanicOffsetMessageLength, uint32(copy(area[handoff.PanicOffsetMessage:], "page fault")))
	u64(handoff.PanicOffsetRoot, 0x1000)
	u64(handoff.PanicOffsetVector, 14)
	u64(handoff.PanicOffsetErrorCode, 2)
	u64(handoff.PanicOffsetFaultAddress, 0xdead)
	u64(handoff.PanicOffsetPC, 0x500000411234)
	u64(handoff.PanicOffsetMessageBuffer, 70000)
	u64(handoff.PanicOffsetPhases+8*int(handoff.PhaseSealed), 99)
	slot := handoff.PanicOffsetRegisters + handoff.RegisterSlotSize
	u32(slot+handoff.SlotOffsetCPU, 4)
	u64(slot+handoff.SlotOffsetTime, 5)
	u32(slot+handoff.SlotOffsetLength, 3)
	copy(area[slot+handoff.SlotOffsetState:], "abc")
	u32(slot+handoff.SlotOffsetValid, 1)
	u32(handoff.PanicOffsetTombstone+handoff.TombstoneOffsetReason, uint32(handoff.ReasonNMI))
	u64(handoff.PanicOffsetTombstone+handoff.TombstoneOffsetPC, 7)
	u32(handoff.PanicOffsetState, uint32(handoff.StateSealed))
}

func TestPanicArea(t *testing.T) {
	t.Parallel()
	area, err := handoff.AppendPanicArea(nil, 3)
	require.NoError(t, err)
	require.Len(t, area, 0x4000)
	empty, err := handoff.ParsePanicArea(area)
	require.NoError(t, err)
	require.Equal(t, &handoff.PanicArea{}, empty)

	writePanic(area)
	p, err := handoff.ParsePanicArea(area)
	require.NoError(t, err)
	want := &handoff.PanicArea{
		State: handoff.StateSealed, Reason: handoff.ReasonKernelFault, CPU: 1, Message: "page fault",
		Root: 0x1000, Vector: 14, ErrorCode: 2, FaultAddress: 0xdead, PC: 0x500000411234, MessageBuffer: 70000,
		Tombstone: handoff.Tombstone{Reason: handoff.ReasonNMI, PC: 7},
		Registers: []handoff.Registers{{Slot: 1, CPU: 4, Time: 5, State: []byte("abc")}},
	}
	want.Phases[handoff.PhaseSealed] = 99
	require.Equal(t, want, p)
}

// TestPanicAreaHostile has lengths beyond all bounds: they are clamped.
func TestPanicAreaHostile(t *testing.T) {
	t.Parallel()
	area, err := handoff.AppendPanicArea(nil, 1)
	require.NoError(t, err)
	writePanic(append(area, make([]byte, handoff.RegisterSlotSize)...)[:len(area)+handoff.RegisterSlotSize])
	for _, at := range []int{handoff.PanicOffsetMessageLength, handoff.PanicOffsetCPUs, handoff.PanicOffsetRegisters + handoff.SlotOffsetLength} {
		binary.LittleEndian.PutUint32(area[at:], 0xffffffff)
	}
	binary.LittleEndian.PutUint32(area[handoff.PanicOffsetRegisters:], 1)
	p, err := handoff.ParsePanicArea(area)
	require.NoError(t, err)
	require.Len(t, p.Message, handoff.MaxMessage)
	require.Len(t, p.Registers[0].State, handoff.MaxRegisters)

	for _, tt := range []struct {
		name string
		area []byte
		want error
	}{
		{"short", area[:handoff.PanicOffsetRegisters-1], handoff.ErrTruncated},
		{"zeros", make([]byte, len(area)), handoff.ErrMagic},
		{"version", append(append(bytesOf(area[:8]), 2), area[9:]...), handoff.ErrVersion},
	} {
		_, err := handoff.ParsePanicArea(tt.area)
		require.ErrorIs(t, err, tt.want, tt.name)
	}
	for _, cpus := range []int{-1, 0, handoff.MaxCPUs + 1} {
		_, err := handoff.AppendPanicArea(nil, cpus)
		require.Error(t, err)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ got, want string }{
		{handoff.PartBlock.String(), "hand-off block"},
		{handoff.PartProgram.String(), "program memory"},
		{handoff.Part(40).String(), "part 40"},
		{(handoff.AccessWrite | handoff.AccessHostWrite).String(), "read, write, host write"},
		{handoff.StateRefused.String(), "hand-off refused"},
		{handoff.State(50).String(), "state 50"},
		{handoff.ReasonWatchdog.String(), "watchdog"},
		{handoff.Reason(50).String(), "reason 50"},
		// Where int has 32 bits these are negative.
		{handoff.Reason(1 << 31).String(), "reason 2147483648"},
		{handoff.State(1 << 31).String(), "state 2147483648"},
		{handoff.DigestKind(1 << 31).String(), "digest kind 2147483648"},
		{handoff.Part(1 << 31).String(), "part 2147483648"},
		{handoff.AMD64.String() + handoff.ARM64.String() + handoff.Architecture(9).String(), "amd64arm64machine 9"},
		{handoff.RoleHost.String() + handoff.RoleRescue.String() + handoff.Role(9).String(), "hostrescuerole 9"},
		{handoff.DigestReadOnly.String() + handoff.DigestKind(90).String(), "read-only datadigest kind 90"},
	} {
		require.Equal(t, tt.want, tt.got)
	}
}

func FuzzParsePanicArea(f *testing.F) {
	area, err := handoff.AppendPanicArea(nil, 2)
	require.NoError(f, err)
	f.Add(bytesOf(area))
	writePanic(area)
	f.Add(area)
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := handoff.ParsePanicArea(data)
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(p.Message), handoff.MaxMessage)
		require.LessOrEqual(t, len(p.Registers), handoff.MaxCPUs)
	})
}

func TestPanicAreaLayout(t *testing.T) {
	t.Parallel()
	require.Equal(t, handoff.PanicOffsetRegisters, handoff.PanicOffsetMessage+handoff.MaxMessage)
	require.Equal(t, 8192, int(handoff.PanicAreaSize(0)))
}
