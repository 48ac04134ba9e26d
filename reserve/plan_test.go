package reserve_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/reserve"
	"github.com/seed64aab995/rescuekernel/trampoline"
)

const (
	mib = physmem.Address(1 << 20)
	gib = physmem.Address(1 << 30)
)

// fakeTrampoline has the addresses in its code, so that tests see them.
type fakeTrampoline struct {
	fail error
	got  *reserve.TrampolineAddresses
	long int
}

func (fakeTrampoline) Sizes() (code, data, stack int) { return 5000, 100, 4096 }

func (f fakeTrampoline) Build(a reserve.TrampolineAddresses) (code, data []byte, entry int, err error) {
	if f.got != nil {
		*f.got = a
	}
	code = bytes.Repeat([]byte{0xcc}, 5000+f.long)
	binary.LittleEndian.PutUint64(code, a.Entry)
	data = bytes.Repeat([]byte{0x11}, 100)
	return code, data, 64, f.fail
}

// request asks for a reservation of 8 MiB at start in a host with memory.
func request(t testing.TB, start physmem.Address, memory ...physmem.Range) reserve.Request {
	t.Helper()
	return reserve.Request{
		Reservation: physmem.Range{Start: start, End: start + 8*mib},
		Image:       openELF(t, makeELF(textAt+0x1000, standard())),
		Trampoline:  fakeTrampoline{},
		Memory:      memory,
		Host:        handoff.Host{KernelBase: handoff.KernelBase, KernelEnd: handoff.KernelBase + 5<<30, Name: "anvil"},
		DumpAvail:   handoff.Region{Length: 48, Extents: []physmem.Range{{Start: memory[0].Start, End: memory[0].Start + 48}}},
		Bitmap:      handoff.Region{Length: 4096, Extents: []physmem.Range{{Start: memory[0].Start + 0x1000, End: memory[0].Start + 0x2000}}},
		Environment: handoff.Environment{{Name: "rescue.end", Value: "reset"}},
		Firmware: []reserve.FirmwareTable{
			{Kind: handoff.FirmwareE820, EntrySize: 20, Data: bytes.Repeat([]byte{7}, 40)},
			{Kind: handoff.FirmwareFDT, Data: []byte("device tree")},
			{Kind: handoff.FirmwareACPI, Address: 0xe0000},
		},
		CPUs: 2,
		Seed: [32]byte{1, 2, 3},
	}
}

func newPlan(t testing.TB, q reserve.Request) *reserve.Plan {
	t.Helper()
	plan, err := reserve.New(nowhere{}, q)
	require.NoError(t, err)
	return plan
}

// nowhere is memory that cannot be read: there is no earlier block.
type nowhere struct{}

func (nowhere) ReadPhysical(p []byte, address physmem.Address) (int, error) {
	return 0, &physmem.AccessError{Operation: "read", Range: physmem.Range{Start: address, End: address + physmem.Address(len(p))}, Err: physmem.ErrOutside}
}

// populated is a plan written to memory of its own.
func populated(t testing.TB, q reserve.Request) (*reserve.Plan, *physmem.Sparse) {
	t.Helper()
	memory := physmem.NewSparse(physmem.NewRanges(append([]physmem.Range{q.Reservation}, q.Memory...)...))
	plan, err := reserve.New(memory, q)
	require.NoError(t, err)
	require.NoError(t, plan.Populate(memory))
	return plan, memory
}

// TestPlanOpens takes a reservation from request to the other side.
func TestPlanOpens(t *testing.T) {
	t.Parallel()
	q := request(t, 64*mib, physmem.Range{Start: 0x1000, End: 256 * mib})
	var addresses reserve.TrampolineAddresses
	q.Trampoline = fakeTrampoline{got: &addresses}
	q.Records = []byte("last words")
	q.Redactions = physmem.Ranges{{Start: 0x5000, End: 0x5010}, {Start: 0x4000, End: 0x4800}, {Start: 0x4400, End: 0x4900}}
	plan, memory := populated(t, q)
	require.Nil(t, plan.Earlier())

	r, err := reserve.Open(memory, q.Reservation.Start, reserve.StageBoth)
	require.NoError(t, err)
	b := r.Block
	planned := plan.Block()
	require.Equal(t, &planned, b)
	require.Equal(t, []physmem.Range{{Start: 0x1000, End: 64 * mib}, {Start: 72 * mib, End: 256 * mib}}, b.Memory)
	require.Equal(t, []physmem.Range{{Start: 0x4000, End: 0x4900}, {Start: 0x5000, End: 0x5010}}, b.Redactions)
	require.Equal(t, uint64(8*mib), b.Parts[handoff.PartProgram].End(), "no byte is left over")
	require.Equal(t, handoff.DirectMapBase+1<<30, b.Space.DirectMapEnd)
	require.Equal(t, handoff.KernelBase+5<<30, b.Space.WindowEnd)

	environment, err := r.Environment()
	require.NoError(t, err)
	require.Equal(t, q.Environment, environment)
	area, err := r.PanicArea()
	require.NoError(t, err)
	require.Equal(t, handoff.StateArmed, area.State)
	for _, want := range q.Firmware {
		got, err := r.Firmware(want.Kind)
		require.NoError(t, err)
		require.Equal(t, &want, got)
	}
	none, err := r.Firmware(handoff.FirmwareEFIMap)
	require.NoError(t, err)
	require.Nil(t, none)
	records, err := r.Part(handoff.PartRecords)
	require.NoError(t, err)
	require.Equal(t, append([]byte("last words"), make([]byte, 64<<10-10)...), records)

	require.Equal(t, reserve.TrampolineAddresses{
		Code: r.Block.Range(handoff.PartTrampoline).Start, Data: r.Block.Range(handoff.PartTrampolineRAM).Start,
		StackTop: r.Block.Range(handoff.PartTrampolineRAM).End,
		Root4:    q.Reservation.Start + physmem.Address(b.Tables.Root4),
		Block:    q.Reservation.Start, BlockVirtual: handoff.DirectMapBase + uint64(q.Reservation.Start),
		Entry: textAt + 0x1000, EntryStack: handoff.EntryStackTop,
	}, addresses)
	require.Equal(t, b.Parts[handoff.PartTrampoline].Offset+64, b.TrampolineEntry)
	code, err := r.Part(handoff.PartTrampoline)
	require.NoError(t, err)
	require.Equal(t, uint64(textAt+0x1000), binary.LittleEndian.Uint64(code))
}

// TestPlanTrampoline has the trampoline of package trampoline.
func TestPlanTrampoline(t *testing.T) {
	t.Parallel()
	q := request(t, 64*mib, physmem.Range{Start: 0x1000, End: 256 * mib})
	q.Trampoline, q.PagingLevels = nil, 5
	plan, memory := populated(t, q)
	b := plan.Block()
	checkTables(t, q, &b, memory, 4)
	r, err := reserve.Open(memory, q.Reservation.Start, reserve.StageBoth)
	require.NoError(t, err)
	got, err := r.Part(handoff.PartTrampoline)
	require.NoError(t, err)
	want, err := trampoline.PatchAMD64(trampoline.AMD64{
		Page:  r.Block.Range(handoff.PartTrampoline).Start,
		Stack: r.Block.Range(handoff.PartTrampolineRAM).End,
		Root4: q.Reservation.Start + physmem.Address(b.Tables.Root4),
		Root5: q.Reservation.Start + physmem.Address(b.Tables.Root5),
		Entry: textAt + 0x1000, EntryStack: handoff.EntryStackTop,
		Block: q.Reservation.Start, BlockVA: handoff.DirectMapBase + uint64(q.Reservation.Start),
	})
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Equal(t, b.Parts[handoff.PartTrampoline].Offset, b.TrampolineEntry)
}

func TestPlanTrampolineARM64(t *testing.T) {
	t.Parallel()
	q := request(t, 64*mib, physmem.Range{Start: 0x1000, End: 256 * mib})
	q.Trampoline, q.Image.Architecture = nil, handoff.ARM64
	q.Calls = handoff.FirmwareCalls{Console: 0x900_0000, Conduit: handoff.ConduitSMC}
	plan, memory := populated(t, q)
	b := plan.Block()
	checkTables(t, q, &b, memory, 4)
	r, err := reserve.Open(memory, q.Reservation.Start, reserve.StageBoth)
	require.NoError(t, err)
	require.Equal(t, q.Calls, r.Block.Calls)
	got, err := r.Part(handoff.PartTrampoline)
	require.NoError(t, err)
	want, err := trampoline.PatchARM64(trampoline.ARM64{
		Page:  r.Block.Range(handoff.PartTrampoline).Start,
		Root:  q.Reservation.Start + physmem.Address(b.Tables.Root4),
		Entry: textAt + 0x1000, EntryStack: handoff.EntryStackTop,
		Block: q.Reservation.Start, BlockVA: handoff.DirectMapBase + uint64(q.Reservation.Start), Conduit: handoff.ConduitSMC,
	})
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestPlanIsDeterministic(t *testing.T) {
	t.Parallel()
	read := func() []byte {
		q := request(t, 64*mib, physmem.Range{Start: 0x1000, End: 256 * mib})
		_, memory := populated(t, q)
		data := make([]byte, 8*mib)
		_, err := memory.ReadPhysical(data, q.Reservation.Start)
		require.NoError(t, err)
		return data
	}
	require.True(t, bytes.Equal(read(), read()))
}

// TestPlanGolden holds every byte of a reservation: the same request gives
// them on every machine. A change here that is meant is a new figure, and one
// in handoff's format a new version.
func TestPlanGolden(t *testing.T) {
	t.Parallel()
	_, _, data, _ := whole(t)
	require.Equal(t, "5eec8609a11a2c2fc9a559d6ab82edddcb6d26b2775e7dbc9234d8409e739203", fmt.Sprintf("%x", sha256.Sum256(data)))
}

// TestPopulateOverwrites begins with memory full of garbage.
func TestPopulateOverwrites(t *testing.T) {
	t.Parallel()
	q := request(t, 64*mib, physmem.Range{Start: 0x1000, End: 64 * mib})
	_, want := populated(t, q)
	garbage := physmem.NewBytes(64*mib, bytes.Repeat([]byte{0x5a}, 8<<20))
	plan := newPlan(t, q)
	require.NoError(t, plan.Populate(garbage))
	a, b := make([]byte, 8<<20), make([]byte, 8<<20)
	_, err := want.ReadPhysical(a, 64*mib)
	require.NoError(t, err)
	_, err = garbage.ReadPhysical(b, 64*mib)
	require.NoError(t, err)
	require.True(t, bytes.Equal(a, b))
}

func TestPlanRefused(t *testing.T) {
	t.Parallel()
	host := physmem.Range{Start: 0x1000, End: 256 * mib}
	broken := errors.New("no assembler")
	for _, tt := range []struct {
		name  string
		want  string
		spoil func(*reserve.Request)
	}{
		{"empty", "empty or not in whole pages", func(q *reserve.Request) { q.Reservation.End = q.Reservation.Start }},
		{"not in pages", "empty or not in whole pages", func(q *reserve.Request) { q.Reservation.End++ }},
		{"page 0", "page 0", func(q *reserve.Request) { q.Reservation = physmem.Range{End: 8 * mib} }},
		{"beyond the direct map", "beyond the direct map", func(q *reserve.Request) {
			q.Reservation = physmem.Range{Start: 16 << 40, End: 16<<40 + 8*mib}
		}},
		{"interrupt tables", "an interrupt controller writes to tables in it", func(q *reserve.Request) {
			within := q.Reservation.Start + mib
			q.Interrupts = []handoff.InterruptTable{{Kind: handoff.InterruptPending, Memory: physmem.Range{Start: within, End: within + 0x2000}}}
		}},
		{"interrupt table without a kind", "interrupt tables", func(q *reserve.Request) {
			q.Interrupts = []handoff.InterruptTable{{Memory: physmem.Range{Start: 0x1000, End: 0x2000}}}
		}},
		{"no image", "no image", func(q *reserve.Request) { q.Image = nil }},
		{"trampoline fails", "trampoline: no assembler", func(q *reserve.Request) { q.Trampoline = fakeTrampoline{fail: broken} }},
		{"trampoline too long", "announced were", func(q *reserve.Request) { q.Trampoline = fakeTrampoline{long: 1} }},
		{"too many CPUs", "257 CPUs", func(q *reserve.Request) { q.CPUs = 257 }},
		{"paging levels", "3 levels", func(q *reserve.Request) { q.PagingLevels = 3 }},
		{"records not in pages", "records of 0x10 bytes", func(q *reserve.Request) { q.RecordsSize = 16 }},
		{"records too long", "8193 bytes of records", func(q *reserve.Request) { q.RecordsSize, q.Records = 8192, make([]byte, 8193) }},
		{"no memory", "no memory", func(q *reserve.Request) { q.Memory = physmem.Ranges{q.Reservation} }},
		{"memory beyond the direct map", "direct map ends", func(q *reserve.Request) {
			q.Memory = append(q.Memory, physmem.Range{Start: 16 << 40, End: 16<<40 + 0x1000})
		}},
		{"environment", "environment: ", func(q *reserve.Request) { q.Environment = handoff.Environment{{Name: "="}} }},
		{"metadata too large", "firmware table 0", func(q *reserve.Request) { q.Firmware[0].Data = make([]byte, 17<<20) }},
		{"bitmap outside of memory", "bitmap", func(q *reserve.Request) { q.Bitmap.Extents[0].Start = 256 * mib }},
		{"memory in shreds", "memory: too large", func(q *reserve.Request) {
			q.Memory = nil
			for i := range physmem.Address(1100) {
				q.Memory = append(q.Memory, physmem.Range{Start: (2*i + 1) * 4096, End: (2*i + 2) * 4096})
			}
		}},
		{"host", "page size", func(q *reserve.Request) { q.Host.PageSize = 5 }},
		{"image beyond its window", "the window at", func(q *reserve.Request) {
			q.Image = openELF(t, makeELF(handoff.KernelBase+5<<30+0x5000, moved(5<<30)))
		}},
		{"image not readable", "unexpected EOF", func(q *reserve.Request) {
			q.Image, _ = reserve.OpenImage(bytes.NewReader(makeELF(textAt+0x1000, standard())[:0x2000]))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			q := request(t, 64*mib, host)
			tt.spoil(&q)
			_, err := reserve.New(nowhere{}, q)
			require.ErrorContains(t, err, "plan reservation "+q.Reservation.String())
			require.ErrorContains(t, err, tt.want)
		})
	}
}

// TestEarlier finds what an earlier boot left, also where the next plan is
// another.
func TestEarlier(t *testing.T) {
	t.Parallel()
	q := request(t, 64*mib, physmem.Range{Start: 0x1000, End: 256 * mib})
	q.Records = []byte("one panic")
	first, memory := populated(t, q)
	state := first.Block().Parts[handoff.PartPanicArea].Offset + handoff.PanicOffsetState
	_, err := memory.WritePhysical([]byte{byte(handoff.StateDone)}, 64*mib+physmem.Address(state))
	require.NoError(t, err)

	q.Reservation.End += 8 * mib
	q.Records, q.RecordsSize = nil, 4096
	plan, err := reserve.New(memory, q)
	require.NoError(t, err)
	earlier := plan.Earlier()
	require.NotNil(t, earlier)
	require.Equal(t, "one panic", string(earlier.Records[:9]))
	require.Len(t, earlier.Records, 64<<10)
	require.Equal(t, handoff.StateDone, earlier.Panic.State)
	require.Equal(t, uint64(8*mib), earlier.Block.Reservation.Size())

	// The block decides, not the rest: its header is enough to lose it.
	_, err = memory.WritePhysical([]byte{0}, 64*mib+0x300)
	require.NoError(t, err)
	plan, err = reserve.New(memory, q)
	require.NoError(t, err)
	require.Nil(t, plan.Earlier())

	// A block that was copied to another place is not taken there.
	require.NoError(t, first.Populate(memory))
	data := make([]byte, 64<<10)
	_, err = memory.ReadPhysical(data, 64*mib)
	require.NoError(t, err)
	_, err = memory.WritePhysical(data, 128*mib)
	require.NoError(t, err)
	_, err = reserve.Open(memory, 128*mib, reserve.StageBoth)
	var wrong *handoff.BlockError
	require.ErrorAs(t, err, &wrong)
	require.Equal(t, "reservation", wrong.Field)
}

// TestPopulateInterrupted stops writing after every write: what is there is
// either the earlier reservation, whole, or none, or the new one.
func TestPopulateInterrupted(t *testing.T) {
	t.Parallel()
	q := request(t, 64*mib, physmem.Range{Start: 0x1000, End: 64 * mib})
	plan := newPlan(t, q)
	seen := 0
	for after := 0; ; after++ {
		memory := &stopping{Sparse: physmem.NewSparse(physmem.NewRanges(q.Reservation)), after: after}
		err := plan.Populate(memory)
		r, openErr := reserve.Open(memory, 64*mib, reserve.StageBoth)
		if err == nil {
			require.NoError(t, openErr)
			break
		}
		require.ErrorIs(t, err, errFailing)
		require.ErrorContains(t, err, "populate reservation "+q.Reservation.String())
		require.Nil(t, r, "after %d writes", after)
		seen++
		if after > 30 {
			after += 40 // the zeros of the program memory
		}
	}
	require.Greater(t, seen, 20)
}

// stopping is memory that takes so many writes.
type stopping struct {
	*physmem.Sparse
	after int
}

func (s *stopping) WritePhysical(p []byte, address physmem.Address) (int, error) {
	if s.after--; s.after < 0 {
		return 0, errFailing
	}
	return s.Sparse.WritePhysical(p, address)
}

func TestSearch(t *testing.T) {
	t.Parallel()
	q := request(t, 64*mib, physmem.Range{Start: 0x1000, End: 256 * mib})
	_, memory := populated(t, q)
	// The magic alone, and a copy of the block elsewhere, are none.
	data := make([]byte, 64<<10)
	_, err := memory.ReadPhysical(data, 64*mib)
	require.NoError(t, err)
	for at, p := range map[physmem.Address][]byte{16 * mib: data[:8], 32 * mib: data} {
		_, err = memory.WritePhysical(p, at)
		require.NoError(t, err)
	}
	require.Equal(t, []physmem.Address{64 * mib}, reserve.Search(memory, physmem.Ranges{{Start: 0, End: 300 * mib}}))
	require.Empty(t, reserve.Search(memory, physmem.Ranges{{Start: 64*mib + 1, End: 256 * mib}}))
}

// BenchmarkPlan is what arming costs, with the image of a small Go program.
func BenchmarkPlan(b *testing.B) {
	q := request(b, 64*mib, physmem.Range{Start: 0x1000, End: 4 * gib})
	q.Image = openELF(b, largeImage())
	memory := physmem.NewBytes(64*mib, make([]byte, 8<<20))
	for b.Loop() {
		plan, err := reserve.New(memory, q)
		require.NoError(b, err)
		require.NoError(b, plan.Populate(memory))
	}
}

// BenchmarkOpen is what the checks of each stage cost.
func BenchmarkOpen(b *testing.B) {
	q := request(b, 64*mib, physmem.Range{Start: 0x1000, End: 4 * gib})
	q.Image = openELF(b, largeImage())
	memory := physmem.NewBytes(64*mib, make([]byte, 8<<20))
	plan, err := reserve.New(memory, q)
	require.NoError(b, err)
	require.NoError(b, plan.Populate(memory))
	for name, stage := range map[string]reserve.Stage{"block": 0, "first": reserve.StageFirst, "second": reserve.StageSecond} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_, err := reserve.Open(memory, 64*mib, stage)
				require.NoError(b, err)
			}
		})
	}
}
