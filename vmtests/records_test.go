package vmtests

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/reserve"
)

// reservationBytes is the reservation as the machine has it now.
func (h *handOff) reservationBytes(r physmem.Range) []byte {
	h.t.Helper()
	data := make([]byte, r.Size())
	_, err := h.machine.Memory().ReadPhysical(data, r.Start)
	require.NoError(h.t, err)
	return data
}

// blockNow is the hand-off block as the machine has it now.
func (h *handOff) blockNow() *handoff.Block {
	h.t.Helper()
	header := h.reservationBytes(physmem.Range{Start: h.block, End: h.block + handoff.HeaderLength})
	length := binary.LittleEndian.Uint32(header[handoff.OffsetTotalLength:])
	block, err := handoff.Parse(h.reservationBytes(physmem.Range{Start: h.block, End: h.block + physmem.Address(length)}))
	require.NoError(h.t, err)
	return block
}

// records are the fault records in the reservation as the machine has it now.
func (h *handOff) records(block *handoff.Block) []*record.Record {
	h.t.Helper()
	contents, err := record.Parse(h.reservationBytes(block.Range(handoff.PartRecords)))
	require.NoError(h.t, err)
	require.False(h.t, contents.Damaged)
	require.Zero(h.t, contents.Torn)
	var all []*record.Record
	for _, stored := range contents.Records {
		r, err := record.Decode(stored.Data)
		require.NoError(h.t, err)
		if r.Class != record.ClassLoss { // memory that held no area begins with one
			all = append(all, r)
		}
	}
	return all
}

// One host after the other finds what the one before left in memory: the records,
// and how many panics there were in a row. From the fourth on there is no
// hand-off, until a host says that it is well.
func TestRecordsSurviveWarmResets(t *testing.T) {
	r := dumps()
	_, at := learn(t, r, machine.Config{}, "", witnessProgram)
	var left []byte
	boot := func(command string) (*handOff, *handoff.Block, machine.Exit) {
		h := start(t, r, machine.Config{}, command, witnessProgram)
		if left != nil {
			_, err := h.machine.Memory().WritePhysical(left, at)
			require.NoError(t, err)
		}
		h.block = at
		exit := h.finish()
		block := h.blockNow()
		left = h.reservationBytes(block.Reservation)
		return h, block, exit
	}
	for n := 1; n <= 5; n++ {
		h, block, exit := boot("panic=call ")
		area := h.panicArea(block)
		require.Equal(t, uint32(n), area.Orders.Loop)
		if n > 1 {
			require.Contains(t, h.console.String(), fmt.Sprintf("host: boot %d, %d panics in a row", n, n-1))
			require.Contains(t, h.console.String(), "host.fault.panic: the operator asked for it")
		}
		if n <= 3 {
			require.Contains(t, h.console.String(), "witness: done", "%v", exit)
			continue
		}
		require.Equal(t, machine.Reset, exit.Reason, "%s", h.console)
		require.NotContains(t, h.console.String(), "witness:")
		require.Equal(t, handoff.StateRefused, area.State)
		require.Zero(t, area.BrokenSeals)
		require.Contains(t, h.console.String(), "the operator asked for it")
		last := h.records(block)
		require.Equal(t, "the operator asked for it", last[len(last)-1].Message)
	}
	boot("panic=none healthy=1 ")
	h, _, exit := boot("panic=call ")
	require.Contains(t, h.console.String(), "witness: done", "%v", exit)
}

// The record is there, valid and whole, however the hand-off ends.
func TestRecordOutlivesTheDump(t *testing.T) {
	type order struct {
		offset int
		value  uint64
	}
	const nowhere = 1 << 44
	for _, test := range []struct {
		name   string
		spoil  func(h *handOff, block *handoff.Block)
		orders []order
		nested uint32
		state  handoff.State
		whole  bool
		done   bool // the hand-off goes on all the same
	}{
		{name: "nothing is wrong", state: handoff.StateEnteredGo, whole: true, done: true},
		{name: "a seal", spoil: func(h *handOff, b *handoff.Block) { h.flip(b.Parts[handoff.PartImage].Offset) }, state: handoff.StateRefused, whole: true},
		{name: "stopping CPUs faults", orders: []order{{handoff.OrderOffsetStop, nowhere}}, nested: 1, whole: true, done: true},
		{name: "the guard faults", orders: []order{{handoff.OrderOffsetGuard, nowhere}}, nested: 1, state: handoff.StateCaptured},
		{name: "stopping and the guard fault", orders: []order{{handoff.OrderOffsetStop, nowhere}, {handoff.OrderOffsetGuard, nowhere}}, nested: 1, state: handoff.StateCaptured},
		{name: "the watchdog's function faults", orders: []order{{handoff.OrderOffsetPat, nowhere}}, nested: 1, whole: true, done: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := armedHost(t, dumps(), machine.Config{}, "call", "", witnessProgram)
			r, err := reserve.Open(h.machine.Memory(), h.block, reserve.StageBoth)
			require.NoError(t, err)
			if test.spoil != nil {
				test.spoil(h, r.Block)
			}
			for _, o := range test.orders {
				at := r.Block.Range(handoff.PartPanicArea).Start + handoff.PanicOffsetOrders + physmem.Address(o.offset)
				_, err := h.machine.Memory().WritePhysical(binary.LittleEndian.AppendUint64(nil, o.value), at)
				require.NoError(t, err)
			}
			exit := h.finish()
			area := h.panicArea(r.Block)
			require.Equal(t, test.nested, area.Nested, "%v\n%s", area, h.console)
			if test.done {
				require.Contains(t, h.console.String(), "witness: done", "%v", exit)
			} else {
				require.Equal(t, machine.Reset, exit.Reason, "%v\n%s", exit, h.console)
				require.Equal(t, test.state, area.State)
			}
			if test.state == handoff.StateRefused {
				outcomes := map[string]handoff.Outcome{}
				for _, n := range area.Notifiers {
					outcomes[n.Name] = n.Outcome
				}
				require.Equal(t, handoff.OutcomeDone, outcomes["goodbye"], "where there is no hand-off the other notifiers are called")
			}
			all := h.records(r.Block)
			require.Len(t, all, 1)
			last := all[0]
			require.Equal(t, record.ClassPanic, last.Class)
			require.Equal(t, "the operator asked for it", last.Message)
			require.Equal(t, uint32(handoff.ReasonCall), last.Reason)
			require.NotEmpty(t, last.Registers)
			require.Equal(t, !test.whole, last.Flags&record.FlagMinimal != 0)
			require.Equal(t, test.whole, len(last.Stack) != 0)
		})
	}
}

// minimalRecord is how long after the panic the minimal record of a host was
// complete, by the guest's own counter.
func minimalRecord(t testing.TB, r runner) time.Duration {
	t.Helper()
	h := armedHost(t, r, machine.Config{}, "nil", "", witnessProgram)
	exit, err := h.machine.RunTo(h.context(), h.freeze)
	require.NoError(t, err)
	require.Equal(t, machine.Breakpoint, exit.Reason, "%v\n%s", exit, h.console)
	block := h.blockNow()
	area := h.panicArea(block)
	ticks := area.Phases[handoff.PhaseRecorded] - area.Phases[handoff.PhaseEntered]
	return time.Duration(record.Nanoseconds(ticks, block.Clock.Kilohertz))
}

// The minimal record is complete soon after the panic. An emulated machine has one
// nanosecond an instruction, always: this counts. BenchmarkMinimalRecord has the
// time that it takes, which is to be less than a millisecond.
func TestMinimalRecordIsSoonThere(t *testing.T) {
	for _, r := range []runner{onEmulator, onEmulatedARM64} {
		t.Run(string(r.architecture), func(t *testing.T) {
			instructions := minimalRecord(t, r).Nanoseconds()
			t.Logf("minimal record after %d instructions", instructions)
			require.Positive(t, instructions)
			require.Less(t, instructions, int64(leastRecord))
		})
	}
}

// leastRecord is how many instructions the minimal record may take: a tenth of
// a millisecond for a CPU that executes one a nanosecond.
const leastRecord = 100_000

// BenchmarkMinimalRecord tells the median time from the panic to the minimal
// record.
func BenchmarkMinimalRecord(b *testing.B) {
	var times []float64
	for range b.N {
		times = append(times, float64(minimalRecord(b, onKVM).Nanoseconds()))
	}
	b.ReportMetric(median(times), "minimal-record-ns")
}

// CPU 0 is dead: another CPU panics, does not wait for ever, and hands over.
func TestCPU0IsDead(t *testing.T) {
	if !haveKVM() {
		t.Skip("the machine must take a CPU away while it runs")
	}
	config := machine.Config{CPUs: 2, InterruptController: true}
	h := armedHost(t, onKVM, config, "lockup", "cpus=2 patience=100ms ", witnessProgram)
	h.runFor(20 * time.Millisecond)
	state, err := h.machine.State(0)
	require.NoError(t, err)
	dead := *state.(*machine.AMD64State)
	dead.Activity = machine.Off
	require.NoError(t, h.machine.SetState(0, &dead))
	h.freezeHere()
	said := h.requireTrue(h.finish(), handoff.ReasonUserFault, "")
	requireFacts(t, said, map[string]string{"not_stopped": "1", "cpus": "[1]"})
}
