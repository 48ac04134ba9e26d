package vmtests

import (
	"slices"
	"strconv"
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
		h := start(b, runners[0], machine.Config{}, "panic=call", witnessProgram)
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
