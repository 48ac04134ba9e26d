package arm64

import (
	"context"
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/emulator/arm64/internal/native"
)

const guestProgram = "github.com/seed64aab995/rescuekernel/emulator/arm64/internal/guest"

// guest builds the program of package internal/guest for linux/arm64.
func guest(t testing.TB) string {
	t.Helper()
	path, err := native.Build(context.Background(), guestProgram, t.TempDir())
	if errors.Is(err, native.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	return path
}

// TestProgram runs algorithms of the standard library and others on emulated
// CPUs, and compares what they print with the same program here, and with the
// same binary under qemu-aarch64.
func TestProgram(t *testing.T) {
	t.Parallel()
	path := guest(t)
	got := map[Model]string{}
	for _, model := range []Model{CortexA57, Max} {
		p := newProcess(t, model, path, "all")
		got[model] = p.run()
		require.Zero(t, p.code, got[model])
		t.Logf("%s: %v", model, p)
	}
	require.Equal(t, got[CortexA57], got[Max])
	out, err := exec.CommandContext(t.Context(), "go", "run", guestProgram, "all").Output()
	require.NoError(t, err)
	require.Equal(t, portable(string(out)), portable(got[Max]))
	arguments, err := native.Launcher("max,pauth=off")
	if err != nil {
		t.Skipf("lines that differ between architectures are not compared: %v", err)
	}
	arguments = append(arguments, path, "all")
	out, err = exec.CommandContext(t.Context(), arguments[0], arguments[1:]...).Output()
	require.NoError(t, err)
	require.Equal(t, string(out), got[Max])
}

// portable leaves out lines that differ between architectures.
func portable(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		if !strings.HasPrefix(line, "float:") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// BenchmarkCompress runs the zstd compressor of the rescue program, fastest
// level, at EL0.
func BenchmarkCompress(b *testing.B) { benchmarkGuest(b, "compress") }

// BenchmarkDigest makes data and their SHA-256: by instructions for it.
func BenchmarkDigest(b *testing.B) { benchmarkGuest(b, "digest") }

func benchmarkGuest(b *testing.B, what string) {
	path := guest(b)
	for _, model := range []Model{CortexA57, Max} {
		b.Run(string(model), func(b *testing.B) {
			const size = 8 << 20
			instructions := uint64(0)
			b.SetBytes(size)
			for range b.N {
				b.StopTimer()
				p := newProcess(b, model, path, what, strconv.Itoa(size))
				b.StartTimer()
				p.run()
				instructions += p.cpu.count
			}
			b.ReportMetric(float64(instructions)/b.Elapsed().Seconds()/1e6, "Minstructions/s")
			b.ReportMetric(float64(instructions)/float64(b.N)/size, "instructions/byte")
		})
	}
}
