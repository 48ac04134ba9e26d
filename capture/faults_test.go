package capture_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/capture"
	"github.com/seed64aab995/rescuekernel/container"
	"github.com/seed64aab995/rescuekernel/container/kerneldump"
	"github.com/seed64aab995/rescuekernel/container/serial"
	"github.com/seed64aab995/rescuekernel/container/target"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/minidump"
)

// The disk fails after every number of writes. What is there is found, true,
// and grows; an older dump is never taken for the new one, nor the new one for
// whole.
func TestDiskFailsAtEveryWrite(t *testing.T) {
	t.Parallel()
	for _, compress := range []string{"zstd", "none"} {
		base := newDisk(4 * mib)
		goal := base.prepare(t, 0, 0)
		// Without a clock nothing but the nonce tells the dumps apart.
		options := machineOptions{targets: []handoff.Target{goal}, environment: handoff.Environment{{Name: "compress", Value: compress}}, noClock: true, seed: 1, pages: 400}
		older := newMachine(t, options)
		result, _ := dump(t, older, base)
		require.True(t, result.Whole())
		oldIdentity := identity(t, base)

		options.seed = 2
		m := newMachine(t, options)
		m.write(t, hostKernel, []byte("the newer host")) // so that pages differ
		pages := 0
		for stop := 0; ; stop++ {
			d := base.clone()
			d.left = stop
			result, _ := dump(t, m, d)
			if result.Whole() {
				require.Greater(t, stop, 15)
				require.Equal(t, len(m.dumped)-2, pages)
				break
			}
			require.ErrorIs(t, result.Err(), errDisk)
			require.ErrorIs(t, result.Err(), capture.ErrNoTarget)
			f, r, err := open(t, d)
			if stop == 0 {
				require.Equal(t, oldIdentity, identity(t, d))
				require.True(t, f.Complete())
				continue
			}
			if err != nil {
				require.LessOrEqual(t, pages, 0, "%s: stop %d: there was more before: %v", compress, stop, err)
				continue
			}
			require.False(t, f.Complete() && r.Complete(), "%s: stop %d: taken for whole", compress, stop)
			if stop <= 2 {
				continue // the older dump's head is gone, or it has lost its end
			}
			require.NotEqual(t, oldIdentity, identity(t, d), "stop %d", stop)
			if compress == "zstd" {
				n := requireTrue(t, m, r)
				require.GreaterOrEqual(t, n, pages, "stop %d", stop)
				pages = n
				continue
			}
			pages = len(m.dumped) - 2 // an uncompressed dump tells where it was cut only by its checkpoints
		}
	}
}

// identity is that of the dump that is found on a disk; 0 if there is none.
func identity(t *testing.T, d *disk) uint32 {
	t.Helper()
	found, err := kerneldump.Find(d, d.Size(), kerneldump.FindOptions{})
	if err != nil {
		return 0
	}
	return found.Header.Identity()
}

func TestTargetTooSmall(t *testing.T) {
	t.Parallel()
	for _, compress := range []string{"zstd", "none"} {
		small, large := newDisk(1*mib), newDisk(8*mib)
		goals := []handoff.Target{small.prepare(t, 0, 0), large.prepare(t, 1, 0)}
		options := machineOptions{targets: goals[:1], environment: handoff.Environment{{Name: "compress", Value: compress}}, pages: 500}
		m := newMachine(t, options)
		result, dumper := dump(t, m, small)
		require.NoError(t, result.Err())
		require.False(t, result.Whole())
		a := result.Attempts[0]
		require.Equal(t, minidump.CutSize, a.Cut.Reason)
		require.Equal(t, dumper.Layout().Pages, a.Cut.Pages+a.Pages)

		f, r, err := open(t, small)
		require.NoError(t, err)
		require.False(t, r.Complete())
		require.True(t, f.KernelDump().Header.Incomplete)
		require.Equal(t, a.Content, f.Size(), "it ends at a frame's end")
		// The two redacted pages come early.
		require.Equal(t, int(a.Pages)-2, requireTrue(t, m, r))
		l, err := target.Read(small, small.Size(), 0)
		require.NoError(t, err)
		early, err := target.ReadEarly(small, l)
		require.NoError(t, err)
		notes, err := minidump.DecodeNotes(early.Section(target.KindNotes).Data)
		require.NoError(t, err)
		require.Equal(t, a.Cut, notes.Cut)
		require.NotNil(t, early.Section(target.KindStack))

		// There is another target: it gets the whole dump, unless the first is
		// allowed to cut it.
		options.targets = goals
		m = newMachine(t, options)
		result, _ = dump(t, m, small.clone(), large)
		require.True(t, result.Whole())
		require.Equal(t, 1, result.Best)
		options.targets[0].Flags = handoff.TargetTruncate
		m = newMachine(t, options)
		result, _ = dump(t, m, small.clone(), large)
		require.False(t, result.Whole())
		require.Len(t, result.Attempts, 1)
	}
}

func TestNextTarget(t *testing.T) {
	t.Parallel()
	good := newDisk(4 * mib)
	goal := good.prepare(t, 1, 0)
	for name, test := range map[string]struct {
		spoil func(d *disk, t *handoff.Target)
		want  error
	}{
		"never answers": {func(d *disk, _ *handoff.Target) { d.dead = true }, errDisk},
		"label gone":    {func(d *disk, _ *handoff.Target) { clear(d.b[target.LabelOffset:][:512]) }, target.ErrNoLabel},
		"other label":   {func(_ *disk, t *handoff.Target) { t.Label[3] = 1 }, target.ErrMismatch},
		"other extent":  {func(_ *disk, t *handoff.Target) { t.Length -= 512 }, target.ErrMismatch},
		"other size":    {func(_ *disk, t *handoff.Target) { t.DeviceSize += 512 }, target.ErrMismatch},
		"no label":      {func(_ *disk, t *handoff.Target) { t.Label = [16]byte{} }, target.ErrNoLabel},
		"fails late":    {func(d *disk, _ *handoff.Target) { d.left = 12 }, errDisk},
		"no driver":     {func(_ *disk, t *handoff.Target) { t.Kind = handoff.TargetSerial }, capture.ErrNoDriver},
	} {
		bad := newDisk(4 * mib)
		first := bad.prepare(t, 0, 0)
		test.spoil(bad, &first)
		before := bytes.Clone(bad.b)
		m := newMachine(t, machineOptions{targets: []handoff.Target{first, goal}})
		after := good.clone()
		result, _ := dump(t, m, bad, after)
		require.True(t, result.Whole(), name)
		require.Equal(t, 1, result.Best, name)
		require.ErrorIs(t, result.Attempts[0].Err, test.want, name)
		if name != "fails late" {
			require.Equal(t, before, bad.b, "%s: it was written", name)
		}
		_, r, err := open(t, after)
		require.NoError(t, err, name)
		require.Equal(t, len(m.dumped)-2, requireTrue(t, m, r), name)
	}
}

func TestNoTarget(t *testing.T) {
	t.Parallel()
	m := newMachine(t, machineOptions{})
	result, _ := dump(t, m)
	require.ErrorIs(t, result.Err(), capture.ErrNoTarget)
	require.Equal(t, -1, result.Best)
	require.False(t, result.Whole())

	m = newMachine(t, machineOptions{targets: []handoff.Target{{Kind: handoff.TargetRecord}}})
	result, _ = dump(t, m)
	require.NoError(t, result.Err())
	require.True(t, result.RecordOnly)
}

func TestSerialTarget(t *testing.T) {
	t.Parallel()
	m := newMachine(t, machineOptions{targets: []handoff.Target{{Kind: handoff.TargetSerial, Bus: handoff.BusPort, Address: 0x3f8, Speed: 115200}}})
	host, err := capture.Open(m.memory, m.block.Reservation.Start)
	require.NoError(t, err)
	d, err := host.NewDumper(nil)
	require.NoError(t, err)
	var line bytes.Buffer
	line.WriteString("rescue: over the line\r\n")
	result := host.Run(d, capture.Options{Serial: func(t handoff.Target) (io.Writer, error) { return &line, nil }})
	require.True(t, result.Whole())

	out := newDisk(8 * mib)
	receiver := serial.NewReceiver(&anyWrite{out}, nil)
	_, err = receiver.Write(line.Bytes())
	require.NoError(t, err)
	report, err := receiver.Finish()
	require.NoError(t, err)
	require.True(t, report.Complete())
	header, err := kerneldump.ParseHeader(report.Header)
	require.NoError(t, err)
	require.Equal(t, "anvil", header.HostName)
	require.Len(t, report.Sections, 2)

	f, err := container.Open(bytes.NewReader(out.b[:report.Size]), report.Size)
	require.NoError(t, err)
	defer f.Close()
	r, err := minidump.Open(f, f.Size())
	require.NoError(t, err)
	require.True(t, r.Complete())
	require.Equal(t, len(m.dumped)-2, requireTrue(t, m, r))
}

// anyWrite writes a disk's bytes one by one.
type anyWrite struct{ d *disk }

func (a *anyWrite) WriteAt(p []byte, off int64) (int, error) { return copy(a.d.b[off:], p), nil }

func TestWhoIsTold(t *testing.T) {
	t.Parallel()
	bad, good := newDisk(1*mib), newDisk(8*mib)
	goals := []handoff.Target{bad.prepare(t, 0, 0), good.prepare(t, 1, 0)}
	bad.dead = true
	m := newMachine(t, machineOptions{targets: goals, pages: 400})
	host, err := capture.Open(m.memory, m.block.Reservation.Start)
	require.NoError(t, err)
	d, err := host.NewDumper(nil)
	require.NoError(t, err)
	var events []string
	var last capture.Progress
	result := host.Run(d, capture.Options{
		Disk: func(t handoff.Target) (target.Device, error) { return []*disk{bad, good}[t.Address], nil },
		Attempt: func(a capture.Attempt) {
			switch {
			case a.Err != nil:
				events = append(events, "failed")
			case a.Content == 0:
				events = append(events, "try")
			default:
				events = append(events, "done")
			}
		},
		FirstWrite: func() {
			require.NotZero(t, good.writes)
			events = append(events, "first")
		},
		Progress: func(p capture.Progress) {
			require.Greater(t, p.Content, last.Content)
			require.Equal(t, d.Size(), p.Size)
			if last.Content == 0 {
				events = append(events, "progress")
			}
			last = p
		},
	})
	require.True(t, result.Whole())
	require.Equal(t, []string{"try", "failed", "try", "first", "progress", "done"}, events)
}

// Zero pages cost less than a byte each.
func TestZeroPagesAreCheap(t *testing.T) {
	t.Parallel()
	d := newDisk(8 * mib)
	m := newMachine(t, machineOptions{size: 256 * mib, targets: []handoff.Target{d.prepare(t, 0, 0)}, pages: 1})
	size := func() int64 {
		result, _ := dump(t, m, d)
		require.True(t, result.Whole())
		return result.Attempts[0].Compressed
	}
	before := size()
	const zeros = 48 * mib / 4096 // from 80 MiB on nothing was written
	bits := bytes.Repeat([]byte{0xff}, zeros/8)
	m.write(t, hostBitmap+80*mib/4096/8, bits)
	require.Less(t, size()-before, int64(zeros))
}
