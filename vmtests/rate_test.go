package vmtests

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machine"
)

var rateProgram = newProgram("./testdata/rate")

var rateLine = regexp.MustCompile(`rate: (\d+) bytes in (\d+) ns`)

// rate is the rate of the last pass, in bytes a nanosecond.
func rate(t testing.TB, text string) float64 {
	t.Helper()
	all := rateLine.FindAllStringSubmatch(text, -1)
	require.Len(t, all, 2, text)
	bytes, err := strconv.ParseFloat(all[1][1], 64)
	require.NoError(t, err)
	took, err := strconv.ParseFloat(all[1][2], 64)
	require.NoError(t, err)
	return bytes / took
}

// BenchmarkCompression tells the rate of compression in a rescue program and
// that of the same file as an ordinary program, one after the other, and the
// median of their ratios. Run it with -benchtime 11x.
func BenchmarkCompression(b *testing.B) {
	native := filepath.Join(b.TempDir(), "rate")
	require.NoError(b, os.WriteFile(native, rateProgram.image(b), 0o700))
	var ratios, guests, natives []float64
	for range b.N {
		config := machine.Config{MemorySize: 256 << 20}
		h := start(b, onKVM, config, "panic=call reserve.size=0x5000000", rateProgram)
		h.finish()
		guest := rate(b, h.console.String())
		c := exec.Command(native)
		c.Env = append(os.Environ(), "GOMAXPROCS=1")
		out, err := c.Output()
		require.NoError(b, err)
		ordinary := rate(b, string(out))
		guests, natives, ratios = append(guests, guest*1e3), append(natives, ordinary*1e3), append(ratios, guest/ordinary)
	}
	b.ReportMetric(median(ratios), "guest/native")
	b.ReportMetric(median(guests), "guest-MB/s")
	b.ReportMetric(median(natives), "native-MB/s")
}
