package virtio

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// pattern is n bytes that differ from place to place.
func pattern(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func mustOpen(t testing.TB, m *model, transport string, change ...func(*Options)) *Block {
	t.Helper()
	b, err := m.open(t, transport, change...)
	require.NoError(t, err)
	return b
}

func TestReadsAndWrites(t *testing.T) {
	t.Parallel()
	for _, later := range []bool{false, true} {
		eachTransport(t, func(t *testing.T, m *model, transport string) {
			m.later, m.reverse = later, later
			b := mustOpen(t, m, transport)
			require.EqualValues(t, len(m.disk), b.Size())
			require.Equal(t, 512, b.SectorSize())
			require.False(t, b.ReadOnly())
			for i, n := range []int{512, 16 << 10, 16<<10 + 512, 1 << 20} {
				data := pattern(uint64(i), n)
				at := int64(i+1) * 512
				written, err := b.WriteAt(data, at)
				require.NoError(t, err)
				require.Equal(t, n, written)
				require.True(t, bytes.Equal(data, m.disk[at:][:n]), "%d bytes", n)
				got := make([]byte, n)
				read, err := b.ReadAt(got, at)
				require.NoError(t, err)
				require.Equal(t, n, read)
				require.True(t, bytes.Equal(data, got), "%d bytes", n)
			}
			require.NoError(t, b.Flush())
			require.EqualValues(t, -1, m.writes[len(m.writes)-1])
			serial, err := b.Serial()
			require.NoError(t, err)
			require.Equal(t, "dump0", serial)
			n, err := b.WriteAt(nil, 0)
			require.NoError(t, err)
			require.Zero(t, n)
			require.NoError(t, b.Close())
			_, err = b.ReadAt(make([]byte, 512), 0)
			require.ErrorIs(t, err, ErrClosed)
			require.Zero(t, m.status)
		})
	}
}

func TestFeatures(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, m *model, transport string) {
		b := mustOpen(t, m, transport)
		want := FeatureBlockFlush | FeatureBlockSectorSize
		if !b.transport.Legacy() {
			want |= FeatureVersion1
		}
		require.Equal(t, want, m.driverFeatures, "%#x", m.driverFeatures)
		require.NoError(t, b.Close())
		m.features = FeatureVersion1
		b = mustOpen(t, m, transport)
		require.NoError(t, b.Flush(), "a device that writes through")
		require.Empty(t, m.writes)
	})
}

func TestTakesOverWhatTheHostLeft(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, m *model, transport string) {
		b := mustOpen(t, m, transport)
		m.later = true
		_, err := b.Submit(Write, pattern(1, 512), 0)
		require.NoError(t, err)
		b.Kick() // and nobody takes the answer
		m.later = false
		resets := m.resets
		after := mustOpen(t, m, transport)
		require.Greater(t, m.resets, resets)
		_, err = after.WriteAt(pattern(2, 512), 512)
		require.NoError(t, err)
		require.Equal(t, make([]byte, 512), m.disk[:512], "a request of the host's was executed after the reset")
	})
}

func TestEnds(t *testing.T) {
	t.Parallel()
	m := newModel(t)
	b := mustOpen(t, m, "MMIO 2")
	size := b.Size()
	data := make([]byte, 2048)

	n, err := b.ReadAt(data, size-1024)
	require.Equal(t, 1024, n)
	require.Equal(t, io.EOF, err)
	n, err = b.ReadAt(data, size)
	require.Zero(t, n)
	require.Equal(t, io.EOF, err)
	_, err = b.WriteAt(data, size-1024)
	require.ErrorIs(t, err, ErrOutside)
	for _, offset := range []int64{-512, -1 << 63, 1<<63 - 512} {
		_, err = b.WriteAt(data, offset)
		require.ErrorIs(t, err, ErrOutside, "%d", offset)
	}
	_, err = b.ReadAt(data, -512)
	require.ErrorIs(t, err, ErrOutside)
	_, err = b.WriteAt(data, 100)
	require.ErrorIs(t, err, ErrAlignment)
	_, err = b.ReadAt(data[:100], 0)
	require.ErrorIs(t, err, ErrAlignment)
	require.Equal(t, 1, m.requests, "only the first read was sent")
}

func TestLargeSectors(t *testing.T) {
	t.Parallel()
	m := newModel(t)
	m.sectorSize = 4096
	b := mustOpen(t, m, "modern PCI")
	require.Equal(t, 4096, b.SectorSize())
	_, err := b.WriteAt(make([]byte, 512), 0)
	require.ErrorIs(t, err, ErrAlignment)
	data := pattern(1, 8192)
	_, err = b.WriteAt(data, 4096)
	require.NoError(t, err)
	require.True(t, bytes.Equal(data, m.disk[4096:][:8192]))
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	m := newModel(t)
	m.features |= FeatureBlockReadOnly
	b := mustOpen(t, m, "legacy PCI")
	require.True(t, b.ReadOnly())
	_, err := b.WriteAt(make([]byte, 512), 0)
	require.ErrorIs(t, err, ErrReadOnly)
	_, err = b.Pipeline().WriteAt(make([]byte, 512), 0)
	require.ErrorIs(t, err, ErrReadOnly)
	_, err = b.ReadAt(make([]byte, 512), 0)
	require.NoError(t, err)
	require.Equal(t, 1, m.requests)
}

// TestZeroCopy checks that data in the driver's memory go as they are.
func TestZeroCopy(t *testing.T) {
	t.Parallel()
	m := newModel(t)
	b := mustOpen(t, m, "legacy PCI")
	spare := b.Spare()
	buffer, err := spare.Carve(1<<20, 4096)
	require.NoError(t, err)
	copy(buffer.Memory, pattern(3, 1<<20))
	_, err = b.WriteAt(buffer.Memory, 0)
	require.NoError(t, err)
	require.Equal(t, 1, m.requests)
	require.Equal(t, 1, m.notifies)
	require.True(t, bytes.Equal(buffer.Memory, m.disk[:1<<20]))

	copy(m.disk, pattern(4, 512))
	h, err := b.Submit(Read, buffer.Memory[:512], 0)
	require.NoError(t, err)
	require.NoError(t, b.Wait(h))
	require.Equal(t, m.disk[:512], buffer.Memory[:512])
	require.ErrorIs(t, b.Wait(h), ErrHandle)
}

// TestNotifications counts what costs a virtual machine an exit.
func TestNotifications(t *testing.T) {
	t.Parallel()
	m := newModel(t)
	b := mustOpen(t, m, "legacy PCI")
	require.LessOrEqual(t, m.accesses, 25, "register accesses until the device is ready")
	before := m.accesses
	_, err := b.WriteAt(make([]byte, 1<<20), 0) // 64 requests of 16 KiB, 8 at once
	require.NoError(t, err)
	require.Equal(t, 8, m.notifies)
	require.Equal(t, 8, m.accesses-before, "register accesses are notifications only")
	require.EqualValues(t, 8, b.Notifications())

	m.busy = true
	_, err = b.WriteAt(make([]byte, 512), 0)
	require.NoError(t, err)
	m.later = true // the device looks by itself, and has said so
	_, err = b.WriteAt(make([]byte, 512), 0)
	require.NoError(t, err)
	require.Equal(t, 9, m.notifies)
}

func TestSubmit(t *testing.T) {
	t.Parallel()
	m := newModel(t)
	m.later = true
	b := mustOpen(t, m, "MMIO 1")
	var handles []Handle
	for i := range b.Depth() {
		h, err := b.Submit(Write, pattern(uint64(i), 512), int64(i)*512)
		require.NoError(t, err)
		handles = append(handles, h)
	}
	_, err := b.Submit(Write, make([]byte, 512), 0)
	require.ErrorIs(t, err, ErrQueueFull)
	_, err = b.WriteAt(make([]byte, 512), 0)
	require.ErrorIs(t, err, ErrQueueFull)
	b.Kick()
	b.Kick()
	require.Equal(t, 1, m.notifies)
	require.Equal(t, b.Depth(), b.Poll())
	require.False(t, b.Done(handles[0]))
	m.process()
	require.Zero(t, b.Poll())
	for _, h := range handles {
		require.True(t, b.Done(h))
		require.NoError(t, b.Wait(h))
	}
	_, err = b.Submit(Write, make([]byte, 32<<10), 0)
	require.ErrorIs(t, err, ErrTooLarge)
	_, err = b.Submit(Operation(99), nil, 0)
	require.ErrorIs(t, err, ErrUnsupported)
	_, err = b.Submit(GetID, make([]byte, 21), 0)
	require.ErrorIs(t, err, ErrTooLarge)
	require.False(t, b.Done(Handle(0xffff_ffff)))
}

// TestIndicesWrap lets all indices of the rings pass 65535.
func TestIndicesWrap(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, m *model, transport string) {
		m.queueSize = 64
		b := mustOpen(t, m, transport)
		if !b.transport.FixedQueueSize() {
			require.EqualValues(t, 32, b.ring.entries, "the smallest queue for 8 requests")
		}
		// As if 65472 requests had been made.
		const before = 1<<16 - 64
		b.ring.submitted, b.ring.shown, b.ring.taken, m.seen, m.used = before, before, before, before, before
		b.ring.storeWord(b.ring.used, before<<16)
		for i := range 200 {
			data := pattern(uint64(i), 512)
			_, err := b.WriteAt(data, 512*int64(i%8))
			require.NoError(t, err)
			require.Equal(t, data, m.disk[512*(i%8):][:512])
		}
		_, err := b.WriteAt(pattern(1, 1<<20), 0)
		require.NoError(t, err)
		require.True(t, bytes.Equal(pattern(1, 1<<20), m.disk[:1<<20]))
	})
}

// TestNoAllocations makes requests that no model answers: only the driver runs.
func TestNoAllocations(t *testing.T) {
	m := newModel(t)
	b := mustOpen(t, m, "MMIO 2")
	m.silent = true
	data := make([]byte, 512)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		h, err := b.Submit(Write, data, 0)
		if err != nil || b.Poll() != 0 {
			t.Fatal(err)
		}
		b.ring.publish()
		b.requests[h&0xff].state, b.pending = requestFree, 0
	}))
}

// TestStoppedMachine: the clock goes on while the machine stands still, between
// the driver's look at the ring and its look at the clock.
func TestStoppedMachine(t *testing.T) {
	t.Parallel()
	m := newModel(t)
	m.later = true
	now := time.Unix(1, 0)
	b := mustOpen(t, m, "MMIO 2", func(o *Options) {
		o.Now = func() time.Time {
			if m.notifies > 0 {
				m.process()
				now = now.Add(time.Hour)
			}
			return now
		}
	})
	_, err := b.WriteAt(make([]byte, 512), 0)
	require.NoError(t, err)
}

func TestMemorySize(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{{}, {Depth: 1, BufferSize: 1}, {Depth: 3, BufferSize: 1 << 30}, {Depth: 1000}} {
		m := newModel(t)
		o.Memory = newRegion(int(o.MemorySize()))
		m.memory = o.Memory
		b, err := NewBlock(NewLegacyPCI(m.legacy(), TypeBlock), o)
		require.NoError(t, err)
		require.Empty(t, b.Spare().Memory)
		o.Memory.Memory = o.Memory.Memory[:o.MemorySize()/2]
		_, err = NewBlock(NewLegacyPCI(m.legacy(), TypeBlock), o)
		require.ErrorIs(t, err, ErrMemory)
		require.Zero(t, m.status, "a device that could not be started is reset")
	}
}

func TestSmallQueues(t *testing.T) {
	t.Parallel()
	for size, depth := range map[uint16]int{3: 0, 4: 1, 6: 1, 8: 2, 16: 5, 32: 8, 1024: 8, 32768: 8} {
		m := newModel(t)
		m.queueSize = size
		b, err := m.open(t, "MMIO 2")
		if depth == 0 {
			require.ErrorIs(t, err, ErrTransport, "%d", size)
			continue
		}
		require.NoError(t, err, "%d", size)
		require.Equal(t, depth, b.Depth(), "%d", size)
		_, err = b.WriteAt(pattern(1, 256<<10), 0)
		require.NoError(t, err)
		require.True(t, bytes.Equal(pattern(1, 256<<10), m.disk[:256<<10]))
	}
}
