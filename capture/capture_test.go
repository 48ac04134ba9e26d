package capture_test

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/capture"
	"github.com/seed64aab995/rescuekernel/container/kerneldump"
	"github.com/seed64aab995/rescuekernel/container/target"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/physmem"
)

func TestCapture(t *testing.T) {
	t.Parallel()
	for _, compress := range []string{"zstd", "none"} {
		d := newDisk(4 * mib)
		m := newMachine(t, machineOptions{targets: []handoff.Target{d.prepare(t, 0, 0)},
			environment: handoff.Environment{{Name: "compress", Value: compress}, {Name: "rescue.finish", Value: "halt"}}})
		result, dumper := dump(t, m, d)
		require.NoError(t, result.Err())
		require.True(t, result.Whole())
		a := result.Attempts[0]
		require.Equal(t, dumper.Size(), a.Content)
		require.Equal(t, dumper.Layout().Pages, a.Pages)

		f, r, err := open(t, d)
		require.NoError(t, err)
		require.Empty(t, f.Problems())
		require.Empty(t, r.Problems())
		require.Equal(t, len(m.dumped)-2, requireTrue(t, m, r), "all but the two redacted pages")
		require.Equal(t, "anvil", f.KernelDump().Header.HostName)
		require.Equal(t, uint64(1_700_000_002), f.KernelDump().Header.Time)

		notes, err := r.Notes()
		require.NoError(t, err)
		require.Equal(t, "the books do not balance", notes.Panic)
		require.Equal(t, "anvil", notes.HostName)
		require.Equal(t, "go/build/id", string(notes.BuildID))
		require.Equal(t, time.Unix(1_700_000_002, 0).UTC(), notes.Time)
		require.Empty(t, notes.Marks)
		require.Equal(t, []minidump.Hole{{Range: physmem.Range{Start: hostSecret, End: hostSecret + 0x2000}, Reason: minidump.HoleRedacted}}, notes.Holes)
		require.Len(t, notes.CPUs, 2)
		require.Equal(t, minidump.CPUPanicked, notes.CPUs[0].Flags)
		require.Zero(t, notes.CPUs[1].Flags)
		whole, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
		require.NoError(t, err)
		require.NotContains(t, string(whole), "secret!")

		got := make([]byte, 8)
		_, err = r.ReadVirtual(got, handoff.KernelBase+0x3d000)
		require.NoError(t, err)
		require.Equal(t, "stack...", string(got))
		messages, err := r.MessageBuffer()
		require.NoError(t, err)
		require.Equal(t, minidump.OrderKnown, messages.Order)
		require.Contains(t, string(messages.Text), "host: all is well\n")

		l, err := target.Read(d, d.Size(), 0)
		require.NoError(t, err)
		early, err := target.ReadEarly(d, l)
		require.NoError(t, err)
		require.Equal(t, f.KernelDump().Header.Identity(), early.Stream)
		again, err := minidump.DecodeNotes(early.Section(target.KindNotes).Data)
		require.NoError(t, err)
		require.Equal(t, notes, again, "what is kept ahead of the dump is what is in it")
		stack := early.Section(target.KindStack)
		require.Equal(t, uint64(hostStack), stack.Address)
		require.Equal(t, 0x40000-0x3d100, len(stack.Data), "up to where nothing is mapped")
		require.Equal(t, "stack...", string(stack.Data[:8]))
	}
}

// The same memory and the same hand-off give the same dump.
func TestSameBytes(t *testing.T) {
	t.Parallel()
	m := newMachine(t, machineOptions{})
	host, err := capture.Open(m.memory, m.block.Reservation.Start)
	require.NoError(t, err)
	var first []byte
	for range 2 {
		d, err := host.NewDumper(nil)
		require.NoError(t, err)
		var b bytes.Buffer
		_, err = d.WriteTo(&b)
		require.NoError(t, err)
		if first == nil {
			first = b.Bytes()
			require.NoError(t, host.Stamp(m.memory, handoff.PhaseMain, 12345))
			require.NoError(t, host.SetState(m.memory, handoff.StateEnteredGo))
		}
		require.Equal(t, first, b.Bytes())
		host, err = capture.Open(m.memory, m.block.Reservation.Start)
		require.NoError(t, err)
	}
	require.Equal(t, uint64(12345), host.Panic.Phases[handoff.PhaseMain])
	require.Equal(t, handoff.StateEnteredGo, host.Panic.State)
}

func TestBrokenSeals(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		part   handoff.Part
		offset physmem.Address
		mark   string
		check  func(t *testing.T, m *machine, h *capture.Host, r *minidump.Reader)
	}{
		"environment": {handoff.PartEnvironment, 3, "environment", func(t *testing.T, _ *machine, h *capture.Host, _ *minidump.Reader) {
			require.Equal(t, capture.FinishReset, h.Settings.Finish, "a broken environment is not used")
		}},
		"metadata":       {handoff.PartMetadata, 0, "metadata", nil},
		"text":           {handoff.PartImage, 0x10, "text", nil},
		"read-only data": {handoff.PartImage, 0x1010, "read-only data", nil},
		"panic area": {handoff.PartPanicArea, 0, "panic area", func(t *testing.T, _ *machine, h *capture.Host, r *minidump.Reader) {
			require.Nil(t, h.Panic)
			notes, err := r.Notes()
			require.NoError(t, err)
			require.Empty(t, notes.CPUs)
		}},
	} {
		d := newDisk(4 * mib)
		m := newMachine(t, machineOptions{targets: []handoff.Target{d.prepare(t, 0, 0)}, environment: handoff.Environment{{Name: "finish", Value: "halt"}}})
		part := m.block.Range(test.part)
		var b [1]byte
		_, err := m.memory.ReadPhysical(b[:], part.Start+test.offset)
		require.NoError(t, err)
		m.write(t, part.Start+test.offset, []byte{b[0] ^ 4})
		host, err := capture.Open(m.memory, m.block.Reservation.Start)
		require.NoError(t, err, name)
		result, _ := dump(t, m, d)
		require.True(t, result.Whole(), name)
		_, r, err := open(t, d)
		require.NoError(t, err)
		require.Equal(t, len(m.dumped)-2, requireTrue(t, m, r), name)
		if test.mark != "" {
			notes, err := r.Notes()
			require.NoError(t, err)
			require.NotEmpty(t, notes.Marks, name)
			require.Equal(t, test.mark, notes.Marks[0].Part, name)
		}
		if test.check != nil {
			test.check(t, m, host, r)
		}
	}
}

// Where the dump parameters are not what was sealed, nothing of them is used:
// all memory that can be reached is dumped.
func TestBrokenParameters(t *testing.T) {
	t.Parallel()
	d := newDisk(8 * mib)
	m := newMachine(t, machineOptions{targets: []handoff.Target{d.prepare(t, 0, 0)}})
	forged := m.block
	forged.Host.Name, forged.Bitmap = "nobody", handoff.Region{}
	data, err := forged.AppendBinary(nil)
	require.NoError(t, err)
	m.write(t, m.block.Reservation.Start, data)

	result, dumper := dump(t, m, d)
	require.True(t, result.Whole(), "%v", result.Err())
	_, r, err := open(t, d)
	require.NoError(t, err)
	require.Equal(t, len(m.dumped)-2, requireTrue(t, m, r))
	require.Greater(t, dumper.Layout().Pages, uint64(56*mib/4096), "no bitmap: all pages outside of the reservation")
	notes, err := r.Notes()
	require.NoError(t, err)
	require.Contains(t, notes.Marks, minidump.Mark{Part: "dump parameters", Detail: "seal is broken"})
	require.Empty(t, notes.HostName)
	require.Equal(t, minidump.HoleRedacted, notes.Holes[0].Reason, "what is redacted stays so")
}

func TestNoBlock(t *testing.T) {
	t.Parallel()
	m := newMachine(t, machineOptions{})
	_, err := capture.Open(m.memory, m.block.Reservation.Start+4096)
	var bad *handoff.BlockError
	require.ErrorAs(t, err, &bad)
	m.write(t, m.block.Reservation.Start+handoff.OffsetSize, []byte{1})
	_, err = capture.Open(m.memory, m.block.Reservation.Start)
	require.ErrorAs(t, err, &bad)
}

func TestSettings(t *testing.T) {
	t.Parallel()
	s, problems := capture.ParseSettings(handoff.Environment{{Name: "finish", Value: "poweroff"}, {Name: "rescue.compress", Value: "none"}, {Name: "progress", Value: "no"}})
	require.Empty(t, problems)
	require.Equal(t, capture.Settings{Finish: capture.FinishPowerOff, Raw: true, Quiet: true}, s)
	require.Equal(t, "poweroff", s.Finish.String())
	s, problems = capture.ParseSettings(handoff.Environment{{Name: "finish", Value: "explode"}})
	require.Equal(t, capture.Settings{}, s)
	require.Len(t, problems, 1)
}

// A machine without a clock still gives each dump a number of its own.
func TestNonce(t *testing.T) {
	t.Parallel()
	seen := map[uint32]bool{}
	for seed := range byte(4) {
		m := newMachine(t, machineOptions{seed: seed, noClock: true, pages: 1})
		host, err := capture.Open(m.memory, m.block.Reservation.Start)
		require.NoError(t, err)
		require.Zero(t, host.PanicTime())
		h := host.Header()
		require.False(t, seen[h.Identity()])
		seen[h.Identity()] = true
		require.Equal(t, kerneldump.CompressionZstd, h.Compression)
	}
}

// Redacted memory is in no part of what is written, nor is it read for the
// stack.
func TestStackIsNotRedactedMemory(t *testing.T) {
	t.Parallel()
	m := newMachine(t, machineOptions{})
	host, err := capture.Open(m.memory, m.block.Reservation.Start)
	require.NoError(t, err)
	host.Block.Redactions = []physmem.Range{{Start: hostKernel + 0x3e000, End: hostKernel + 0x3f000}}
	address, stack := host.Stack()
	require.Equal(t, uint64(hostStack), address)
	require.Len(t, stack, 0xf00)
	host.Panic.Registers = nil
	_, stack = host.Stack()
	require.Empty(t, stack)
}

// A host of 64 GiB whose memory was hardly used costs what it used.
func TestLargeSparseHost(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes a second")
	}
	d := newDisk(8 * mib)
	m := newMachine(t, machineOptions{size: 4 << 30, targets: []handoff.Target{d.prepare(t, 0, 0)}, pages: 1000})
	result, _ := dump(t, m, d)
	require.True(t, result.Whole())
	_, r, err := open(t, d)
	require.NoError(t, err)
	require.Equal(t, len(m.dumped)-2, requireTrue(t, m, r))
}
