package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/capture"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/kernel"
	"github.com/seed64aab995/rescuekernel/minidump"
)

// Started by an operating system the program says so and what it did not do.
func TestNotOnTheKernel(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := &program{console: &out}
	require.ErrorIs(t, p.run(), kernel.ErrNotRunning)
	p.report()
	require.Contains(t, out.String(), "rescue-kernel: report status=failed target=-1 pages=0 ")
}

func TestReport(t *testing.T) {
	t.Parallel()
	whole := capture.Attempt{Index: 1, Pages: 7, Progress: capture.Progress{Content: 30000, Compressed: 900}}
	cut := whole
	cut.Cut = &minidump.Cut{Pages: 3}
	for want, result := range map[string]capture.Result{
		"status=whole target=1 pages=7 content=30000 bytes=900 ": {Attempts: []capture.Attempt{{Err: errors.New("x")}, whole}, Best: 1},
		"status=cut target=1 pages=7 ":                           {Attempts: []capture.Attempt{cut}},
		"status=record target=-1 ":                               {Best: -1, RecordOnly: true},
		"status=failed target=-1 ":                               {Best: -1},
	} {
		var out bytes.Buffer
		p := &program{console: &out, result: result}
		p.times[handoff.PhaseDone] = 42
		p.report()
		require.Contains(t, out.String(), want)
		require.Contains(t, out.String(), " done_ns=42")
		require.Equal(t, 1, strings.Count(out.String(), "\n"))
	}
}

func TestAttempted(t *testing.T) {
	t.Parallel()
	for want, a := range map[string]capture.Attempt{
		"target 2, disk at PCI 0001:02:03.4: gone": {Index: 2, Err: errors.New("gone"),
			Target: handoff.Target{Kind: handoff.TargetBlock, Bus: handoff.BusPCI, Address: 1<<32 | 2<<16 | 3<<11 | 4<<8}},
		"target 0, serial line at port 0x3f8: gone":                 {Err: errors.New("gone"), Target: handoff.Target{Kind: handoff.TargetSerial, Bus: handoff.BusPort, Address: 0x3f8}},
		"target 0, disk at 0xfe000000: too small: 9 pages left out": {Cut: &minidump.Cut{Pages: 9}, Target: handoff.Target{Kind: handoff.TargetBlock, Bus: handoff.BusMMIO, Address: 0xfe000000}},
		"": {},
	} {
		var out bytes.Buffer
		(&program{console: &out}).attempted(a)
		require.Contains(t, out.String(), want)
		require.Equal(t, want == "", out.Len() == 0)
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 9203712: "8.8 MiB", 64 << 30: "64.0 GiB"} {
		require.Equal(t, want, size(n))
	}
	require.Equal(t, `a\x1b`, printable("a\x1b"))
}
