package minidump

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/stretchr/testify/require"
)

// exercise opens data and does everything that a Reader can do. What it says
// must agree with itself.
func exercise(t *testing.T, data []byte, address uint64) {
	t.Helper()
	symbols := symbolMap{symbolRoot4: amd64KernelBase + address%uint64(len(data)+1), symbolMessageBuffer: address}
	for _, options := range [][]Option{
		{MaxBitmapSize(1 << 20)},
		{MaxBitmapSize(1 << 20), IgnoreNotes(), ZeroBeyondEnd(), WithAMD64Paging(amd64.Paging{})},
		{MaxBitmapSize(1 << 20), WithSymbols(symbols)},
	} {
		r, err := Open(bytes.NewReader(data), int64(len(data)), options...)
		if err != nil {
			known := false
			for _, want := range []error{ErrNotDump, ErrTruncated, ErrDamaged, ErrUnsupported, ErrTooLarge} {
				known = known || errors.Is(err, want)
			}
			require.True(t, known, "%v", err)
			return
		}
		exerciseReader(t, r, address)
	}
}

func exerciseReader(t *testing.T, r *Reader, address uint64) {
	t.Helper()
	buffer := make([]byte, 3*r.PageSize())
	count := 0
	for page, offset := range r.Pages() {
		if _, ok := r.DumpAvail().Index(page); !ok && r.Format() == FormatMinidump {
			require.Failf(t, "page", "%v at %#x is not in dump_avail", page, offset)
		}
		if count++; count > 64 {
			break
		}
		_, _ = r.ReadPhysical(buffer, page+physmem.Address(address%4096))
		_, _ = r.ReadVirtual(buffer, r.header.DirectMapBase+uint64(page))
	}
	holes := 0
	for h := range r.Holes() {
		require.False(t, h.Range.IsEmpty())
		if holes++; holes > 64 {
			break
		}
	}
	if r.size < r.ExpectedSize() {
		require.False(t, r.Complete())
	}
	for _, virtual := range []uint64{address, r.header.KernelBase, r.header.KernelBase + address%(64<<20), ^uint64(0)} {
		trace, err := r.Trace(virtual)
		physical, translateErr := r.Translate(virtual)
		require.Equal(t, err == nil, translateErr == nil)
		if err == nil {
			require.Equal(t, physical, trace.Physical)
		}
		_, _ = r.ReadVirtual(buffer[:100], virtual)
	}
	_, _ = r.ReadPhysical(buffer, physmem.Address(address))
	_, _ = r.MessageBuffer()
	_, _ = r.Notes()
	if r.ExpectedSize() < 1<<30 {
		_ = r.Space()
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	steps := 0
	report, _ := r.Verify(ctx, VerifyOptions{Progress: func(done, total int64) {
		require.LessOrEqual(t, done, total)
		if steps++; steps > 100 {
			cancel()
		}
	}})
	for _, f := range report.Findings {
		require.NotEmpty(t, f.Detail)
		require.NotEmpty(t, f.String())
	}
}

func FuzzOpen(f *testing.F) {
	for _, m := range oddImages() {
		m.ranges = m.ranges[:3]
		m.dumped = func(bit uint64) bool { return bit%64 < 3 }
		m.ring = m.ring[:100]
		file, _ := m.write()
		f.Add(file, m.kernelBase)
	}
	m := smallImage()
	file, _ := m.write()
	f.Add(file, uint64(0x11000))
	f.Add(file[:0x2010], m.directMap[0])
	f.Fuzz(func(t *testing.T, data []byte, address uint64) { exercise(t, data, address) })
}
