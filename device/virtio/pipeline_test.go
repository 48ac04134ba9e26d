package virtio

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPipelineWritesBehind(t *testing.T) {
	t.Parallel()
	for _, later := range []bool{false, true} {
		eachTransport(t, func(t *testing.T, m *model, transport string) {
			m.later, m.reverse = later, true
			b := mustOpen(t, m, transport)
			p := b.Pipeline()
			data := pattern(9, 1<<20)
			for at := 0; at < len(data); at += 24 << 10 {
				part := bytes.Clone(data[at:min(at+24<<10, len(data))])
				n, err := p.WriteAt(part, int64(at))
				require.NoError(t, err)
				require.Equal(t, len(part), n)
				clear(part) // it is the caller's again
			}
			got := make([]byte, 512)
			require.NoError(t, p.Flush())
			require.EqualValues(t, -1, m.writes[len(m.writes)-1], "flush comes last")
			require.True(t, bytes.Equal(data, m.disk[:len(data)]))
			_, err := b.ReadAt(got, 0)
			require.NoError(t, err)
			require.Equal(t, data[:512], got)
		})
	}
}

// TestPipelineKeepsOrder checks that a write out of sequence is a barrier.
func TestPipelineKeepsOrder(t *testing.T) {
	t.Parallel()
	m := newModel(t)
	m.later, m.reverse = true, true // within a sequence the last comes first
	b := mustOpen(t, m, "modern PCI")
	p := b.Pipeline()
	sector := make([]byte, 512)
	for _, at := range []int64{8192, 8704, 9216, 0, 9728, 10240, 512} {
		_, err := p.WriteAt(sector, at)
		require.NoError(t, err)
	}
	require.NoError(t, p.Drain())
	require.Len(t, m.writes, 7)
	require.ElementsMatch(t, []int64{9216, 8704, 8192}, m.writes[:3])
	require.EqualValues(t, 0, m.writes[3])
	require.ElementsMatch(t, []int64{10240, 9728}, m.writes[4:6])
	require.EqualValues(t, 512, m.writes[6])
}

// TestPipelineCopiesMemoryForDMA checks that data in the driver's memory may
// change too when WriteAt has returned.
func TestPipelineCopiesMemoryForDMA(t *testing.T) {
	t.Parallel()
	m := newModel(t)
	m.later = true
	b := mustOpen(t, m, "MMIO 2")
	spare := b.Spare()
	buffer, err := spare.Carve(64<<10, 512)
	require.NoError(t, err)
	p := b.Pipeline()
	want := pattern(1, 64<<10)
	copy(buffer.Memory, want)
	_, err = p.WriteAt(buffer.Memory, 0)
	require.NoError(t, err)
	clear(buffer.Memory)
	require.NoError(t, p.Drain())
	require.True(t, bytes.Equal(want, m.disk[:64<<10]))
}

// TestPipelineFails lets each write of some fail.
func TestPipelineFails(t *testing.T) {
	t.Parallel()
	const writes = 20
	for fail := 1; fail <= writes; fail++ {
		m := newModel(t)
		m.later = fail%2 == 0
		m.status1 = func(request int) uint8 {
			if request >= fail {
				return BlockStatusIO
			}
			return BlockStatusOK
		}
		p := mustOpen(t, m, "legacy PCI").Pipeline()
		var first error
		for i := range int64(writes) {
			if _, err := p.WriteAt(pattern(uint64(i), 512), i*512); err != nil {
				first = err
				break
			}
		}
		err := p.Flush()
		require.ErrorIs(t, err, ErrIO, "%d", fail)
		if first != nil {
			require.Equal(t, first, err, "an error stays")
		}
		var request *RequestError
		require.ErrorAs(t, err, &request)
		from, to := request.Sectors()
		require.EqualValues(t, fail-1, from)
		require.EqualValues(t, fail, to)
		require.Equal(t, Write, request.Operation)
		_, again := p.WriteAt(make([]byte, 512), 0)
		require.Equal(t, err, again)
		for i := range fail - 1 {
			require.Equal(t, pattern(uint64(i), 512), m.disk[i*512:][:512])
		}
		require.Equal(t, make([]byte, 512), m.disk[(fail-1)*512:][:512])
	}
}

func TestPipelineRefuses(t *testing.T) {
	t.Parallel()
	m := newModel(t)
	b := mustOpen(t, m, "legacy PCI")
	p := b.Pipeline()
	_, err := p.WriteAt(make([]byte, 100), 0)
	require.ErrorIs(t, err, ErrAlignment)
	_, err = p.WriteAt(make([]byte, 1024), b.Size()-512)
	require.ErrorIs(t, err, ErrOutside)
	_, err = p.WriteAt(make([]byte, 512), 0)
	require.NoError(t, err, "what was refused does not end the pipeline")
	require.NoError(t, b.Close())
	_, err = p.WriteAt(make([]byte, 512), 512)
	require.ErrorIs(t, err, ErrClosed)
}
