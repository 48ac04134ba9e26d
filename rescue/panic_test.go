package rescue

import (
	"bytes"
	"hash/crc32"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// routines are the panic routines that this CPU can run.
func routines() map[string]func(*handoff.PanicContext, uintptr, uintptr) physmem.Address {
	chosen := panicRoutine()
	return map[string]func(*handoff.PanicContext, uintptr, uintptr) physmem.Address{"plain": panicPlain, "chosen": chosen}
}

func testContext() *handoff.PanicContext {
	c := &handoff.PanicContext{
		Reason: handoff.ReasonUserFault, Depth: 1, CPU: 3, ExitCode: 2, Vector: 14, ErrorCode: 6, FaultAddress: 0xdead,
		PC: 0x1234, Stack: 0x5678, Root: 0x9000, MessageBuffer: 777, Entered: 42, StateLength: 16,
	}
	c.MessageLength = uint32(copy(c.Message[:], "nil dereference"))
	copy(c.State[:], "registers of cpu")
	return c
}

// run panics a host as its kernel would.
func (h *testHost) run(c *handoff.PanicContext) physmem.Address {
	return h.handler.Run(c, h.handler.Block, h.handler.PanicArea)
}

func (h *testHost) panicArea(t *testing.T, block *handoff.Block) *handoff.PanicArea {
	t.Helper()
	r := block.Range(handoff.PartPanicArea)
	area, err := handoff.ParsePanicArea(h.ram[r.Start-h.start : r.End-h.start])
	require.NoError(t, err)
	return area
}

func TestPanicHandsOver(t *testing.T) {
	t.Parallel()
	for name, routine := range routines() {
		h := newTestHost(t)
		armed := arm(t, testConfig(h))
		h.handler.Run = routine
		before := bytes.Clone(h.ram)
		require.Equal(t, armed.FreezePoint(), h.run(testContext()), name)

		area := h.panicArea(t, &armed.block)
		require.Equal(t, handoff.StateSealed, area.State)
		require.Equal(t, handoff.ReasonUserFault, area.Reason)
		require.Equal(t, "nil dereference", area.Message)
		require.Equal(t, []uint64{14, 6, 0xdead, 0x1234, 0x9000, 777, 2}, []uint64{area.Vector, area.ErrorCode, area.FaultAddress,
			area.PC, area.Root, area.MessageBuffer, area.ExitCode})
		require.Equal(t, uint64(42), area.Phases[handoff.PhaseEntered])
		require.Len(t, area.Registers, 1)
		require.Equal(t, uint32(3), area.Registers[0].CPU)
		require.Equal(t, "registers of cpu", string(area.Registers[0].State))
		require.Zero(t, area.BrokenSeals)

		// Only the panic area and the records were written.
		for _, part := range []handoff.Part{handoff.PartPanicArea, handoff.PartRecords} {
			r := armed.block.Range(part)
			copy(before[r.Start-h.start:r.End-h.start], h.ram[r.Start-h.start:])
		}
		require.True(t, bytes.Equal(before, h.ram), name)
	}
}

// Any broken byte under the first stage's seals stops the hand-off and is named.
func TestPanicRefusesBrokenSeals(t *testing.T) {
	t.Parallel()
	h := newTestHost(t)
	armed := arm(t, testConfig(h))
	block := &armed.block
	random := rand.New(rand.NewPCG(1, 2))
	flip := func(offset uint64, want uint64) {
		at := uint64(block.Reservation.Start-h.start) + offset
		for name, routine := range routines() {
			h.ram[at] ^= 1 << (offset % 8)
			require.Zero(t, routine(testContext(), h.handler.Block, h.handler.PanicArea), "%s: byte %#x", name, offset)
			h.ram[at] ^= 1 << (offset % 8)
			area := h.panicArea(t, block)
			require.Equal(t, handoff.StateRefused, area.State)
			require.Equal(t, want, area.BrokenSeals, "%s: byte %#x", name, offset)
		}
	}
	for offset := uint64(0); offset < handoff.HeaderLength; offset += 61 {
		flip(offset, headerBroken)
	}
	header := h.handler.Block
	seals := uintptr(load32(header + handoff.OffsetSealCount))
	require.Equal(t, uintptr(4), seals, "block, trampoline, page tables, image")
	for i := range seals {
		seal := header + handoff.OffsetSeals + i*handoff.SealSlotSize
		start, length := load64(seal+handoff.OffsetSealOffset), load64(seal+handoff.OffsetSealLength)
		for range 3 {
			flip(start+random.Uint64N(length), 1<<i)
		}
		flip(start, 1<<i)
		flip(start+length-1, 1<<i)
	}
	require.Equal(t, armed.FreezePoint(), h.run(testContext()), "all is whole again")
}

// again makes a context that of a panic on its own path.
func again(c *handoff.PanicContext) *handoff.PanicContext {
	c.Depth = 2
	c.Second = handoff.SecondPanic{Reason: handoff.ReasonDoubleFault, CPU: 3, PC: 0x4321, Stack: 0x8765}
	return c
}

// A second panic leaves a tombstone, and the path goes on with the next step.
func TestSecondPanic(t *testing.T) {
	t.Parallel()
	for step := uint32(0); step < stepsEnd; step++ {
		h := newTestHost(t)
		armed := arm(t, testConfig(h))
		c := testContext()
		for s := uint32(stepRecord); s <= step; s++ { // what was done by then
			switch s {
			case stepRecord:
				writeMinimal(c, h.handler.PanicArea)
			case stepComplete:
				writeRest(c, h.handler.PanicArea)
			}
		}
		store32(h.handler.PanicArea+handoff.PanicOffsetStep, step)
		to := h.run(again(c))
		area := h.panicArea(t, &armed.block)
		require.Equal(t, uint32(1), area.Nested)
		require.Equal(t, handoff.ReasonDoubleFault, area.Tombstone.Reason)
		require.Equal(t, uint64(0x4321), area.Tombstone.PC)
		require.Equal(t, uint64(0x8765), area.Tombstone.Stack)
		require.Equal(t, handoff.ReasonUserFault, area.Reason, "the first panic is not written over")
		if step < stepLeave {
			require.Equal(t, armed.FreezePoint(), to, "step %d", step)
			require.Equal(t, handoff.StateSealed, area.State)
			continue
		}
		require.Zero(t, to, "step %d: it would fault again", step)
	}
}

func TestPanicDistrustsLengths(t *testing.T) {
	t.Parallel()
	h := newTestHost(t)
	armed := arm(t, testConfig(h))
	c := testContext()
	c.MessageLength, c.StateLength = 1<<31, 1<<31
	require.NotZero(t, h.run(c))
	area := h.panicArea(t, &armed.block)
	require.Len(t, area.Message, handoff.MaxPanicMessage)
	require.Len(t, area.Registers[0].State, handoff.MaxPanicState)

	clear(h.ram[armed.block.Range(handoff.PartPanicArea).Start-h.start:][:8])
	require.Zero(t, h.run(testContext()), "an area without its magic is not one")
}

func TestCRC32C(t *testing.T) {
	t.Parallel()
	data := make([]byte, 300)
	for i := range data {
		data[i] = byte(i * 7)
	}
	p := uintptr(unsafe.Pointer(&data[0]))
	for n := range uintptr(len(data)) {
		want := crc32.Checksum(data[:n], crc32.MakeTable(crc32.Castagnoli))
		require.Equal(t, want, ^crcBits(^uint32(0), p, n), "%d bytes", n)
		require.Equal(t, want, ^crcHardware(^uint32(0), p, n), "%d bytes", n)
	}
}

func BenchmarkPanic(b *testing.B) {
	t := &testing.T{}
	h := newTestHost(t)
	if _, err := Arm(testConfig(h)); err != nil {
		b.Fatal(err)
	}
	c := testContext()
	for b.Loop() {
		h.run(c)
	}
}
