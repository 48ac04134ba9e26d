package vmtests

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machine"
)

// BenchmarkHandOff tells the time from the panic to the rescue program's main,
// split by phase, as medians.
func BenchmarkHandOff(b *testing.B) {
	figures := map[string][]float64{}
	for range b.N {
		// Not stopped on the way: that would be timed, too.
		h := start(b, onKVM, machine.Config{}, "panic=call", witnessProgram)
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
// disk, and to the end of the dump, of hosts that nobody stops on the way.
func BenchmarkDump(b *testing.B) {
	figures := map[string][]float64{}
	for range b.N {
		disk := newDisk(b, 96<<20)
		config := machine.Config{Disks: []machine.Disk{{Name: "dump", Size: 96 << 20, Storage: disk}}}
		h := start(b, onKVM, config, "panic=call", rescueProgram)
		exit := h.finish()
		report := reportLine.FindStringSubmatch(h.console.String())
		require.NotNil(b, report, "%v\n%s", exit, h.console)
		for _, field := range strings.Fields(report[1]) {
			name, value, _ := strings.Cut(field, "=")
			if n, err := strconv.ParseFloat(value, 64); err == nil && strings.HasSuffix(name, "_ns") {
				figures[name] = append(figures[name], n)
			}
		}
	}
	for name, values := range figures {
		b.ReportMetric(median(values)/1e6, strings.TrimSuffix(name, "_ns")+"-ms")
	}
}
