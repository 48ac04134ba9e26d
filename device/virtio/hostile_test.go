package virtio

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/device"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// failsFor checks that the device has been given up for want, and reset.
func failsFor(t *testing.T, m *model, b *Block, err, want error) {
	t.Helper()
	require.ErrorIs(t, err, want)
	var request *RequestError
	require.ErrorAs(t, err, &request)
	require.Zero(t, m.status, "the device was not reset")
	requests := m.requests
	_, err = b.ReadAt(make([]byte, 512), 0)
	require.ErrorIs(t, err, want, "the error stays")
	require.ErrorIs(t, b.Pipeline().Flush(), want)
	require.Equal(t, requests, m.requests)
}

func TestDeviceThatNeverAnswers(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, m *model, transport string) {
		var now func() time.Time
		b := mustOpen(t, m, transport, func(o *Options) { now = o.Now })
		m.silent = true
		begin := now()
		n, err := b.WriteAt(make([]byte, 1<<20), 0)
		require.Zero(t, n)
		failsFor(t, m, b, err, ErrTimeout)
		require.Less(t, now().Sub(begin), 150*time.Millisecond, "the deadline was 100 ms")
	})
}

func TestDeviceThatCannotBeReset(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, m *model, transport string) {
		m.status, m.deaf = StatusDriverOK, true
		_, err := m.open(t, transport)
		require.ErrorIs(t, err, ErrTimeout)

		m.status, m.deaf = 0, false
		b := mustOpen(t, m, transport)
		m.silent, m.deaf = true, true
		_, err = b.WriteAt(make([]byte, 512), 0)
		require.ErrorIs(t, err, ErrTimeout)
	})
}

func TestDeviceThatNeedsReset(t *testing.T) {
	t.Parallel()
	m := newModel(t)
	b := mustOpen(t, m, "modern PCI")
	m.silent = true
	m.status |= StatusNeedsReset
	_, err := b.WriteAt(make([]byte, 512), 0)
	failsFor(t, m, b, err, ErrNeedsReset)
	require.NotContains(t, err.Error(), "\n", "a console has lines")
}

func TestLyingUsedRing(t *testing.T) {
	t.Parallel()
	cases := map[string]func(m *model){
		"beyond the queue":           func(m *model) { m.lie = func(_, n uint32) [2]uint32 { return [2]uint32{uint32(m.entries) * 3, n} } },
		"a huge number":              func(m *model) { m.lie = func(_, n uint32) [2]uint32 { return [2]uint32{0xffff_ffff, n} } },
		"the middle of a request":    func(m *model) { m.lie = func(id, n uint32) [2]uint32 { return [2]uint32{id + 1, n} } },
		"a request that is not sent": func(m *model) { m.lie = func(id, n uint32) [2]uint32 { return [2]uint32{id + 6, n} } },
		"one request twice":          func(m *model) { m.lie = func(_, n uint32) [2]uint32 { return [2]uint32{0, n} } },
		"too long":                   func(m *model) { m.lie = func(id, _ uint32) [2]uint32 { return [2]uint32{id, 16 + 512 + 2} } },
		"much too long":              func(m *model) { m.lie = func(id, _ uint32) [2]uint32 { return [2]uint32{id, 0xffff_ffff} } },
		"more than was asked for":    func(m *model) { m.ahead = 1 },
		"far more":                   func(m *model) { m.ahead = 0x8000 },
		"fewer than before":          func(m *model) { m.ahead = 0xfff0 },
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachTransport(t, func(t *testing.T, m *model, transport string) {
				b := mustOpen(t, m, transport)
				change(m)
				h1, err := b.Submit(Write, make([]byte, 512), 0)
				require.NoError(t, err)
				h2, err := b.Submit(Write, make([]byte, 512), 512)
				require.NoError(t, err)
				if first := b.Wait(h1); first != nil {
					require.ErrorIs(t, first, ErrProtocol)
				}
				failsFor(t, m, b, b.Wait(h2), ErrProtocol)
			})
		})
	}
}

func TestStatuses(t *testing.T) {
	t.Parallel()
	for status, want := range map[uint8]error{BlockStatusIO: ErrIO, BlockStatusNone: ErrUnsupported, 3: ErrProtocol, 0xff: ErrProtocol} {
		m := newModel(t)
		b := mustOpen(t, m, "MMIO 2")
		m.status1 = func(n int) uint8 {
			if n == 3 {
				return status
			}
			return BlockStatusOK
		}
		n, err := b.WriteAt(make([]byte, 64<<10), 8192) // 4 requests
		require.Equal(t, 32<<10, n, "what came before")
		require.ErrorIs(t, err, want)
		var request *RequestError
		require.ErrorAs(t, err, &request)
		first, end := request.Sectors()
		require.EqualValues(t, (8192+32<<10)/512, first)
		require.EqualValues(t, (8192+48<<10)/512, end)
		require.ErrorContains(t, err, "write sectors [80, 112)")
		_, err = b.WriteAt(make([]byte, 512), 0)
		require.NoError(t, err, "a failed request is not the end")
	}
}

// TestShortReads: a device says that it has read less than it was asked for.
func TestShortReads(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, m *model, transport string) {
		b := mustOpen(t, m, transport)
		m.lie = func(id, n uint32) [2]uint32 { return [2]uint32{id, n - 1} }
		_, err := b.ReadAt(make([]byte, 512), 0)
		if b.transport.Legacy() { // which were never exact
			require.NoError(t, err)
			return
		}
		require.ErrorIs(t, err, ErrProtocol)
	})
}

func TestFeaturesRefused(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"modern PCI", "MMIO 2"} {
		m := newModel(t)
		m.refuse = true
		_, err := m.open(t, transport)
		require.ErrorIs(t, err, ErrFeatures)
		m = newModel(t)
		m.features &^= FeatureVersion1
		_, err = m.open(t, transport)
		require.ErrorIs(t, err, ErrFeatures)
		require.EqualValues(t, StatusFailed, m.status)
	}
}

func TestConfigurationThatChanges(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"modern PCI", "MMIO 2"} {
		m := newModel(t)
		n := uint32(0)
		m.generation = func() uint32 { n++; return min(n, 3) }
		_, err := m.open(t, transport)
		require.NoError(t, err, "it settles")
		m.generation = func() uint32 { n++; return n }
		_, err = m.open(t, transport)
		require.ErrorIs(t, err, ErrConfigChanges)
	}
}

func TestConfigurationThatIsWrong(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*model){
		"sector size 0":            func(m *model) { m.sectorSize = 0 },
		"sector size 513":          func(m *model) { m.sectorSize = 513 },
		"sector size 1 GiB":        func(m *model) { m.sectorSize = 1 << 30 },
		"requests of no bytes":     func(m *model) { m.features |= FeatureBlockSizeMax; m.sizeMax = 0 },
		"requests of half sectors": func(m *model) { m.features |= FeatureBlockSizeMax; m.sizeMax = 256 },
		"no queue":                 func(m *model) { m.queueSize = 0 },
		"queue of 2":               func(m *model) { m.queueSize = 2 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachTransport(t, func(t *testing.T, m *model, transport string) {
				change(m)
				_, err := m.open(t, transport)
				require.ErrorIs(t, err, ErrTransport)
			})
		})
	}
	m := newModel(t)
	m.queueSize = 100
	_, err := m.open(t, "legacy PCI")
	require.ErrorIs(t, err, ErrTransport)
	m = newModel(t)
	_, err = NewBlock(NewLegacyPCI(m.legacy(), TypeNetwork), m.options())
	require.ErrorIs(t, err, ErrNoDevice)
	m.features |= FeatureBlockSizeMax
	m.sizeMax = 1000
	b := mustOpen(t, m, "MMIO 1")
	require.Equal(t, 512, b.MaxTransfer())
	_, err = b.WriteAt(pattern(1, 4096), 0)
	require.NoError(t, err)
	require.Equal(t, pattern(1, 4096), m.disk[:4096])
}

func TestLegacyQueueTooHigh(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"legacy PCI", "MMIO 1"} {
		m := newModel(t)
		_, err := m.open(t, transport, func(o *Options) { o.Memory.Address = 1 << 44 })
		require.ErrorIs(t, err, ErrMemory)
	}
	m := newModel(t)
	_, err := m.open(t, "MMIO 2", func(o *Options) { o.Memory = device.Region{} })
	require.ErrorIs(t, err, ErrMemory)
}

func TestNotMMIO(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		registers [3]uint64
		want      error
	}{
		"nothing":   {[3]uint64{0xffff_ffff, 0xffff_ffff, 0xffff_ffff}, ErrNoDevice},
		"no device": {[3]uint64{MagicValue, 2, 0}, ErrNoDevice},
		"version 3": {[3]uint64{MagicValue, 3, 2}, ErrTransport},
	} {
		_, err := NewMMIO(fake{read: func(offset uint64, _ int) uint64 { return c.registers[offset/4] }})
		require.ErrorIs(t, err, c.want, name)
	}
}

// FuzzDevice lets a device write what it likes into the rings and states.
// Nothing may panic, hang, or reach beyond the memory.
func FuzzDevice(f *testing.F) {
	f.Add([]byte{0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0}, uint8(0))
	f.Add([]byte{0, 0, 2, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0}, uint8(1))
	f.Add([]byte{1, 0, 0xff, 0xff, 0xff, 0xff}, uint8(2))
	f.Add([]byte{}, uint8(3))
	f.Fuzz(func(t *testing.T, ring []byte, kind uint8) {
		names := []string{"legacy PCI", "modern PCI", "MMIO 1", "MMIO 2"}
		m := newModel(t)
		b := mustOpen(t, m, names[kind%4], func(o *Options) { o.Timeout = 20 * time.Millisecond })
		m.silent = true
		used := m.memory.Memory[b.ring.used+memoryOffset(b):]
		for i := range 4 {
			data := make([]byte, 16<<10)
			h, err := b.Submit([]Operation{Read, Write, Flush, GetID}[(i+int(kind>>2))%4], data[:[]int{512, 1024, 0, 20}[(i+int(kind>>2))%4]], 0)
			if err != nil {
				break
			}
			b.Kick()
			if len(ring) > 0 {
				copy(used, ring)
				b.requests[h&0xff].header.Memory[statusOffset] = ring[0]
			}
			_ = b.Wait(h)
		}
		n, err := b.ReadAt(make([]byte, 64<<10), 0)
		require.True(t, err != nil || n == 64<<10)
		_ = b.Close()
	})
}

func memoryOffset(b *Block) uint64 { return uint64(b.ring.memory.Address - memoryBase) }

// TestRingBytes pins where a legacy device finds the parts of a queue of 8: the
// example of the specification's formula (2.7.2).
func TestRingBytes(t *testing.T) {
	t.Parallel()
	region := newRegion(8192)
	r, err := newRing(&region, 8)
	require.NoError(t, err)
	require.Equal(t, QueueAddresses{memoryBase, memoryBase + 128, memoryBase + 4096}, r.addresses())
	require.Equal(t, legacyQueue(memoryBase, 8), r.addresses())
	r.describe(2, 0x1122334455667788, 0x99aabbcc, DescriptorHasNext|DescriptorDeviceWrites, 0xddee)
	require.Equal(t, []byte{0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0xcc, 0xbb, 0xaa, 0x99, 3, 0, 0xee, 0xdd}, r.memory.Memory[32:48])
	r.push(6)
	require.Equal(t, []byte{0, 0, 0, 0, 6, 0}, r.memory.Memory[128:134], "nothing is shown yet")
	require.True(t, r.publish())
	require.Equal(t, []byte{1, 0, 1, 0, 6, 0}, r.memory.Memory[128:134])
	require.False(t, r.publish())
	binary.LittleEndian.PutUint16(r.memory.Memory[4098:], 1)
	require.EqualValues(t, 1, r.finished())
	require.Equal(t, physmem.Address(memoryBase), r.memory.Address)
	require.Empty(t, region.Memory)
}
