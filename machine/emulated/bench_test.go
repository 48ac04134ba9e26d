package emulated_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/emulated"
)

// BenchmarkCompress tells how many guest instructions a second a Go program
// gets that compresses and hashes: 200 million of them, behind its start.
func BenchmarkCompress(b *testing.B) {
	for _, architecture := range []machine.Architecture{machine.AMD64, machine.ARM64} {
		b.Run(string(architecture), func(b *testing.B) { compress(b, architecture) })
	}
}

func compress(b *testing.B, architecture machine.Architecture) {
	const start, length = 20_000_000, 200_000_000
	var spent time.Duration
	for range b.N {
		m, _ := startGuestOn(b, emulated.Options{Architecture: architecture}, "compress", nil)
		for _, at := range []uint64{start, start + length} {
			m.At(at, func(*emulator.Memory) *machine.Exit { return stopped })
		}
		_, err := m.Run(context.Background())
		require.NoError(b, err)
		begin := time.Now()
		_, err = m.Run(context.Background())
		require.NoError(b, err)
		spent += time.Since(begin)
		require.EqualValues(b, start+length, m.Instructions())
	}
	b.ReportMetric(length*float64(b.N)/spent.Seconds()/1e6, "Minsn/s")
}
