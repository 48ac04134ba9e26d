//go:build unix

package emulated_test

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/emulated"
	"github.com/seed64aab995/rescuekernel/machine/qemu"
)

// BenchmarkCompress tells how many guest instructions a second a Go program gets
// of CPU time that compresses and hashes 4 MiB, from power-on to its end; and in
// QEMU (TCG), with the same image, of a CPU that has about the same features. A
// busy computer makes little difference.
func BenchmarkCompress(b *testing.B) {
	for architecture, cpu := range map[machine.Architecture]string{machine.AMD64: "Westmere", machine.ARM64: "cortex-a57"} {
		b.Run(string(architecture), func(b *testing.B) { compress(b, architecture, cpu) })
	}
}

func compress(b *testing.B, architecture machine.Architecture, cpu string) {
	config := machine.Config{Boot: machine.Boot{Image: needGuest(b, architecture).boot, CommandLine: "compress 1"}}
	var executed uint64
	var ours, theirs time.Duration
	begin := spent(b, syscall.RUSAGE_CHILDREN)
	for range b.N {
		m, err := emulated.Options{Architecture: architecture}.New(config)
		require.NoError(b, err)
		before := spent(b, syscall.RUSAGE_SELF)
		runAll(b, m)
		ours += spent(b, syscall.RUSAGE_SELF) - before
		executed += m.(*emulated.Machine).Instructions()
		require.NoError(b, m.Close())
		m, err = qemu.Options{Architecture: architecture, CPU: cpu}.New(config)
		if errors.Is(err, machine.ErrUnavailable) {
			continue
		}
		require.NoError(b, err)
		runAll(b, m)
		require.NoError(b, m.Close())
		theirs = spent(b, syscall.RUSAGE_CHILDREN) - begin
	}
	b.ReportMetric(float64(executed)/ours.Seconds()/1e6, "Minsn/cpu-s")
	if theirs != 0 {
		b.ReportMetric(float64(executed)/theirs.Seconds()/1e6, "QEMU-Minsn/cpu-s")
		b.ReportMetric(theirs.Seconds()/ours.Seconds(), "of-QEMU")
	}
}

// runAll runs a machine until its guest turns it off.
func runAll(b *testing.B, m machine.Machine) {
	b.Helper()
	exit, err := m.Run(context.Background())
	require.NoError(b, err)
	require.Contains(b, []machine.Reason{machine.DebugExit, machine.PoweredOff}, exit.Reason, "%v", exit)
}

// spent is the CPU time that this process has had, or its children that ended.
func spent(b *testing.B, who int) time.Duration {
	b.Helper()
	var r syscall.Rusage
	require.NoError(b, syscall.Getrusage(who, &r))
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
