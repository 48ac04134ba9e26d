package emulated_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/emulated"
	"github.com/seed64aab995/rescuekernel/machine/qemu"
)

// BenchmarkCompress tells how many guest instructions a second a Go program gets
// that compresses and hashes 32 MiB, from power-on to its end; and in QEMU (TCG),
// with the same image, of a CPU that has about the same features.
func BenchmarkCompress(b *testing.B) {
	for architecture, cpu := range map[machine.Architecture]string{machine.AMD64: "Westmere", machine.ARM64: "cortex-a57"} {
		b.Run(string(architecture), func(b *testing.B) { compress(b, architecture, cpu) })
	}
}

func compress(b *testing.B, architecture machine.Architecture, cpu string) {
	config := machine.Config{Boot: machine.Boot{Image: needGuest(b, architecture).boot, CommandLine: "compress"}}
	var executed uint64
	var ours, theirs time.Duration
	for range b.N {
		m, err := emulated.Options{Architecture: architecture}.New(config)
		require.NoError(b, err)
		ours += runAll(b, m)
		executed += m.(*emulated.Machine).Instructions()
		require.NoError(b, m.Close())
		m, err = qemu.Options{Architecture: architecture, CPU: cpu}.New(config)
		if errors.Is(err, machine.ErrUnavailable) {
			continue
		}
		require.NoError(b, err)
		theirs += runAll(b, m)
		require.NoError(b, m.Close())
	}
	b.ReportMetric(float64(executed)/ours.Seconds()/1e6, "Minsn/s")
	if theirs != 0 {
		b.ReportMetric(float64(executed)/theirs.Seconds()/1e6, "QEMU-Minsn/s")
		b.ReportMetric(theirs.Seconds()/ours.Seconds(), "of-QEMU")
	}
}

// runAll runs a machine until its guest turns it off.
func runAll(b *testing.B, m machine.Machine) time.Duration {
	b.Helper()
	begin := time.Now()
	exit, err := m.Run(context.Background())
	require.NoError(b, err)
	require.Contains(b, []machine.Reason{machine.DebugExit, machine.PoweredOff}, exit.Reason, "%v", exit)
	return time.Since(begin)
}

// TestMemoryInUse: what an emulated machine needs beside its guest's RAM is less
// than 100 MiB. It runs alone.
func TestMemoryInUse(t *testing.T) {
	var before, after runtime.MemStats
	runGuest(t, "hello", nil) // builds the image
	runtime.GC()
	runtime.ReadMemStats(&before)
	m, _ := startGuest(t, "collect", nil)
	_, err := m.Run(t.Context())
	require.NoError(t, err)
	runtime.GC()
	runtime.ReadMemStats(&after)
	used := after.HeapAlloc - before.HeapAlloc
	t.Logf("%d MiB, of it RAM at most 64 MiB", used>>20)
	require.Less(t, used, uint64(machine.DefaultMemorySize+100<<20))
}
