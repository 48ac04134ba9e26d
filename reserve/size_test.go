package reserve_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/reserve"
)

// hostOf is a request for a host of so much memory, with the bitmap it has.
func hostOf(t testing.TB, memory physmem.Address, size uint64, image []byte) reserve.Request {
	t.Helper()
	q := request(t, memory-physmem.Address(size), physmem.Range{Start: 0, End: memory})
	q.Reservation.End = memory
	q.Image = openELF(t, image)
	bitmap := uint64(memory) / 4096 / 8
	q.DumpAvail.Extents = []physmem.Range{{Start: 0x1000, End: 0x1030}}
	q.Bitmap = handoff.Region{Length: bitmap, Extents: []physmem.Range{{Start: mib, End: mib + physmem.Address(bitmap)}}}
	return q
}

// largeImage has as many file-backed pages as cmd/rescue-kernel may have.
func largeImage() []byte {
	s := standard()
	s[1].fileSize, s[1].memSize = 2_900_000, 2_900_000
	s[2].start += 2_900_000 &^ 0xfff
	return append(makeELF(textAt, s), make([]byte, 2<<20)...)
}

// TestEightMiB holds the promise: 8 MiB all in for hosts up to 32 GiB, and the
// rule above, with an image of nearly 3 MB and no 1 GiB pages.
func TestEightMiB(t *testing.T) {
	t.Parallel()
	for _, memory := range []physmem.Address{128 * mib, gib, 32 * gib, 64 * gib, 256 * gib, 1024 * gib} {
		size := reserve.LeastSize(uint64(memory))
		report := newPlan(t, hostOf(t, memory, size, largeImage())).Report()
		require.Equal(t, size, report.Least, "%v", memory)
		require.Equal(t, uint64(memory), report.HostMemory)
		var sum uint64
		for _, c := range report.Parts {
			require.Equal(t, sum, c.Offset)
			sum += c.Size
			if c.Part == handoff.PartProgram {
				require.GreaterOrEqual(t, c.Size, uint64(3<<20))
			}
		}
		require.Equal(t, size, sum)

		_, err := reserve.New(nowhere{}, hostOf(t, memory, size-4096, largeImage()))
		var small *reserve.TooSmallError
		require.ErrorAs(t, err, &small)
		require.Equal(t, size, small.Report.Least)
	}
}

func TestTooSmallSaysWhy(t *testing.T) {
	t.Parallel()
	q := hostOf(t, 64*gib, 8<<20, largeImage())
	_, err := reserve.New(nowhere{}, q)
	require.ErrorContains(t, err, "reservation of 8 MiB is too small: a host of 64 GiB needs at least 9728 KiB: image 2860 KiB, page tables ")
	require.ErrorContains(t, err, "bitmap snapshot 2 MiB, index 68 KiB")

	// With memory behind it the answer is the same.
	for _, size := range []physmem.Address{4096, 64 << 10, mib, 4 * mib, 8*mib - 4096} {
		q = request(t, 64*mib, physmem.Range{Start: 0x1000, End: 256 * mib})
		q.Reservation.End = q.Reservation.Start + size
		_, err = reserve.New(nowhere{}, q)
		var small *reserve.TooSmallError
		require.ErrorAs(t, err, &small)
		require.Equal(t, uint64(8*mib), small.Report.Least)
	}

	// An image that is larger than the rule has room for raises the least.
	s := standard()
	s[1].fileSize, s[1].memSize = 6<<20, 6<<20
	s[2].start += 6 << 20
	q = hostOf(t, gib, 8<<20, append(makeELF(textAt, s), make([]byte, 6<<20)...))
	_, err = reserve.New(nowhere{}, q)
	var small *reserve.TooSmallError
	require.ErrorAs(t, err, &small)
	require.Greater(t, small.Report.Least, uint64(9<<20))
}

func TestLimits(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		size uint64
		want handoff.Limits
	}{
		{8 << 20, handoff.Limits{GCPercent: 20, ZstdWindow: 64 << 10}},
		{32 << 20, handoff.Limits{GCPercent: 50, ZstdWindow: 256 << 10}},
		{128 << 20, handoff.Limits{GCPercent: 100, ZstdWindow: 1 << 20}},
	} {
		plan := newPlan(t, hostOf(t, gib, tt.size, makeELF(textAt, standard())))
		b := plan.Block()
		program := b.Parts[handoff.PartProgram].Size
		require.Equal(t, tt.want.GCPercent, b.Limits.GCPercent)
		require.Equal(t, tt.want.ZstdWindow, b.Limits.ZstdWindow)
		require.Less(t, b.Limits.Memory, program)
		require.Greater(t, b.Limits.Memory, program/2)
		require.Equal(t, b.Limits.Memory, plan.Report().MemoryLimit)
	}
	q := hostOf(t, gib, 8<<20, makeELF(textAt, standard()))
	q.Limits = handoff.Limits{Memory: 1 << 20, GCPercent: 77, ZstdWindow: 1 << 15}
	require.Equal(t, q.Limits, newPlan(t, q).Block().Limits)
}
