package device_test

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/device/virtio"
	"github.com/seed64aab995/rescuekernel/emulator/device"
)

// TestRequests does requests that a driver of ours would not make so.
func TestRequests(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for name, test := range map[string]struct {
		kind   uint32
		sector uint64
		size   uint32
		want   byte
	}{
		"read":                {virtio.BlockTypeRead, 0, 512, virtio.BlockStatusOK},
		"last sector":         {virtio.BlockTypeRead, 2047, 512, virtio.BlockStatusOK},
		"one too many":        {virtio.BlockTypeRead, 2047, 1024, virtio.BlockStatusIO},
		"beyond the end":      {virtio.BlockTypeRead, 2048, 512, virtio.BlockStatusIO},
		"a sector that wraps": {virtio.BlockTypeWrite, math.MaxUint64, 512, virtio.BlockStatusIO},
		"far":                 {virtio.BlockTypeWrite, 1 << 55, 512, virtio.BlockStatusIO},
		"part of a sector":    {virtio.BlockTypeRead, 0, 100, virtio.BlockStatusIO},
		"unknown":             {77, 0, 512, virtio.BlockStatusNone},
		"write":               {virtio.BlockTypeWrite, 7, 4096, virtio.BlockStatusOK},
	} {
		require.Equal(t, test.want, r.do(test.kind, test.sector, test.size), name)
	}
	require.Zero(t, r.status()&virtio.StatusNeedsReset)
	require.NoError(t, r.blocks[0].Problem())
}

// TestLayouts: from version 1 on a request may be cut into descriptors in any
// way (2.7.4).
func TestLayouts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	want := pattern(1024, 9)
	for name, lengths := range map[string][]uint32{
		"one":               {16 + 1024},
		"header in pieces":  {3, 5, 8, 1024},
		"header with data":  {16 + 100, 1, 923},
		"many":              {16, 1, 2, 3, 4, 5, 6, 7, 996},
		"page by page even": {16, 512, 512},
	} {
		r.header(virtio.BlockTypeWrite, 3)
		copy(r.at(rigData), r.at(rigHeader)[:16])
		copy(r.at(rigData+16), want)
		clear(r.disks[0].data[3*512:][:1024])
		at := uint64(rigData)
		for i, n := range lengths {
			r.describe(rigDescriptors, i, at, n, next, uint16(i+1))
			at += uint64(n)
		}
		r.describe(rigDescriptors, len(lengths), rigStatus, 1, writes, 0)
		r.offer(0)
		r.kick()
		require.Equal(t, []usedElement{{0, 1}}, r.used(), name)
		require.Zero(t, r.at(rigStatus)[0], name)
		require.Equal(t, want, r.disks[0].data[3*512:][:1024], name)
	}
	// A read into one descriptor that ends in the status.
	r.header(virtio.BlockTypeRead, 3)
	r.describe(rigDescriptors, 0, rigHeader, 16, next, 1)
	r.describe(rigDescriptors, 1, rigData, 1025, writes, 0)
	r.offer(0)
	r.kick()
	require.Equal(t, []usedElement{{0, 1025}}, r.used())
	require.Equal(t, append(slices.Clone(want), 0), r.at(rigData)[:1025])
}

func TestIndirect(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.header(virtio.BlockTypeRead, 1)
	// A table may be as long as the queue (2.7.5.3.1), and longer than its chain.
	const data = rigSize - 2
	r.describe(rigTable, 0, rigHeader, 16, next, 5)
	for i := range data {
		at := 1 + (i+4)%data // from the fifth on, and round
		following := uint16(1 + (i+5)%data)
		if i == data-1 {
			following = rigSize - 1
		}
		r.describe(rigTable, at, rigData+uint64(i)*512, 512, writes|next, following)
	}
	r.describe(rigTable, rigSize-1, rigStatus, 1, writes, 0)
	r.describe(rigDescriptors, 2, rigTable, 16*rigSize, indirect, 0)
	r.offer(2)
	r.kick()
	require.Equal(t, []usedElement{{2, data*512 + 1}}, r.used(), "%v", r.blocks[0].Problem())
	require.Equal(t, r.disks[0].data[512:][:data*512], r.at(rigData)[:data*512])
}

func TestNoIndirectWhereNotAgreed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.start(virtio.FeatureVersion1)
	r.describe(rigDescriptors, 0, rigTable, 16, indirect, 0)
	r.offer(0)
	r.kick()
	require.NotZero(t, r.status()&virtio.StatusNeedsReset)
}

// TestHostileRings: whatever a guest puts into its queue, the device says that
// it needs a reset, and works after that.
func TestHostileRings(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil func(r *rig)
		want  string
	}{
		"index far ahead":       {func(r *rig) { r.put16(rigAvailable+2, rigSize+1) }, "available index 17 is 17 beyond the last"},
		"index behind":          {func(r *rig) { r.put16(rigAvailable+2, 0xffff) }, "beyond the last"},
		"head beyond table":     {func(r *rig) { r.offer(rigSize) }, "request at descriptor 16 of 16"},
		"next beyond table":     {func(r *rig) { r.describe(rigDescriptors, 0, rigHeader, 16, next, 999); r.offer(0) }, "is followed by 999 of 16"},
		"loop of one":           {func(r *rig) { r.describe(rigDescriptors, 0, rigHeader, 16, next, 0); r.offer(0) }, "does not end"},
		"loop of two":           {func(r *rig) { r.describe(rigDescriptors, 1, rigHeader, 16, next, 0); r.offer(0) }, "does not end"},
		"no bytes":              {func(r *rig) { r.describe(rigDescriptors, 1, rigData, 0, next, 2); r.offer(0) }, "no bytes"},
		"read behind write":     {func(r *rig) { r.describe(rigDescriptors, 2, rigStatus, 1, 0, 0); r.offer(0) }, "behind memory to write"},
		"no status":             {func(r *rig) { r.describe(rigDescriptors, 0, rigHeader, 16, 0, 0); r.offer(0) }, "no room for header and status"},
		"short header":          {func(r *rig) { r.describe(rigDescriptors, 0, rigHeader, 15, next, 1); r.offer(0) }, "no room for header and status"},
		"header nowhere":        {func(r *rig) { r.describe(rigDescriptors, 0, 1<<40, 16, next, 1); r.offer(0) }, "DMA outside of memory"},
		"data nowhere":          {func(r *rig) { r.describe(rigDescriptors, 1, ramBase+ramSize-100, 512, writes|next, 2); r.offer(0) }, "DMA outside of memory"},
		"address that wraps":    {func(r *rig) { r.describe(rigDescriptors, 1, math.MaxUint64-100, 512, writes|next, 2); r.offer(0) }, "DMA outside of memory"},
		"status nowhere":        {func(r *rig) { r.describe(rigDescriptors, 2, 0, 1, writes, 0); r.offer(0) }, "request status"},
		"table in table":        {func(r *rig) { r.indirect(16); r.describe(rigTable, 0, rigTable, 16, indirect, 0) }, "has a table of 16 bytes where there must be none"},
		"table that goes on":    {func(r *rig) { r.indirect(16); r.describe(rigDescriptors, 0, rigTable, 16, indirect|next, 1) }, "has a table"},
		"odd table":             {func(r *rig) { r.indirect(24) }, "has a table of 24 bytes"},
		"empty table":           {func(r *rig) { r.indirect(0) }, "has a table of 0 bytes"},
		"next beyond indirect":  {func(r *rig) { r.indirect(16); r.describe(rigTable, 0, rigHeader, 16, next, 1) }, "is followed by 1 of 1"},
		"loop in a huge table":  {func(r *rig) { r.indirect(math.MaxUint32 - 15); r.describe(rigTable, 0, rigHeader, 16, next, 0) }, "does not end"},
		"table nowhere":         {func(r *rig) { r.indirect(16); r.describe(rigDescriptors, 0, 1<<51, 16, indirect, 0) }, "DMA outside of memory"},
		"descriptors nowhere":   {func(r *rig) { r.restart(1<<45, rigAvailable, rigUsed); r.offer(0) }, "descriptor 0: DMA outside"},
		"available ring is not": {func(r *rig) { r.restart(rigDescriptors, 1<<45, rigUsed) }, "available index: DMA outside"},
		"used ring is not": {func(r *rig) {
			r.restart(rigDescriptors, rigAvailable, math.MaxUint64-3)
			r.request(0, 0, 0, 512)
			r.offer(0)
		}, "used ring: DMA outside"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			before := slices.Clone(r.disks[0].data)
			r.request(0, virtio.BlockTypeRead, 0, 512)
			test.spoil(r)
			r.kick()
			require.NotZero(t, r.status()&virtio.StatusNeedsReset)
			require.ErrorContains(t, r.blocks[0].Problem(), test.want)
			require.Empty(t, r.used())
			require.Equal(t, before, r.disks[0].data)
			require.EqualValues(t, 2, r.registers.Read32(virtio.MMIOInterruptStatus), "a change of configuration is signalled (2.1.2)")

			requests := r.blocks[0].Counters().Requests
			r.registers.Write32(virtio.MMIOStatus, virtio.StatusDriverOK) // that does not bring it back
			r.kick()
			require.Equal(t, requests, r.blocks[0].Counters().Requests)
			r.start(virtio.FeatureVersion1)
			require.EqualValues(t, virtio.BlockStatusOK, r.do(virtio.BlockTypeRead, 0, 512))
		})
	}
}

// indirect makes a request of a table available.
func (r *rig) indirect(bytes uint32) {
	r.describe(rigDescriptors, 0, rigTable, bytes, indirect, 0)
	r.offer(0)
}

// restart puts the queue's parts elsewhere.
func (r *rig) restart(descriptors, available, used uint64) {
	r.registers.Write32(virtio.MMIOQueueReady, 0)
	r.setQueue(rigSize, descriptors, available, used)
}

func TestRefusedQueues(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		size  uint32
		parts []uint64
	}{
		"no descriptors":             {0, nil},
		"no power of two":            {12, nil},
		"too many":                   {512, nil},
		"a size of 32 bits":          {1<<16 + 16, nil},
		"descriptors not aligned":    {16, []uint64{rigDescriptors + 8, rigAvailable, rigUsed}},
		"available ring not aligned": {16, []uint64{rigDescriptors, rigAvailable + 1, rigUsed}},
		"used ring not aligned":      {16, []uint64{rigDescriptors, rigAvailable, rigUsed + 2}},
	} {
		r := newRig(t)
		r.registers.Write32(virtio.MMIOQueueReady, 0)
		r.setQueue(test.size, test.parts...)
		require.NotZero(t, r.status()&virtio.StatusNeedsReset, name)
		require.Zero(t, r.registers.Read32(virtio.MMIOQueueReady), name)
	}
}

// TestWorkIsBounded offers a queue full of requests for more than a request can
// move.
func TestWorkIsBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(b *device.Board) { b.Disks[0].Size = 1 << 40 })
	r.request(0, virtio.BlockTypeWrite, 0, device.MaxTransfer+512)
	for range rigSize {
		r.offer(0)
	}
	r.kick()
	require.Len(t, r.used(), rigSize)
	require.EqualValues(t, virtio.BlockStatusIO, r.at(rigStatus)[0])
	require.EqualValues(t, rigSize, r.blocks[0].Counters().Requests)
	require.Zero(t, r.blocks[0].Counters().BytesWritten)
}

// TestNotYet: before DRIVER_OK the device uses no queue (3.1.1), nor does it for
// a driver of whose features nothing came.
func TestNotYet(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	w := r.registers
	w.Write32(virtio.MMIOStatus, 0)
	r.request(0, virtio.BlockTypeRead, 0, 512)
	r.setQueue(rigSize, rigDescriptors, rigAvailable, rigUsed)
	r.offer(0)
	r.kick()
	w.Write32(virtio.MMIOStatus, virtio.StatusAcknowledge|virtio.StatusDriver)
	r.kick()
	w.Write32(virtio.MMIOStatus, virtio.StatusAcknowledge|virtio.StatusDriver|virtio.StatusFeaturesOK)
	require.Zero(t, r.status()&virtio.StatusFeaturesOK, "VERSION_1 was not chosen")
	w.Write32(virtio.MMIOStatus, virtio.StatusDriverOK)
	r.kick()
	require.Zero(t, r.blocks[0].Counters().Requests)
	require.Empty(t, r.used())

	w.Write32(virtio.MMIOStatus, 0)
	for half, v := range []uint64{virtio.FeatureAnyLayout, 1} { // the legacy feature is not offered here
		w.Write32(virtio.MMIODriverFeatureSelect, uint32(half))
		w.Write32(virtio.MMIODriverFeatures, uint32(v))
	}
	w.Write32(virtio.MMIOStatus, virtio.StatusFeaturesOK)
	require.Zero(t, r.status()&virtio.StatusFeaturesOK)
}
