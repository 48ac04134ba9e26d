package device_test

import (
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/device/virtio"
	"github.com/seed64aab995/rescuekernel/emulator/device"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// The driver of device/virtio and the model are written apart from the same
// specification: one test for all transports.
func TestDriver(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, a device.Attachment) {
		c := newComputer(t, a)
		b := c.mustDriver(0)
		require.EqualValues(t, 1<<20, b.Size())
		require.False(t, b.ReadOnly())
		name, err := b.Serial()
		require.NoError(t, err)
		require.Equal(t, "dump", name)

		want := slices.Clone(c.disks[0].data)
		for i, w := range []struct{ offset, size int }{{0, 512}, {4096, 65536}, {1<<20 - 512, 512}, {300 * 512, 200 * 1024}} {
			p := pattern(w.size, byte(i))
			copy(want[w.offset:], p)
			n, err := b.WriteAt(p, int64(w.offset))
			require.NoError(t, err)
			require.Equal(t, w.size, n)
		}
		require.Equal(t, want, c.disks[0].data)
		require.NoError(t, b.Flush())
		require.Positive(t, c.disks[0].syncs)
		got := make([]byte, len(want))
		_, err = b.ReadAt(got, 0)
		if !errors.Is(err, io.EOF) {
			require.NoError(t, err)
		}
		require.Equal(t, want, got)

		n := c.blocks[0].Counters()
		require.EqualValues(t, 512+65536+512+200*1024, n.BytesWritten)
		require.EqualValues(t, 1<<20, n.BytesRead)
		require.Equal(t, n.Requests, n.Reads+n.Writes+n.Flushes+1)
		require.Zero(t, n.Failed)
		require.Equal(t, b.Notifications(), n.Kicks)
		require.Greater(t, n.Accesses, n.Kicks)
		require.NoError(t, c.blocks[0].Problem())
		require.NoError(t, b.Close())
		require.Empty(t, c.stops)
	})
}

// TestModernRegisters: a queue that is on stays as it is, and what is not there
// reads as zeros.
func TestModernRegisters(t *testing.T) {
	t.Parallel()
	c := newComputer(t, device.PCIModern)
	w := c.memory(0xfe004000)
	w.Write16(virtio.CommonQueueSize, 64)
	w.Write64(virtio.CommonQueueDescriptors, ramBase)
	w.Write32(virtio.CommonQueueUsed, ramBase+0x1000)
	w.Write32(virtio.CommonQueueUsed+4, 1)
	w.Write16(virtio.CommonQueueEnable, 0)
	require.Zero(t, w.Read16(virtio.CommonQueueEnable))
	w.Write16(virtio.CommonQueueEnable, 1)
	w.Write16(virtio.CommonQueueEnable, 1)
	w.Write16(virtio.CommonQueueSize, 32)
	w.Write64(virtio.CommonQueueDescriptors, 0)
	w.Write16(virtio.CommonQueueVector, 1)
	require.EqualValues(t, 64, w.Read16(virtio.CommonQueueSize))
	require.EqualValues(t, ramBase, w.Read64(virtio.CommonQueueDescriptors))
	require.EqualValues(t, uint64(1<<32|ramBase+0x1000), w.Read64(virtio.CommonQueueUsed))
	require.EqualValues(t, 1, w.Read16(virtio.CommonQueueEnable))
	require.EqualValues(t, 1, w.Read16(virtio.CommonQueueVector))
	require.Zero(t, w.Read16(virtio.CommonQueueNotifyOffset))
	w.Write16(virtio.CommonQueueSelect, 1)
	w.Write16(virtio.CommonQueueSize, 8)
	require.Zero(t, w.Read16(virtio.CommonQueueSize))
	w.Write64(0x2000, 0)
	require.EqualValues(t, 2048, w.Read64(0x2000), "the configuration cannot be written")
	require.Zero(t, w.Read32(0x3000), "notifications are not read")
	require.Zero(t, w.Read32(0x0800))
	w.Write32(0x3000, 0)
	w.Write32(0x3004, 0) // no queue's
	require.EqualValues(t, 1, c.blocks[0].Counters().Kicks)
}

// TestSparseMemory: memory that cannot be lent as a whole is copied.
func TestSparseMemory(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	sparse := physmem.NewSparse(physmem.Ranges{{Start: ramBase, End: ramBase + ramSize}})
	b, err := device.NewBlock(device.BlockConfig{Disk: r.board.Disks[0], Memory: sparse})
	require.NoError(t, err)
	r.blocks[0], r.bus = b, machine.NewBus(b.MMIO(r.board.MMIO, 2))
	r.start(virtio.FeatureVersion1)
	p := pattern(128<<10, 5)
	copy(r.at(rigData), p)
	r.request(0, virtio.BlockTypeWrite, 8, uint32(len(p)))
	r.offer(0)
	_, err = sparse.WritePhysical(r.ram, ramBase)
	require.NoError(t, err)
	r.kick()
	require.NoError(t, b.Problem())
	require.Equal(t, p, r.disks[0].data[8*512:][:len(p)])
}

func TestDriverReadOnly(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, a device.Attachment) {
		c := newComputer(t, a, func(b *device.Board) { b.Disks[0].ReadOnly = true })
		b := c.mustDriver(0)
		require.True(t, b.ReadOnly())
		_, err := b.WriteAt(make([]byte, 512), 0)
		require.Error(t, err)
		_, err = b.ReadAt(make([]byte, 512), 0)
		require.NoError(t, err)
	})
}

func TestDriverStorageError(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, a device.Attachment) {
		c := newComputer(t, a)
		b := c.mustDriver(0)
		c.disks[0].err = errors.New("medium error")
		_, err := b.WriteAt(make([]byte, 512), 0)
		require.ErrorIs(t, err, virtio.ErrIO)
		_, err = b.ReadAt(make([]byte, 512), 0)
		require.ErrorIs(t, err, virtio.ErrIO)
		require.ErrorIs(t, b.Flush(), virtio.ErrIO)
		c.disks[0].err = nil
		_, err = b.WriteAt(make([]byte, 512), 0)
		require.NoError(t, err, "the device goes on")
		require.EqualValues(t, 3, c.blocks[0].Counters().Failed)
	})
}

// TestDisks finds three disks where they are documented to be.
func TestDisks(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, a device.Attachment) {
		c := newComputer(t, a, func(b *device.Board) {
			for _, name := range []string{"second", "third"} {
				d := newDisk(4096)
				b.Disks = append(b.Disks, machine.Disk{Name: name, Size: 4096, Storage: d})
			}
		})
		require.True(t, c.board.Window().Size() > 0)
		for i, want := range []string{"dump", "second", "third"} {
			name, err := c.mustDriver(i).Serial()
			require.NoError(t, err)
			require.Equal(t, want, name)
			require.Equal(t, want, c.blocks[i].Disk().Name)
		}
	})
}
