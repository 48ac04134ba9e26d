package vmtests

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machine"
)

// benchmarked are the machines whose time means something.
var benchmarked = []runner{onKVM, onQEMU, plainARM64}

// BenchmarkHandOff tells the time from the panic to the rescue program's main,
// split by phase, as medians.
func BenchmarkHandOff(b *testing.B) {
	for _, r := range benchmarked {
		b.Run(r.name, func(b *testing.B) { benchmarkHandOff(b, r) })
	}
}

func benchmarkHandOff(b *testing.B, r runner) {
	figures := map[string][]float64{}
	for range b.N {
		// Not stopped on the way: that would be timed, too.
		h := start(b, r, machine.Config{}, "panic=call", witnessProgram)
		said := h.requireEnd(h.finish())
		number := func(name string) float64 {
			n, err := strconv.ParseFloat(said.facts[name], 64)
			require.NoError(b, err, name)
			return n
		}
		entered, captured := number("phase0_to_entry_ns"), number("phase1_to_entry_ns")
		sealed, main := number("phase2_to_entry_ns"), number("entry_to_main_ns")
		for name, value := range map[string]float64{
			"capture-ns": entered - captured, "seals-ns": captured - sealed, "trampoline-ns": sealed,
			"entry-to-main-ns": main, "panic-to-main-ns": entered + main,
		} {
			figures[name] = append(figures[name], value)
		}
	}
	for name, values := range figures {
		b.ReportMetric(median(values), name)
	}
}

// median of values.
func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// BenchmarkDump tells the time from the panic to the first data block on the
// disk, and to the end of the dump, of hosts that nobody stops on the way: of one
// of 64 MiB, and of all of one of 256 MiB.
func BenchmarkDump(b *testing.B) {
	for _, r := range benchmarked {
		b.Run(r.name, func(b *testing.B) { benchmarkDump(b, r, machine.Config{}, "") })
		b.Run(fmt.Sprintf("%s 256 MiB", r.name), func(b *testing.B) {
			benchmarkDump(b, r, machine.Config{MemorySize: 256 << 20}, " fill=1")
		})
	}
}

func benchmarkDump(b *testing.B, r runner, config machine.Config, command string) {
	figures := map[string][]float64{}
	for range b.N {
		disk := newDisk(b, 96<<20)
		config.Disks = []machine.Disk{{Name: "dump", Size: 96 << 20, Storage: disk}}
		h := start(b, r, config, "panic=call"+command, rescueProgram)
		exit := h.finish()
		report := reportLine.FindStringSubmatch(h.console.String())
		require.NotNil(b, report, "%v\n%s", exit, h.console)
		for _, field := range strings.Fields(report[1]) {
			name, value, _ := strings.Cut(field, "=")
			if n, err := strconv.ParseFloat(value, 64); err == nil && strings.HasSuffix(name, "_ns") {
				figures[name] = append(figures[name], n)
			}
		}
		require.NoError(b, os.Remove(disk.Name()))
	}
	for name, values := range figures {
		b.ReportMetric(median(values)/1e6, strings.TrimSuffix(name, "_ns")+"-ms")
	}
}
